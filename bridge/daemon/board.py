"""Keeps the status and writes it when something changed, but never so often that the disk is kept busy with it."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bridge.daemon.status import Current, Ended, Held, Status, write_status
from bridge.daemon.tell import Told
from bridge.domain.drop import Drop
from bridge.domain.events import Event, Notice, StageStarted
from bridge.domain.work import ACTIVE, State, Work
from bridge.errors import BridgeError
from bridge.journal.journal import Journal

__all__ = ["Board"]

_MOST_ENDED = 10
_MOST_HELD = 5
_HELD: frozenset[State] = frozenset({"waiting", "stalled", "retry"})
_SOONEST_SECONDS = 0.1
_EVERY_SECONDS = 0.5
"""While only percents change."""
_HEARTBEAT_SECONDS = 15.0
"""A status that is older by far was written by a daemon that is gone: ReaScripts offer to start another."""


class Board:
    """Passes on what is told to whoever shows it, and keeps the status files up to date; one more `Told`."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        told: Told,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._told = told
        self._clock = clock
        self._monotonic = monotonic
        self._stage: Event | None = None
        self._stage_began = 0.0
        self._last: deque[Ended] = deque(maxlen=_MOST_ENDED)
        self._failed: deque[Ended] = deque(maxlen=_MOST_ENDED)
        self._status: Status | None = None
        self._is_written = False
        self._written_at = float("-inf")

    # Told

    def start(self, render: Path, number: int, of: int) -> None:
        """A render is begun."""
        self._stage = None
        self._told.start(render, number, of)

    def report(self, event: Event) -> None:
        """Something happened inside the job."""
        if not isinstance(event, Notice):
            if isinstance(event, StageStarted):
                self._stage_began = self._monotonic()
            self._stage = event
        self._told.report(event)

    def say(self, text: str) -> None:
        """A person should know this."""
        self._told.say(text)

    def done(self, render: Path, drop: Drop) -> None:
        """A drop is there."""
        self._forget_failure(str(render))
        self._last.appendleft(Ended(str(render), self._clock(), drop=str(drop.folder)))
        self._told.done(render, drop)

    def failed(self, render: Path | None, error: BridgeError) -> None:
        """A render could not be done, now or ever."""
        self._forget_failure(str(render or ""), error.message)
        self._failed.appendleft(Ended(str(render or ""), self._clock(), reason=error.message, hint=error.hint))
        self._told.failed(render, error)

    def _forget_failure(self, render: str, reason: str = "") -> None:
        """Let go of what was told of a render before; what concerns no single one is known again by its reason."""
        kept = [one for one in self._failed if one.render != render or (not render and one.reason != reason)]
        self._failed = deque(kept, maxlen=_MOST_ENDED)

    # The files

    def update(
        self,
        state: Literal["running", "paused", "stopping", "stopped"],
        work: Work | None,
        paused_by: str,
        problems: tuple[str, ...],
        *,
        changed: bool,
    ) -> bool:
        """Write the status files if anything is new, or to show that we live; `changed` says that works moved.

        Returns False when that must wait for a moment, since they were written only just now.
        """
        now = self._monotonic()
        if state != "stopped" and now - self._written_at < (_SOONEST_SECONDS if changed else _EVERY_SECONDS):
            return not changed
        if changed or self._status is None:
            counts: dict[str, int] = {}
            for (_, one), number in self._journal.counts(ACTIVE).items():
                counts[one] = counts.get(one, 0) + number
            newest = self._journal.works(_HELD, newest=_MOST_HELD)
            held = tuple(Held(str(one.path), one.state, one.reason) for one in reversed(newest))
        else:
            counts, held = dict(self._status.counts), self._status.held
        status = Status(
            state=state,
            pid=os.getpid(),
            updated=0.0,
            counts=counts,
            held=held,
            current=None if work is None else self._current(work),
            last=tuple(self._last),
            failed=tuple(self._failed),
            paused_by=paused_by,
            problems=problems,
        )
        if status != self._status or not self._is_written or now - self._written_at >= _HEARTBEAT_SECONDS:
            self._status, self._written_at = status, now
            self._is_written = write_status(self._folder, status, self._clock())
        return True

    def _current(self, work: Work) -> Current:
        event = self._stage
        if event is None or isinstance(event, Notice):
            return Current(work.id, str(work.path), work.attempts)
        done = 0.0 if isinstance(event, StageStarted) else event.done_seconds
        total = event.total_seconds
        took = self._monotonic() - self._stage_began
        left = round((total - done) * took / done, 1) if done > 0 else None
        percent = min(100, int(100 * done / total)) if total > 0 else 100
        return Current(work.id, str(work.path), work.attempts, event.stage, percent, left)
