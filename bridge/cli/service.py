"""`stem-bridge service`: let the system start the daemon at login."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bridge.cli import options, output

if TYPE_CHECKING:
    from bridge.service import Service

__all__ = ["app", "daemon_command"]

app = typer.Typer(help="Start the daemon with the system: install, remove, status.", no_args_is_help=True)


@app.command()
def install(config: options.Config = None, verbose: options.Verbose = 0) -> None:
    """Start the daemon now and at every login; replaces an older one."""
    from bridge import config as settings
    from bridge import service
    from bridge.errors import ConfigError

    loaded = settings.load(config)
    if not loaded.inboxes:
        raise ConfigError("There is no inbox to watch.", hint="Write settings with one: stem-bridge init")
    planned = _plan(loaded.file)
    settings.state_folder().mkdir(parents=True, exist_ok=True)
    service.install(planned, service.run_command)
    for note in planned.notes:
        output.say(note)
    output.result(str(planned.file))


@app.command()
def remove() -> None:
    """Stop the daemon and let it start no more."""
    from bridge import service

    planned = _plan(None)
    if service.remove(planned, service.run_command):
        output.say("The service is removed. Inboxes, drops and settings stay.")
    else:
        output.say("There is no service.")


@app.command()
def status() -> None:
    """Say whether the daemon is installed and runs; ends with 1 when it does not."""
    from bridge import service

    ran = service.status(_plan(None), service.run_command)
    if ran is None:
        output.say("There is no service. To make one: stem-bridge service install")
        raise typer.Exit(1)
    for line in ran.text.splitlines():
        output.result(output.one_line(line))
    if ran.code:
        raise typer.Exit(1)


def _plan(config: Path | None) -> Service:
    import getpass
    import os
    import platform

    from bridge.config import state_folder
    from bridge.service import plan

    return plan(
        platform.system(),
        daemon_command(Path(sys.executable), config, windows=os.name == "nt"),
        environment=os.environ,
        home=Path.home(),
        state=state_folder(),
        user=f"{os.environ.get('USERDOMAIN', '.')}\\{getpass.getuser()}",
        uid=getattr(os, "getuid", int)(),
    )


def daemon_command(python: Path, config: Path | None, *, windows: bool) -> tuple[str, ...]:
    """Return the command that starts the daemon with this very environment; on Windows one without a window."""
    windowless = python.with_name("pythonw.exe")
    program = windowless if windows and windowless.exists() else python
    named = ("--config", str(config.absolute())) if config is not None else ()
    return (str(program), "-X", "utf8", "-m", "bridge", "watch", *named)
