"""What becomes of a work: done, with its drop announced; or failed, and then judged, told of and put aside."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from bridge.config import Settings
from bridge.daemon.done_folder import put_away
from bridge.daemon.failure import judge
from bridge.daemon.jobs import inbox_of
from bridge.daemon.outboxes import Outboxes
from bridge.daemon.parked import keep_reason
from bridge.daemon.places import Places
from bridge.daemon.tell import Messenger, Told
from bridge.disk import is_folder
from bridge.domain.drop import IMPORT_SCRIPT, MANIFEST, Drop
from bridge.domain.work import Identified, Work
from bridge.errors import BridgeError, ReadError, RenderChangedError, SetupError
from bridge.journal.journal import Journal

__all__ = ["Outcomes"]


class Outcomes:
    """Writes the end of a work, or of an attempt at it, into the journal, and tells whom it concerns."""

    def __init__(
        self,
        journal: Journal,
        settings: Settings,
        state_folder: Path,
        told: Told,
        messenger: Messenger,
        outboxes: Outboxes,
        places: Places,
        log_tail: Callable[[], str],
        *,
        clock: Callable[[], float] = time.time,
        luck: Callable[[], float] = random.random,
    ) -> None:
        """`log_tail` returns the end of what the worker printed."""
        self.settings = settings
        self.failures = 0
        """Renders that were put aside so far."""
        self.finished = 0
        """Renders whose drop is there."""
        self._journal = journal
        self._state_folder = state_folder
        self._told = told
        self._messenger = messenger
        self._outboxes = outboxes
        self._places = places
        self._log_tail = log_tail
        self._clock = clock
        self._luck = luck

    def done(self, work: Work, folder: Path, keys: Identified) -> None:
        """A work is done: say where its drop is, unless it was removed, and move the render where that is wanted."""
        work = self._journal.done(work, folder, keys)
        self.finished += 1
        if is_folder(folder):
            self._told.done(work.path, Drop(folder, folder / IMPORT_SCRIPT, folder / MANIFEST))
            self._messenger.finished(self.settings.tell, work.path, folder)
        moves = any(one.path.absolute() == work.inbox and one.after == "move" for one in self.settings.inboxes)
        if moves and self._places.trouble(work.inbox) is None:
            put_away(work, self._told.say)

    def failed(self, work: Work, error: BridgeError) -> None:
        """Decide whether a work is tried again, and when; say it where it was not said before."""
        if isinstance(error, ReadError):
            if (trouble := self._places.trouble(work.inbox)) is not None:
                # Not the render is at fault; it settles again once its inbox is back.
                error = RenderChangedError(
                    f"{work.path.name} could not be read to its end: {trouble.reason}",
                    hint=trouble.hint,
                    path=work.path,
                )
            elif not os.path.lexists(work.path):
                self._journal.move(work, "gone", error=error)
                return
        if work.state == "running" and not isinstance(error, SetupError):
            # Whatever it died of, without its outbox it could not have lived.
            error = self._outboxes.lost(inbox_of(work, self.settings).outbox) or error
        verdict = judge(
            error,
            attempts=work.attempts,
            deaths=work.deaths,
            limit=self.settings.daemon.attempts,
            rescan_seconds=self.settings.intake.rescan_seconds,
            luck=self._luck(),
        )
        not_before = self._clock() + verdict.wait_seconds if verdict.state == "retry" else 0.0
        said_before = (work.error, work.reason) == (type(error).__name__, error.message)
        work = self._journal.move(work, verdict.state, error=error, not_before=not_before)
        if verdict.pauses_outbox:
            self._outboxes.pause(inbox_of(work, self.settings).outbox, error)
        if verdict.state == "parked":
            self.put_aside(work, error)
        elif not said_before:
            self._told.failed(work.path, error)

    def put_aside(self, work: Work, error: BridgeError) -> None:
        """Tell of a work that was parked, and keep why."""
        self.failures += 1
        log_tail = self._log_tail() if work.attempts else ""
        keep_reason(self._state_folder, work, log_tail)
        self._told.failed(work.path, error)
        self._messenger.failed(self.settings.tell, work.path, error.message)
