"""`stem-bridge reaper`: the ReaScripts into REAPER's resource folder and out of it again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli import options, output
from bridge.cli.service import daemon_command

__all__ = ["app"]

app = typer.Typer(help="The scripts in REAPER: install, uninstall, path.", no_args_is_help=True)

ResourcePath = Annotated[
    Path | None,
    typer.Option(
        "--resource-path",
        metavar="FOLDER",
        parser=options.path,
        help="REAPER's resource folder, of a portable installation for instance. Default: where REAPER keeps it.",
    ),
]


@app.command()
def install(resource_path: ResourcePath = None, config: options.Config = None, verbose: options.Verbose = 0) -> None:
    """Put the scripts into REAPER; replaces older ones."""
    import os

    from bridge import config as settings
    from bridge import reaper
    from bridge.errors import ConfigError
    from bridge.resources import shipped

    loaded = settings.load(config)
    if not loaded.inboxes:
        raise ConfigError("There is no inbox to send to.", hint="Write settings with one: stem-bridge init")
    windows = os.name == "nt"
    command = daemon_command(Path(sys.executable), loaded.file, windows=windows)
    text = reaper.config_text(
        settings.state_folder(),
        reaper.command_line(command, os.environ, windows=windows),
        [
            reaper.Inbox(one.path.absolute(), one.outbox.absolute(), one.preset, loaded.model_of(one))
            for one in loaded.inboxes
        ],
    )
    done = reaper.install(shipped("reaper_scripts") / "Stem Bridge", _resource_folder(resource_path), text)
    for kept in done.kept:
        output.say(f"What you had changed is kept: {output.one_line(str(kept))}")
    output.say(
        "In REAPER, once: Actions > Show action list > New action > Load ReaScript; choose this file and run it."
    )
    output.result(str(done.adder))


@app.command()
def uninstall(resource_path: ResourcePath = None, verbose: options.Verbose = 0) -> None:
    """Take the scripts away; what you changed stays."""
    from bridge import reaper

    done = reaper.uninstall(_resource_folder(resource_path))
    if done is None:
        output.say("The scripts are not installed there.")
        return
    for path in done.left:
        output.say(f"Left, because it was changed: {output.one_line(str(path))}")
    output.say(f"{len(done.removed)} files are removed. In REAPER, take 'stembridge' out of the action list.")


@app.command()
def path(resource_path: ResourcePath = None, verbose: options.Verbose = 0) -> None:
    """Print where the scripts are, or would be."""
    from bridge import reaper

    output.result(str(_resource_folder(resource_path) / reaper.FOLDER))


def _resource_folder(given: Path | None) -> Path:
    import os
    import platform

    from bridge import reaper

    return reaper.find(platform.system(), os.environ, Path.home(), given)
