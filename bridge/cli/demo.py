"""`stem-bridge demo`: the whole job on a song whose true stems are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli import options, output
from bridge.errors import DestinationError, NoSpaceError
from bridge.units import format_bytes, format_duration

if TYPE_CHECKING:
    from bridge.delivery.manifest import Manifest
    from bridge.domain.drop import Drop
    from bridge.evaluate import Scores

__all__ = ["demo"]

_MODEL = "htdemucs_mini"


def demo(
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", parser=options.path, help="Where the song and its drop go.")
    ] = Path("stem-bridge-demo"),
    preset: Annotated[str, typer.Option("--preset", "-p", metavar="NAME|FILE", help="A preset.")] = "mix-ready",
    verbose: options.Verbose = 0,
) -> None:
    """Try the whole job on a bundled song, offline, in about a minute.

    Prints what is in the drop, how exactly its stems add up, how good they are and how fast they came.
    """
    from bridge.cli.jobs import Planner, run_jobs
    from bridge.cli.progress import feedback
    from bridge.config import Settings
    from bridge.delivery.manifest import read
    from bridge.demo import prepare
    from bridge.evaluate import evaluate_folders

    home = into.expanduser().absolute()
    job = Planner(Settings(), preset, _MODEL, home / "outbox")
    try:
        render = prepare(home)
    except (DestinationError, NoSpaceError) as exc:
        # The disk's own hint names a flag of other commands.
        hint = exc.hint.replace("outbox (--outbox)", "folder (--into)")
        raise type(exc)(exc.message, hint=hint, path=exc.path) from exc
    with feedback(json=False) as told:
        drops = run_jobs([job.job(render)], told)
    if not drops:
        raise typer.Exit(1)
    (drop,) = drops
    for line in _told(drop, read(drop.manifest), evaluate_folders(drop.folder, home / "truth")):
        output.result(line)


def _told(drop: Drop, manifest: Manifest, scores: Scores) -> Iterator[str]:
    from bridge.cli.jobs import trial_words

    yield ""
    yield from _tree(drop.folder)
    yield ""
    depth = manifest.null_depth_db
    left = "nothing, to the bit" if depth == "exact" else "-" if depth is None else f"{depth:.0f} dB"
    yield f"null   the mix minus all dry stems leaves {left}"
    yield "SDR    " + ", ".join(f"{stem} {measures['sdr_db']:.1f} dB" for stem, measures in scores.items())
    seconds = manifest.render.format.value().seconds
    took = sum(manifest.timings.seconds.values())
    yield (
        f"speed  {format_duration(seconds)} of sound in {format_duration(took)}: "
        f"{manifest.timings.times_real_time:.1f}x real time on {manifest.model.device}"
    )
    yield f"REAPER Actions > Show action list > New action > Load ReaScript: {drop.import_script}"
    yield ""
    yield trial_words(_MODEL)


def _tree(folder: Path, indent: str = "") -> Iterator[str]:
    """Yield a folder's lines: folders first, files with their sizes."""
    yield f"{indent}{folder.name}/"
    inside = sorted(folder.iterdir(), key=lambda path: (path.is_file(), path.name.casefold()))
    for path in inside:
        if path.is_dir():
            yield from _tree(path, indent + "  ")
        else:
            yield f"{indent}  {path.name}  ({format_bytes(path.stat().st_size)})"
