"""What people ask of single works: try again, let go."""

from __future__ import annotations

import os
from collections.abc import Callable

from bridge.daemon.desk import Desk
from bridge.daemon.parked import forget_reason
from bridge.domain.work import State, Work
from bridge.errors import ConfigError
from bridge.journal.journal import Journal

__all__ = ["cancel", "retry"]

Say = Callable[[str], None]
_NOT_BEGUN: frozenset[State] = frozenset({"waiting", "stalled", "ready", "retry"})
_FAILED: frozenset[State] = frozenset({"parked", "retry"})
_AGAIN: frozenset[State] = _FAILED | {"cancelled", "done", "recorded", "gone"}


def retry(wanted: str, journal: Journal, desk: Desk, say: Say) -> None:
    """Make works ready again, whatever came of them; `all` = those that failed."""
    for work in _chosen(wanted, journal, _FAILED, say):
        if work.state not in _AGAIN:
            say(f"{work.path.name} is {work.state}; there is nothing to try again.")
        elif not os.path.lexists(work.path):
            say(f"{work.path} is not there any more, so it cannot be tried again.")
        else:
            forget_reason(desk.state_folder, work)
            journal.move(work, "ready")


def cancel(wanted: str, journal: Journal, desk: Desk, say: Say) -> None:
    """Take works back, the one in hand too; `all` = every one that is not ended."""
    for work in _chosen(wanted, journal, _NOT_BEGUN | {"running"}, say):
        if desk.current is not None and work.id == desk.current.id:
            desk.take_back(cancelled=True)
        elif work.state in _NOT_BEGUN:
            journal.move(work, "cancelled")
        elif work.state == "publishing":
            say(f"{work.path.name} is complete and about to be delivered; it cannot be cancelled any more.")
        else:
            say(f"{work.path.name} is {work.state}; there is nothing to cancel.")


def _chosen(wanted: str, journal: Journal, of_all: frozenset[State], say: Say) -> list[Work]:
    if wanted == "all":
        return journal.works(of_all)
    try:
        return [journal.get(wanted)]
    except ConfigError as error:
        say(error.message)
        return []
