"""Flags that several commands share: each is a setting's name with dashes, and its value is checked by the settings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from bridge.cli import output

__all__ = ["NONE_GIVEN", "OUTPUT", "PACE", "SEPARATION", "Config", "Drop", "Flags", "Json", "Model", "Outbox"]
__all__ += ["Preset", "Recursive", "Verbose", "path", "settings"]


def path(text: str) -> Path:
    """Take a path as it is: whether it can be used is told by whoever uses it, in our words and for it alone."""
    if not text:
        # Path("") is the current folder: nobody means that by an empty variable.
        raise typer.BadParameter("the path is empty")
    try:
        Path(text).expanduser()
    except RuntimeError:
        raise typer.BadParameter(f"nobody here has the name after '~': {text}") from None
    return Path(text)


Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", parser=path, help="Settings file; else STEM_BRIDGE_CONFIG, else yours."),
]
Preset = Annotated[
    str | None, typer.Option("--preset", "-p", metavar="NAME|FILE", help="What to do with the stems. Default: clean.")
]
Model = Annotated[
    str | None, typer.Option("--model", "-m", metavar="NAME|FOLDER", help="What separates. Default: separation.model.")
]
Outbox = Annotated[
    Path | None,
    typer.Option(
        "--outbox",
        "-o",
        metavar="FOLDER",
        parser=path,
        help="Where drops appear. Default: the outbox of its inbox, else 'Stem Bridge' beside the render.",
    ),
]
Drop = Annotated[
    str, typer.Argument(metavar="DROP", help="A drop: its folder, its name in an outbox, or its render's name.")
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="With all folders below.")]
_SETTINGS: dict[str, object] = {
    "separation.stems": Annotated[
        str | None, typer.Option("--stems", metavar="A,B", help="Only these stems; all = every one.")
    ],
    "separation.two_stems": Annotated[
        str | None, typer.Option("--two-stems", metavar="STEM", help="This stem and the rest of the mix, nothing else.")
    ],
    "separation.overlap": Annotated[
        float | None, typer.Option("--overlap", help="Share of a segment computed twice, 0 to 0.95.")
    ],
    "separation.shifts": Annotated[
        int | None, typer.Option("--shifts", help="Extra runs at other offsets, averaged, 0 to 20.")
    ],
    "separation.residual": Annotated[
        str | None,
        typer.Option("--residual", metavar="other|stem|share|drop", help="Where mix minus all stems goes."),
    ],
    "separation.device": Annotated[
        str | None,
        typer.Option(
            "--device", metavar="auto|cpu|cuda|cuda:1|mps", help="What computes; cuda:0,cuda:1 = both, in a batch."
        ),
    ],
    "separation.precision": Annotated[
        str | None, typer.Option("--precision", metavar="auto|float32|bfloat16", help="Of the network's products.")
    ],
    "separation.threads": Annotated[int | None, typer.Option("--threads", help="CPU threads; 0 = all cores.")],
    "output.format": Annotated[
        str | None, typer.Option("--format", metavar="wav|flac|aiff", help="File format of the stems.")
    ],
    "output.subtype": Annotated[
        str | None,
        typer.Option("--subtype", metavar="FLOAT|PCM_24|PCM_16|source", help="Sample format; source = the render's."),
    ],
    "output.session": Annotated[
        str | None,
        typer.Option("--session", metavar="reaper,ardour", help="Project files in the drop; ardour is experimental."),
    ],
    "presets.bpm": Annotated[
        float | None, typer.Option("--bpm", help="Tempo of the render, for note values in presets, 1 to 960.")
    ],
}
"""The flags that are settings; none of these names means the same in two parts of the settings."""
PACE = ("separation.device", "separation.threads")
SEPARATION = tuple(name for name in _SETTINGS if name.startswith("separation."))
OUTPUT = tuple(name for name in _SETTINGS if name.startswith(("output.", "presets.")))
Flags = Mapping[str, object]
"""Settings and what the flags say of them; None where a flag was not given. What `bridge.config.load` takes."""
NONE_GIVEN: Flags = MappingProxyType({})
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


def settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of these settings, where its parameter `flags` stands, and that parameter their values.

    The first line of `bridge.cli.options` holds for them: each is a setting's name with dashes.
    """
    flag_of = {name: name.rpartition(".")[2] for name in names}

    def with_flags(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def given(**values: object) -> None:
            flags = {name: values.pop(flag) for name, flag in flag_of.items()}
            command(**values, flags=flags)

        own = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in own.parameters.values():
            parameters += _parameters(flag_of) if parameter.name == "flags" else [parameter]
        seen: Any = given
        seen.__signature__ = own.replace(parameters=parameters)
        return given

    return with_flags


def _parameters(flag_of: Mapping[str, str]) -> list[inspect.Parameter]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(flag, kind, default=None, annotation=_SETTINGS[name]) for name, flag in flag_of.items()]
