"""Flags that several commands share: each is a setting's name with dashes, and its value is checked by the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli import output

__all__ = ["Config", "Device", "Format", "Json", "Model", "Outbox", "Overlap", "Preset", "Residual", "Shifts", "Stems"]
__all__ += ["Subtype", "Threads", "TwoStems", "Verbose", "path"]


def path(text: str) -> Path:
    """Take a path as it is: whether it can be used is told by whoever uses it, in our words and for it alone."""
    if not text:
        # Path("") is the current folder: nobody means that by an empty variable.
        raise typer.BadParameter("the path is empty")
    return Path(text)


Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", parser=path, help="Settings file; else STEM_BRIDGE_CONFIG, else yours."),
]
Preset = Annotated[
    str | None, typer.Option("--preset", "-p", metavar="NAME|FILE", help="What to do with the stems. Default: clean.")
]
Model = Annotated[
    str | None, typer.Option("--model", "-m", metavar="NAME|FOLDER", help="What separates. Default: htdemucs.")
]
Outbox = Annotated[
    Path | None,
    typer.Option(
        "--outbox",
        "-o",
        metavar="FOLDER",
        parser=path,
        help="Where drops appear. Default: the outbox of your settings, else 'Stem Bridge' beside the render.",
    ),
]
Stems = Annotated[str | None, typer.Option("--stems", metavar="A,B", help="Only these stems; all = every one.")]
TwoStems = Annotated[
    str | None, typer.Option("--two-stems", metavar="STEM", help="This stem and the rest of the mix, nothing else.")
]
Overlap = Annotated[float | None, typer.Option("--overlap", help="Share of a segment computed twice, 0 to 0.95.")]
Shifts = Annotated[int | None, typer.Option("--shifts", help="Extra runs at other offsets, averaged, 0 to 20.")]
Residual = Annotated[
    str | None,
    typer.Option("--residual", metavar="other|stem|share|drop", help="Where mix minus all stems goes."),
]
Device = Annotated[str | None, typer.Option("--device", metavar="auto|cpu|cuda|mps", help="What computes.")]
Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads; 0 = all cores.")]
Format = Annotated[str | None, typer.Option("--format", metavar="wav|flac|aiff", help="File format of the stems.")]
Subtype = Annotated[
    str | None,
    typer.Option("--subtype", metavar="FLOAT|PCM_24|PCM_16|source", help="Sample format; source = the render's."),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON on stdout.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        callback=output.be_verbose,
        show_default=False,
        help="Errors with their cause; -vv: with traceback.",
    ),
]
