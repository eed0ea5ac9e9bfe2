"""`stem-bridge drops`: what was delivered, how big it is, and taking away what nobody uses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli import options, output
from bridge.disk import is_folder
from bridge.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from bridge.delivery.prune import Delivered

__all__ = ["app"]

app = typer.Typer(help="Delivered folders: list, show, keep, prune.", no_args_is_help=True)

Outboxes = Annotated[
    list[Path] | None,
    typer.Option(
        "--outbox",
        "-o",
        metavar="FOLDER",
        parser=options.path,
        help="Look here instead of in the outboxes of your settings.",
    ),
]


@app.command("list")
def list_drops(
    outbox: Outboxes = None, config: options.Config = None, json: options.Json = False, verbose: options.Verbose = 0
) -> None:
    """List drops, oldest first, with their sizes."""
    from bridge.units import format_bytes

    drops = _find(outbox, config)
    for drop in drops if json else ():
        output.event("drop", **_fields(drop))
    if not json:
        output.table(
            [
                (
                    _day(drop),
                    format_bytes(drop.bytes).rjust(8),
                    drop.manifest.model.name,
                    drop.manifest.preset.name,
                    output.one_line(str(drop.folder)),
                )
                for drop in drops
            ]
        )
        output.say(f"{len(drops)} drops, {format_bytes(sum(drop.bytes for drop in drops))}.")


@app.command()
def show(
    drop: options.Drop,
    config: options.Config = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Tell how a drop was made, and whether every file is still as it was."""
    from bridge.cli.which import drop_meant
    from bridge.config import load
    from bridge.delivery.manifest import as_data, read, verify
    from bridge.domain.drop import MANIFEST
    from bridge.units import format_bytes, format_duration

    folder = drop_meant(drop, load(config))
    manifest = read(folder / MANIFEST)
    problems = verify(folder)
    if json:
        output.event("drop", folder=folder, manifest=as_data(manifest), problems=problems)
    else:
        form = manifest.render.format
        rows = [
            ("drop", str(folder)),
            ("render", manifest.render.path),
            ("length", f"{format_duration(form.frames / form.sample_rate)}, {form.sample_rate} Hz"),
            ("made", f"{manifest.created:%Y-%m-%d %H:%M:%S %Z}"),
            ("model", manifest.model.name + (", for trying out" if manifest.model.is_trial else "")),
            ("preset", manifest.preset.name),
            ("position", f"{manifest.origin.seconds:g} s ({manifest.origin.source})"),
            ("sum", _sum(manifest.null_depth_db)),
        ]
        rows += [(file.kind, f"{format_bytes(file.bytes):>9}  {file.path}") for file in manifest.files]
        rows += [("note", notice) for notice in manifest.notices]
        output.table([(name, output.one_line(value)) for name, value in rows])
        for problem in problems:
            output.say(f"changed: {output.one_line(problem)}")
    if problems:
        raise typer.Exit(1)


@app.command()
def keep(
    drop: options.Drop,
    outbox: Annotated[
        Path | None,
        typer.Option(
            "--outbox",
            "-o",
            metavar="FOLDER",
            parser=options.path,
            help="Put it here instead of where the drop is.",
        ),
    ] = None,
    config: options.Config = None,
    verbose: options.Verbose = 0,
) -> None:
    """Make a new drop of an audition (presets.live) and print its path; the old drop stays as it is."""
    from bridge.cli.which import drop_meant
    from bridge.config import load, state_folder
    from bridge.daemon.keep import keep as keep_audition

    try:
        meant = drop_meant(drop, load(config))
    except ConfigError:
        if outbox is None:
            raise
        meant = Path(drop)  # the drop is gone; its audition may still be there
    into = outbox.expanduser() if outbox else meant.parent
    output.result(str(keep_audition(state_folder(), meant.name, into.absolute()).folder))


