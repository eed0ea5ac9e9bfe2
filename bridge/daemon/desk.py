"""The work in hand, one at a time: handed to the worker, watched, and published."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bridge.config import Settings
from bridge.daemon import recovery
from bridge.daemon.jobs import inbox_of, plan_job
from bridge.daemon.outboxes import Outboxes
from bridge.daemon.outcomes import Outcomes
from bridge.daemon.parked import forget_reason
from bridge.daemon.sameness import Sameness
from bridge.daemon.tell import Told
from bridge.delivery.publish import publish
from bridge.delivery.stage import discard_stage, sweep
from bridge.disk import is_file
from bridge.domain.drop import MANIFEST, Staged
from bridge.domain.events import Event, place_of
from bridge.domain.job import Job
from bridge.domain.work import Identified, Work
from bridge.errors import (
    BridgeError,
    Cancelled,
    DestinationError,
    NoSpaceError,
    SetupError,
    WorkerError,
    by_name,
)
from bridge.journal.journal import Journal
from bridge.worker.client import Worker

__all__ = ["Desk"]

_NOTE_SECONDS = 5.0
"""How often it is written down how far a job came."""


class Desk:
    """Does works one after the other. Everything is in the journal before it is so."""

    def __init__(
        self,
        journal: Journal,
        worker: Worker,
        settings: Settings,
        state_folder: Path,
        told: Told,
        outcomes: Outcomes,
        outboxes: Outboxes,
    ) -> None:
        self.settings = settings
        self.current: Work | None = None
        self._journal = journal
        self._worker = worker
        self.state_folder = state_folder
        self._told = told
        self._outcomes = outcomes
        self._outboxes = outboxes
        self._sameness = Sameness(journal)
        self._job: Job | None = None
        self._keys: Identified | None = None
        self._made_before: Path | None = None
        self._hung = False
        self._place = 0
        self._note_at = 0.0

    def closed_inboxes(self, journal: Journal) -> set[Path]:
        """Return the inboxes whose works must wait: their outbox is full or gone, or no setting names them any more."""
        inboxes = self.settings.inboxes
        known = {one.path.absolute() for one in inboxes}
        closed = {one.path.absolute() for one in inboxes if not self._outboxes.is_open(one.outbox.absolute())}
        return closed | {inbox for inbox, _ in journal.counts({"ready", "retry"}) if inbox not in known}

    # From ready to the worker

    def take(self, work: Work, *, of: int) -> None:
        """Begin a work: first whether it can be done at all, then the attempt is counted, then the worker has it."""
        try:
            job = plan_job(work, self.settings)
        except BridgeError as error:
            self._outcomes.failed(work, error)
            return
        forget_reason(self.state_folder, work)
        begun = self._journal.begin(work)
        self.current, self._job = begun, replace(job, id=begun.job_id)
        self._keys, self._made_before, self._hung = None, None, False
        self._place, self._note_at = 0, time.monotonic() + _NOTE_SECONDS
        ended = self._outcomes.finished + self._outcomes.failures
        self._told.start(begun.path, ended + 1, ended + of)
        try:
            self._worker.begin(self._job, self._report, self._decide)
        except BridgeError as error:
            self._end()
            self._outcomes.failed(begun, error)

    def turn(self, seconds: float) -> bool:
        """Listen to the worker for so long, and act on what it says; returns whether the work in hand has ended."""
        work = self.current
        assert work is not None
        try:
            staged = self._worker.poll(seconds)
        except Cancelled:
            self._end()
            self._recognise(work)
        except WorkerError as error:
            self._end()
            self._outcomes.failed(self._journal.reach(work, self._place), self._silence(work) if self._hung else error)
        except BridgeError as error:
            self._end()
            self._outcomes.failed(work, error)
        else:
            if staged is not None:
                self._deliver(work, staged)
            elif not self._hung and self._worker.silent_seconds > 60 * self.settings.daemon.patience_minutes:
                self._hung = True
                self._worker.kill()
            elif time.monotonic() >= self._note_at:
                # Lest it be forgotten should all of us be killed.
                self._note_at = time.monotonic() + _NOTE_SECONDS
                self._journal.reach(work, self._place)
        return self.current is None

    def take_back(self, *, cancelled: bool) -> None:
        """Stop the work in hand and clean up; it is then `cancelled`, or `ready` for another time."""
        work = self.current
        if work is None:
            return
        if not cancelled:
            self._told.say(f"{work.path.name} is stopped; it begins again at the next start.")
        self._worker.cancel()
        self._end()
        self._journal.move(work, "cancelled" if cancelled else "ready")

    def _report(self, event: Event) -> None:
        self._place = max(self._place, place_of(event))
        self._told.report(event)

    def _decide(self, keys: Identified) -> Path | None:
        """Stop what was done before; point at stems that exist."""
        assert self.current is not None
        assert self._job is not None
        self._keys = keys
        made = self._sameness.drop(keys, self._job.outbox, rebuild=self.current.keys == keys)
        if made is not None:
            self._made_before = made
            raise Cancelled
        return self._sameness.stems(keys)

    def _end(self) -> None:
        self.current, self._job = None, None

    # From the worker to the outbox

    def _recognise(self, work: Work) -> None:
        """The same work was done before: announce its drop, whether the user still has it or not."""
        if self._keys is None or self._made_before is None:
            self._journal.move(work, "cancelled")
            return
        drop = self._made_before
        if is_file(drop / MANIFEST):
            self._told.say(f"  {work.path.name} was done before")
        else:
            name = work.path.name
            self._told.say(f"  {name} was done before, and its drop was removed; jobs retry '{name}' makes it again")
        self._outcomes.done(work, drop, self._keys)

    def _deliver(self, work: Work, staged: Staged) -> None:
        assert self._keys is not None
        self._end()
        try:
            work = self._journal.publishing(work, self._keys)
        except Cancelled:
            discard_stage(staged.outbox, work.job_id)
        else:
            self._publish(work, staged)
        finally:
            self._worker.release()

    def _publish(self, work: Work, staged: Staged) -> None:
        """Make the drop appear. While its outbox refuses, the complete folder waits in staging and in the journal."""
        assert work.keys is not None
        try:
            drop = publish(staged)
        except (NoSpaceError, DestinationError) as error:
            self._outboxes.pause(staged.outbox, error)
            self._told.failed(work.path, error)
        except BridgeError as error:
            if (lost := self._outboxes.lost(staged.outbox)) is not None:
                self._told.failed(work.path, lost)
                return
            discard_stage(staged.outbox, work.job_id)
            self._outcomes.failed(work, WorkerError(error.message, hint=error.hint, path=error.path))
        else:
            if drop.doubt:
                self._told.say(drop.doubt)
            self._outcomes.done(work, drop.folder, work.keys)

    def _silence(self, work: Work) -> WorkerError:
        return WorkerError(
            f"The worker said nothing for {self.settings.daemon.patience_minutes:g} minutes while it worked on "
            f"{work.path.name}, and was ended.",
            hint="A plugin or a driver that hangs is the usual cause; daemon.patience_minutes sets how long to wait.",
            path=work.path,
        )

    # What others left

    def recover(self, *, at_start: bool) -> None:
        """Judge every attempt that died with its instance, and finish what was about to appear.

        `at_start`, while nobody waits, what is complete is proved to be so byte for byte.
        """
        for work in self._journal.works({"running"}):
            with suppress(SetupError):
                outbox = inbox_of(work, self.settings).outbox
                if self._outboxes.is_open(outbox):
                    discard_stage(outbox, work.job_id)
            if not (at_start and work.has_cut_off_too_often(self.settings.daemon.attempts)):
                self._journal.move(work, "ready")
                continue
            error = WorkerError(
                f"Stem Bridge ended {work.cuts + 1} times while it worked on {work.path.name}, which got no further.",
                hint="If the computer or a person ended it, try again: stem-bridge jobs retry all",
                path=work.path,
            )
            self._outcomes.put_aside(self._journal.move(work, "parked", error=error), error)
        if at_start:
            self.try_again_what_waited_for_the_user()
        self.settle_outboxes(hashes=at_start)
        for inbox in self.settings.inboxes:
            if self._outboxes.is_open(inbox.outbox.absolute()):
                sweep(inbox.outbox.absolute())

    def let_go(self) -> None:
        """Drop the work in hand without a word to the journal, which cannot be written; `recover` then finds it."""
        if self.current is not None:
            self._worker.cancel()
            self._end()

    def try_again_what_waited_for_the_user(self) -> None:
        """Settings or presets were changed, or we were started anew: look again at what they stopped."""
        for work in self._journal.works({"retry"}):
            if issubclass(by_name(work.error), SetupError):
                self._journal.move(work, "ready")

    def settle_outboxes(self, opened: list[Path] | None = None, *, hashes: bool = False) -> None:
        """Finish what was about to appear, in all outboxes or in those that are open again."""
        for work in self._journal.works({"publishing"}):
            try:
                outbox = inbox_of(work, self.settings).outbox
            except SetupError:
                continue
            if (opened is None or outbox in opened) and self._outboxes.is_open(outbox):
                self._settle(work, outbox, hashes)
        for outbox in opened or ():
            sweep(outbox)

    def _settle(self, work: Work, outbox: Path, hashes: bool) -> None:
        staged = recovery.find_staged(work, outbox, hashes=hashes)
        if staged is not None:
            self._publish(work, staged)
            return
        drop = recovery.find_delivered(work, outbox, self._is_claimed, hashes=hashes)
        if drop is not None and work.keys is not None:
            discard_stage(outbox, work.job_id)
            self._outcomes.done(work, drop.folder, work.keys)
        else:
            self._journal.move(work, "ready")

    def _is_claimed(self, folder: Path) -> bool:
        return any(work.drop == folder for work in self._journal.works({"done"}))
