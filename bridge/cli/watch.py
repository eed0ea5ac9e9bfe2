"""`stem-bridge watch`: the daemon, in this terminal or as a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli import options
from bridge.cli.progress import Feedback

__all__ = ["watch"]


@options.settings(*options.PACE)
def watch(
    once: Annotated[bool, typer.Option("--once", help="Do what lies in the inboxes, then stop.")] = False,
    include_existing: Annotated[
        bool,
        typer.Option("--include-existing", help="Also renders that were in an inbox before it was first watched."),
    ] = False,
    flags: options.Flags = options.NONE_GIVEN,
    config: options.Config = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Make a drop of every render in an inbox.

    It goes on until it is stopped. Ctrl-C lets the job under way end, if that takes no more than a minute; a second one
    stops at once, and the job begins again next time. SIGHUP reads the settings again.
    """
    from bridge.cli.log import Logged
    from bridge.config import load, state_folder
    from bridge.daemon.loop import Daemon

    state = state_folder()
    with Logged(_shown(state, json=json), state / "logs") as told:
        daemon = Daemon(
            load(config, flags=flags),
            state,
            told,
            load=lambda: load(config, flags=flags),
            include_existing=include_existing,
        )
        code = daemon.run(once)
    raise typer.Exit(code)


def _shown(state: Path, *, json: bool) -> Feedback:
    from bridge.cli.progress import Json, Lines, has_bars
    from bridge.cli.screen import Screen

    if json:
        return Json()
    return Screen(state / "status.json") if has_bars() else Lines()
