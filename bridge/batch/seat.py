"""One worker of a run, and the render it is at: begun, asked what it says, delivered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.delivery.manifest import verify
from bridge.delivery.publish import publish
from bridge.delivery.stage import discard_stage
from bridge.domain.drop import IMPORT_SCRIPT, MANIFEST, Drop, Staged
from bridge.domain.events import Event, Report, place_of
from bridge.domain.job import Job
from bridge.domain.work import Identified, Work
from bridge.errors import Cancelled
from bridge.journal.journal import Journal
from bridge.worker.client import Worker

__all__ = ["Seat"]

_NOTE_SECONDS = 5.0
"""How often it is written down how far a job came."""


@dataclass(eq=False)
class Seat:
    """A worker, its device, and what it is at; free when `work` is None."""

    worker: Worker
    device: str = ""
    """What computes here; '' = what the job says."""
    work: Work | None = None
    number: int = 0
    """Of the render, in the run."""
    is_begun: bool = False
    waited_seconds: float = 0.0
    """For its outbox, since it last had one."""
    keys: Identified | None = None
    """What the job is, once that is known."""
    reached: int = 0
    """The furthest that the job has told of."""
    is_twin: bool = False
    """Another seat is making the very drop: this render is looked at again when that one has ended."""
    _before: Path | None = None
    _note_at: float = 0.0

    def take(self, number: int, work: Work) -> None:
        """Sit down to a render."""
        self.work, self.number, self.waited_seconds = work, number, 0.0
        self.again(work)

    def again(self, work: Work) -> None:
        """Let the same render be tried from its beginning."""
        self.work, self.is_begun, self.keys, self.is_twin, self._before = work, False, None, False, None
        self.reached = 0

    def leave(self) -> None:
        """Be free for the next render."""
        self.work, self.keys, self.is_begun = None, None, False

    def begin(self, job: Job, report: Report, decide: Callable[[Identified], Path | None]) -> None:
        """Hand the job to the worker; see `Worker.begin`. `decide` is asked for a drop whose stems to use."""
        if self.device:
            job = replace(job, separation=replace(job.separation, device=self.device))

        def told(event: Event) -> None:
            self.reached = max(self.reached, place_of(event))
            report(event)

        self._note_at = time.monotonic() + _NOTE_SECONDS
        self.worker.begin(job, told, decide)
        self.is_begun = True

    def recognise(
        self, keys: Identified, journal: Journal, others: Sequence[Seat], drops: Callable[[str], Sequence[Path]]
    ) -> Path | None:
        """Say what is known of the job; raises Cancelled when its drop exists, or is being made at another seat."""
        self.keys = keys
        made = journal.done_drop(keys.drop_key)
        if made is not None and not verify(made, hashes=False):
            self._before = made
            raise Cancelled
        if any(one.keys is not None and one.keys.drop_key == keys.drop_key for one in others if one is not self):
            self.keys, self.is_twin = None, True
            raise Cancelled
        found = [*journal.drops_with_stems(keys.separation_key), *drops(keys.separation_key)]
        return next((one for one in found if not verify(one, hashes=False)), None)

    def look(
        self, journal: Journal, timeout: float, patience_seconds: float, say: Callable[[str], None]
    ) -> Drop | None:
        """Hear the worker for a while; returns the drop once it is there. Raises what the job raised.

        Cancelled: it was taken back because another seat is at the same sound.
        """
        assert self.work is not None
        try:
            staged = self.worker.poll(timeout)
        except Cancelled:
            if self._before is None or self.keys is None:
                raise
            say(f"  the same sound was done before: {self._before}")
            journal.done(self.work, self._before, self.keys)
            return Drop(self._before, self._before / IMPORT_SCRIPT, self._before / MANIFEST)
        if staged is not None:
            return self._deliver(staged, journal, say)
        if time.monotonic() >= self._note_at:
            # Lest it be forgotten should all of us be killed.
            self._note_at = time.monotonic() + _NOTE_SECONDS
            journal.reach(self.work, self.reached)
        if self.worker.silent_seconds > patience_seconds:
            self.worker.kill()
        return None

    def _deliver(self, staged: Staged, journal: Journal, say: Callable[[str], None]) -> Drop:
        assert self.work is not None
        assert self.keys is not None
        try:
            journal.publishing(self.work, self.keys)
            drop = publish(staged)
        except BaseException:
            discard_stage(staged.outbox, self.work.job_id)
            raise
        finally:
            self.worker.release()
        if drop.doubt:
            say(drop.doubt)
        journal.done(self.work, drop.folder, self.keys)
        return drop
