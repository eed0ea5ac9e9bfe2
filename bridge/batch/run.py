"""The run itself: every planned render once, whatever happens to the others, and again only what is not done.

The journal is the daemon's kind, in a folder of its own for each combination of tree, place and options.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bridge.batch.gate import Gate
from bridge.batch.plan import Planned
from bridge.delivery.manifest import read, verify
from bridge.delivery.publish import publish
from bridge.delivery.stage import discard_stage, sweep
from bridge.domain.drop import IMPORT_SCRIPT, MANIFEST, STAGING, Drop, Staged
from bridge.domain.events import Event, place_of
from bridge.domain.job import Job
from bridge.domain.render import FileIdentity
from bridge.domain.work import Identified, Work
from bridge.errors import (
    BridgeError,
    Cancelled,
    DeliveryError,
    DestinationError,
    NoSpaceError,
    RenderError,
    RetryError,
    SetupError,
    WorkerError,
    by_name,
)
from bridge.intake.plain import identity_of
from bridge.journal.journal import Journal
from bridge.neighbour import Awake
from bridge.worker.client import Worker

__all__ = ["Batch", "Tally", "Told"]

_FIRST_WAIT_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 300.0
_POLL_SECONDS = 0.2
_LOOK_UP_SECONDS = 10.0
_NOTE_SECONDS = 5.0
"""How often it is written down how far a job came."""


class Told(Protocol):
    """Who hears of the run."""

    def start(self, render: Path, number: int, of: int) -> None: ...
    def report(self, event: Event) -> None: ...
    def say(self, text: str) -> None: ...
    def done(self, render: Path, drop: Drop) -> None: ...
    def failed(self, render: Path | None, error: BridgeError) -> None: ...
    def overall(self, done_seconds: float, total_seconds: float, took_seconds: float) -> None: ...


@dataclass
class Tally:
    """What came of the planned renders."""

    done: int = 0
    before: int = 0
    """Were done by an earlier run."""
    failed: int = 0


@dataclass
class Batch:
    """One run. `run` is called once."""

    journal: Journal
    worker: Worker
    top: Path
    out: Path
    """Must stay there: a disk that is taken away is waited for, and nothing is written where it was."""
    job: Callable[[Planned, str], Job]
    """Makes the job of a render, with the given id."""
    told: Told
    seconds: Mapping[Path, float] = field(default_factory=dict)
    """Length of each render, as far as its header says; for the overall progress only."""
    stems: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    """Drops of other runs by separation key: their dry stems are used again."""
    attempts: int = 3
    patience_seconds: float = 600.0
    """A worker that says nothing for this long is ended."""
    stuck_seconds: float = 1800.0
    """A disk that stays full, or an outbox that stays away, for this long ends the run."""
    sleep: Callable[[float], None] = time.sleep
    gate: Gate = field(default_factory=Gate)
    """When work may be done; a job that is under way when it closes stands still until it opens."""
    awake: Awake = field(default_factory=lambda: Awake(()))
    """Keeps the computer from falling asleep while a job runs."""
    _said_blind: bool = field(default=False, init=False)
    _place: int = field(default=0, init=False)
    """The furthest that the job under way has told of."""

    def run(self, planned: Sequence[Planned], *, failed_too: bool = False) -> Tally:
        """Do all that is not done; with `failed_too` also what failed before.

        Raises SetupError when the user must change something first, NoSpaceError or DestinationError when the outbox
        stays unusable; what was done until then stays done.
        """
        tally = Tally()
        places = {one.render: one for one in planned}
        self._recover(places)
        queue = [work for one in planned if (work := self._enter(one, tally, failed_too)) is not None]
        total = sum(self.seconds.get(work.path, 0.0) for work in queue)
        worked, began, wait = 0.0, time.monotonic(), 0.0
        for number, work in enumerate(queue, 1):
            self._wait_until_open()
            self.told.start(work.path, number, len(queue))
            while True:
                try:
                    again = self._attempt(work, places[work.path], tally)
                    wait = 0.0
                except (NoSpaceError, DestinationError) as exc:
                    if wait >= self.stuck_seconds:
                        raise
                    pause = min(_FIRST_WAIT_SECONDS + wait, _LONGEST_WAIT_SECONDS)
                    self.told.say(f"{exc.message} Trying again in {pause:.0f} seconds.")
                    self.sleep(pause)
                    wait, again = wait + pause, self.journal.get(work.id)
                if again is None:
                    break
                work = again
            worked += self.seconds.get(work.path, 0.0)
            self.told.overall(worked, total, time.monotonic() - began)
        return tally

    def _wait_until_open(self) -> None:
        told = ""
        while reason := self.gate.closed:
            if reason != told:
                self.told.say(f"{reason} Waiting.")
                told = reason
            self.sleep(_LOOK_UP_SECONDS)
        if told:
            self.told.say("Going on.")
        if self.gate.is_blind and not self._said_blind:
            self._said_blind = True
            self.told.say("This system does not say whether somebody uses the computer; going on all the same.")

    def _follow_gate(self, before: str) -> str:
        """Let the job under way stand still, or go on; returns why it stands still, '' when it goes on."""
        reason = self.gate.closed
        if bool(reason) != bool(before):
            self.worker.pace("stop" if reason else "full")
            self.told.say(f"  {reason} Standing still." if reason else "  Going on.")
            self.awake.let_go() if reason else self.awake.hold()
        return reason

    def _enter(self, one: Planned, tally: Tally, failed_too: bool) -> Work | None:
        """Find the work of a render and return it when there is something to do."""
        try:
            identity = identity_of(one.render.stat())
        except OSError:
            # The worker says why it cannot be read, as it does of every other file.
            identity = FileIdentity(0, 0, 0, 0)
        work = self.journal.see(one.render, identity, self.top)
        if work.state == "done":
            tally.before += 1
            return None
        if work.state == "parked" and not failed_too:
            tally.failed += 1
            self.told.failed(one.render, by_name(work.error)(work.reason, hint=work.hint, path=one.render))
            return None
        return self.journal.move(work, "ready") if work.state != "ready" else work

    def _attempt(self, work: Work, place: Planned, tally: Tally) -> Work | None:
        """Try once; returns the work when it is to be tried again at once, None when it has ended."""
        try:
            work = self.journal.begin(work)
            self._require_out()
            drop = self._work(work, place)
        except (RenderError, RetryError) as exc:
            return self._failed(work, exc, tally)
        except (SetupError, KeyboardInterrupt, Cancelled):
            self._leave(work)
            raise
        self.told.done(work.path, drop)
        tally.done += 1
        return None

    def _work(self, work: Work, place: Planned) -> Drop:
        found: list[Identified] = []
        before: list[Path] = []

        def decide(keys: Identified) -> Path | None:
            found.append(keys)
            made = self.journal.done_drop(keys.drop_key)
            if made is not None and not verify(made, hashes=False):
                before.append(made)
                raise Cancelled
            drops = [*self.journal.drops_with_stems(keys.separation_key), *self.stems.get(keys.separation_key, ())]
            return next((one for one in drops if not verify(one, hashes=False)), None)

        def report(event: Event) -> None:
            self._place = max(self._place, place_of(event))
            self.told.report(event)

        self._place = 0
        self.worker.begin(self.job(place, work.job_id), report, decide)
        try:
            staged = self._wait(work)
        except Cancelled:
            self.told.say(f"  the same sound was done before: {before[0]}")
            self.journal.done(work, before[0], found[0])
            return _drop(before[0])
        try:
            self.journal.publishing(work, found[0])
            drop = publish(staged)
        except BaseException:
            discard_stage(place.outbox, work.job_id)
            raise
        finally:
            self.worker.release()
        if drop.doubt:
            self.told.say(drop.doubt)
        self.journal.done(work, drop.folder, found[0])
        return drop

    def _wait(self, work: Work) -> Staged:
        closed, note_at = "", time.monotonic() + _NOTE_SECONDS
        self.awake.hold()
        try:
            while (staged := self.worker.poll(_POLL_SECONDS)) is None:
                closed = self._follow_gate(closed)
                if time.monotonic() >= note_at:
                    # Lest it be forgotten should all of us be killed.
                    note_at = time.monotonic() + _NOTE_SECONDS
                    self.journal.reach(work, self._place)
                if self.worker.silent_seconds > self.patience_seconds:
                    self.worker.kill()
        except KeyboardInterrupt:
            self.worker.cancel()
            raise
        finally:
            self.awake.let_go()
            if closed:
                self.worker.pace("full")
        return staged

    def _failed(self, work: Work, error: BridgeError, tally: Tally) -> Work | None:
        now = self.journal.get(work.id)
        if isinstance(error, WorkerError):
            now = self.journal.reach(now, self._place)
        if isinstance(error, NoSpaceError | DestinationError):
            self.journal.move(now, "retry", error=error)
            raise error
        tries = now.deaths if isinstance(error, WorkerError) else now.attempts
        if isinstance(error, RetryError) and tries < self.attempts:
            self.told.say(f"  {error.message} Trying again.")
            return self.journal.move(now, "retry", error=error)
        self.journal.move(now, "parked", error=error)
        self.told.failed(work.path, error)
        tally.failed += 1
        return None

    def _require_out(self) -> None:
        if not self.out.is_dir():
            raise DestinationError(f"{self.out} is not there.", hint="Connect its disk.", path=self.out)

    def _leave(self, work: Work) -> None:
        """Take an attempt back in good order: it counts for nothing, and the next run begins with it."""
        now = self.journal.get(work.id)
        if now.state in ("running", "publishing"):
            self.journal.move(now, "retry")

    def _recover(self, places: Mapping[Path, Planned]) -> None:
        """Bring what an earlier run was killed in to an end: its drop is there, can be put there, or is made again."""
        for work in self.journal.recover():
            place = places.get(work.path)
            drop = self._finish(work, place) if place is not None and work.state == "publishing" else None
            if drop is not None and work.keys is not None:
                self.journal.done(work, drop, work.keys)
            elif work.has_cut_off_too_often(self.attempts) and work.state == "running":
                error = WorkerError(
                    f"{work.path.name} was being worked on {work.cuts + 1} times when the whole run died.",
                    hint="To try it again: add --failed-too.",
                )
                self.journal.move(work, "parked", error=error)
            else:
                self.journal.move(work, "ready")
            if place is not None:
                discard_stage(place.outbox, work.job_id)
        for outbox in {place.outbox for place in places.values()}:
            sweep(outbox)

    def _finish(self, work: Work, place: Planned) -> Path | None:
        if work.keys is None:
            return None
        for manifest in sorted(place.outbox.glob(f"*/{MANIFEST}")):
            with suppress(DeliveryError):
                if read(manifest).drop_id == work.keys.drop_key and not verify(manifest.parent):
                    return manifest.parent
        staged = Staged(place.outbox / STAGING / work.job_id / "drop", place.name, place.outbox)
        return publish(staged).folder if not verify(staged.folder) else None


def _drop(folder: Path) -> Drop:
    return Drop(folder, folder / IMPORT_SCRIPT, folder / MANIFEST)
