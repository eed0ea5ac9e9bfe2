"""`stem-bridge apply`: another preset on stems that exist, without separating again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli import options
from bridge.disk import is_folder
from bridge.errors import BridgeError, ConfigError, ReadError
from bridge.words import reason_of

if TYPE_CHECKING:
    from bridge.cli.jobs import Planner
    from bridge.delivery.manifest import Manifest
    from bridge.domain.job import Job

__all__ = ["apply", "drop_of"]


@options.settings(*options.OUTPUT)
def apply(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="Name of a preset, or the path of its file.")],
    source: Annotated[
        Path,
        typer.Argument(metavar="DROP|RENDER", parser=options.path, help="A drop, its name, or a render that has one."),
    ],
    outbox: options.Outbox = None,
    flags: options.Flags = options.NONE_GIVEN,
    config: options.Config = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Put another preset on the dry stems of a drop.

    Makes a new drop and prints its path; the old one stays as it is.
    """
    from bridge.cli.jobs import Planner, run_jobs, warn_of_trial
    from bridge.cli.progress import feedback
    from bridge.cli.which import drop_meant
    from bridge.config import load

    with feedback(json=json) as told:
        told.subject = source
        settings = load(config, flags=flags)
        planner = Planner(settings, preset, outbox=outbox)
        if not os.path.lexists(source.expanduser()):
            source = drop_meant(str(source), settings)
        drops = run_jobs([_job(planner, source)], told)
        warn_of_trial(drops, planner, told)
    if not drops:
        raise typer.Exit(1)


def _job(planner: Planner, source: Path) -> Job:
    """Plan from a drop, whose archived mix stands for the render, or from a render whose drop is looked for."""
    from bridge.delivery.manifest import read
    from bridge.domain.drop import MANIFEST

    source = Path(os.path.realpath(source.expanduser()))
    if not is_folder(source):
        drop = drop_of(source, planner.outbox_of(source))
        return _remembering(planner.job(source, stems_from=drop), read(drop / MANIFEST))
    manifest = read(source / MANIFEST)
    mix = next((file for file in manifest.files if file.kind == "mix"), None)
    if mix is None:
        raise ReadError(f"{source} holds no mix.", hint="Name the render instead of its drop.", path=source)
    planner = replace(planner, outbox=planner.outbox or source.parent)
    home = Path(manifest.render.path)
    return _remembering(planner.job(source / mix.path, stems_from=source, home=home), manifest)


def _remembering(job: Job, drop: Manifest) -> Job:
    """Carry over what was known of the render when its drop was made; a tempo that is said now wins."""
    return replace(
        job,
        origin=drop.origin.value(),
        markers=tuple(marker.value() for marker in drop.markers),
        tempo=job.tempo or (None if drop.tempo is None else drop.tempo.value()),
        source=None if drop.source is None else drop.source.value(),
        tags=tuple(drop.tags.items()),
    )


def drop_of(render: Path, outbox: Path) -> Path:
    """Return the drop in `outbox` that was made from this very file; raises ReadError, ConfigError.

    Where several were, one made under this very path comes first, then the one with most stems, then the newest.
    """
    from bridge.delivery.manifest import read, sha256_of
    from bridge.domain.drop import MANIFEST

    try:
        sha256 = sha256_of(render)
        folders = [path.parent for path in outbox.glob(f"*/{MANIFEST}")]
    except OSError as exc:
        raise ReadError(
            f"{render} cannot be read: {reason_of(exc)}.", hint="Check the name and the folder.", path=render
        ) from exc
    made = []
    for folder in folders:
        try:
            manifest = read(folder / MANIFEST)
        except BridgeError:
            # Somebody else's drop.json, or a damaged one: not the drop that is looked for.
            continue
        if manifest.render.sha256 == sha256:
            stems = len({file.stem for file in manifest.files})
            made.append((manifest.render.path == str(render), stems, manifest.created, folder))
    if not made:
        raise ConfigError(
            f"No drop of {render.name} is in {outbox}.",
            hint="Separate it first (stem-bridge process), or name its outbox with --outbox.",
            path=render,
        )
    return max(made)[-1]