@app.command()
def prune(
    projects: Annotated[
        list[Path] | None,
        typer.Option(
            "--projects",
            metavar="FOLDER",
            parser=options.path,
            help="REAPER projects below it keep what they use; repeatable.",
        ),
    ] = None,
    older_than: Annotated[
        int | None,
        typer.Option("--older-than", metavar="DAYS", min=0, help="All drops so old; else those with a newer one."),
    ] = None,
    outbox: Outboxes = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needs --projects.")] = False,
    config: options.Config = None,
    verbose: options.Verbose = 0,
) -> None:
    """Delete drops that nobody uses; lists them and asks first.

    By default those of which a newer one of the same render and preset lies beside them. A drop that was changed, that
    holds a file of yours, or that a project below --projects uses, is kept.
    """
    from bridge.delivery.prune import Projects, reason_to_keep, remove_drop, superseded
    from bridge.units import format_bytes

    if yes and not projects:
        raise ConfigError(
            "Without --projects nobody knows what your projects use.", hint="Name their folders, or leave out --yes."
        )
    drops = _find(outbox, config)
    if older_than is None:
        chosen = superseded(drops)
    else:
        oldest = datetime.now(UTC) - timedelta(days=older_than)
        chosen = [drop for drop in drops if drop.manifest.created < oldest]
    used = Projects([folder.expanduser() for folder in projects or ()])
    if projects:
        output.say(f"{used.count} projects were looked through.")
    if yes and not used.count:
        raise ConfigError("There is no REAPER project below --projects.", hint="Name the folders where they are.")
    going = []
    for drop in chosen:
        user = used.user_of(drop)
        reason = f"{user} uses it" if user else reason_to_keep(drop)
        if reason:
            output.say(output.one_line(f"kept: {drop.folder}: {reason}"))
        else:
            going.append(drop)
    if not going:
        output.say("There is nothing to delete.")
        return
    size = format_bytes(sum(drop.bytes for drop in going))
    for drop in going:
        output.say(output.one_line(f"to delete: {drop.folder} ({format_bytes(drop.bytes)}, {_day(drop)})"))
    if not yes and not _agreed(f"Delete these {len(going)} drops, {size}?", known=bool(projects)):
        output.say("Nothing was deleted.")
        return
    failed = False
    for drop in going:
        try:
            remove_drop(drop)
        except BridgeError as exc:
            failed = True
            output.error(exc)
        else:
            output.result(str(drop.folder))
    if failed:
        raise typer.Exit(1)


def _agreed(question: str, *, known: bool) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError(
            "Nobody is there to be asked.", hint="Give --yes --projects FOLDER to delete without being asked."
        )
    if not known:
        output.say("No project was looked at: --projects FOLDER would keep what projects use.")
    return typer.confirm(question, default=False, err=True)


def _find(outboxes: Sequence[Path] | None, config: Path | None) -> list[Delivered]:
    from bridge.config import load
    from bridge.delivery.prune import find_drops

    folders = [folder.expanduser().absolute() for folder in outboxes or ()]
    for folder in folders:
        if not is_folder(folder):
            raise ConfigError(f"{folder} is no folder.", hint="Name the outbox whose drops you mean.", path=folder)
    if not folders:
        folders = [inbox.outbox.absolute() for inbox in load(config).inboxes]
    if not folders:
        raise ConfigError("There is no outbox to look into.", hint="Name one with --outbox.")
    return [drop for folder in dict.fromkeys(folders) for drop in find_drops(folder)]


def _sum(depth: float | str | None) -> str:
    """Say how well the dry stems add up to the render."""
    if depth is None:
        return "not promised"
    return depth if isinstance(depth, str) else f"{depth:.0f} dB"


def _day(drop: Delivered) -> str:
    return f"{drop.manifest.created.astimezone():%Y-%m-%d}"


def _fields(drop: Delivered) -> dict[str, object]:
    manifest = drop.manifest
    return {
        "folder": drop.folder,
        "created": manifest.created.isoformat(),
        "bytes": drop.bytes,
        "render": manifest.render.path,
        "model": manifest.model.name,
        "preset": manifest.preset.name,
    }
