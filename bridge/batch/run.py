"""The run itself: every planned render once, whatever happens to the others, and again only what is not done.

The journal is the daemon's kind, in a folder of its own for each combination of tree, place and options. There are as
many renders at work as there are workers, one for each graphics card; all that is decided is decided here, in turn.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bridge.batch.gate import Gate
from bridge.batch.plan import Planned
from bridge.batch.seat import Seat
from bridge.delivery.manifest import read, verify
from bridge.delivery.publish import publish
from bridge.delivery.stage import discard_stage, sweep
from bridge.disk import is_folder
from bridge.domain.drop import MANIFEST, STAGING, Drop, Staged
from bridge.domain.events import Event, Notice
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
    workers: Sequence[Worker]
    """One for each render that is worked on at a time."""
    top: Path
    out: Path
    """Must stay there: a disk that is taken away is waited for, and nothing is written where it was."""
    job: Callable[[Planned, str], Job]
    """Makes the job of a render, with the given id."""
    told: Told
    devices: Sequence[str] = ()
    """What computes for each worker; none = what the job says."""
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
    _places: Mapping[Path, Planned] = field(default_factory=dict, init=False)
    _seats: list[Seat] = field(default_factory=list, init=False)
    _waiting: deque[tuple[int, Work]] = field(default_factory=deque, init=False)
    _twins: list[tuple[int, Work]] = field(default_factory=list, init=False)
    """Renders of a sound that is being worked on; they wait for its end."""

    def run(self, planned: Sequence[Planned], *, failed_too: bool = False) -> Tally:
        """Do all that is not done; with `failed_too` also what failed before.

        Raises SetupError when the user must change something first, NoSpaceError or DestinationError when the outbox
        stays unusable; what was done until then stays done.
        """
        tally = Tally()
        self._places = {one.render: one for one in planned}
        self._recover()
        queue = [work for one in planned if (work := self._enter(one, tally, failed_too)) is not None]
        self._waiting = deque(enumerate(queue, 1))
        devices = self.devices or [""] * len(self.workers)
        self._seats = [Seat(worker, device) for worker, device in zip(self.workers, devices, strict=True)]
        total = sum(self.seconds.get(work.path, 0.0) for work in queue)
        worked, began, closed = 0.0, time.monotonic(), ""
        try:
            while self._waiting or self._busy():
                if not self._busy():
                    closed = self._pace("") if closed else ""
                    self.awake.let_go()
                    self._wait_until_open()
                    self.awake.hold()
                if not closed:
                    self._fill(len(queue))
                closed = self._follow_gate(closed)
                for seat in self._busy():
                    path = seat.work.path if seat.work else Path()
                    if self._advance(seat, tally):
                        worked += self.seconds.get(path, 0.0)
                        self.told.overall(worked, total, time.monotonic() - began)
        finally:
            self.awake.let_go()
            self._take_back()
        return tally

    def _busy(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.work is not None]

    def _fill(self, of: int) -> None:
        """Give every free seat a render."""
        for seat in self._seats:
            if seat.work is None and self._waiting:
                number, work = self._waiting.popleft()
                seat.take(number, work)
                self.told.start(work.path, number, of)

    def _take_back(self) -> None:
        """Stop what is under way: a run that ends early leaves nothing half done."""
        for seat in self._busy():
            seat.worker.cancel()
            if seat.work is not None:
                self._leave(seat.work)
            seat.leave()

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
        """Let what is under way stand still, or go on; returns why it stands still, '' when it goes on."""
        reason = self.gate.closed
        if bool(reason) != bool(before):
            self._pace(reason)
            self.told.say(f"  {reason} Standing still." if reason else "  Going on.")
            self.awake.let_go() if reason else self.awake.hold()
        return reason

    def _pace(self, closed: str) -> str:
        for worker in self.workers:
            worker.pace("stop" if closed else "full")
        return closed

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

    def _advance(self, seat: Seat, tally: Tally) -> bool:
        """Begin the seat's render, or look how it goes; returns whether it has ended, whichever way."""
        assert seat.work is not None
        work = seat.work
        try:
            drop = self._look(seat) if seat.is_begun else None
            if not seat.is_begun:
                self._begin(seat)
        except (NoSpaceError, DestinationError) as exc:
            self._wait_for_outbox(seat, exc)
            return False
        except (RenderError, RetryError) as exc:
            again = self._failed(seat, exc, tally)
            if again is not None:
                seat.again(again)
                return False
        except Cancelled:
            if not seat.is_twin:
                raise
            self._leave(work)
            self._twins.append((seat.number, self.journal.get(work.id)))
            seat.leave()
            return False
        else:
            if drop is None:
                return False
            self.told.done(work.path, drop)
            tally.done += 1
        seat.leave()
        self._waiting.extend(self._twins)
        self._twins.clear()
        return True

    def _begin(self, seat: Seat) -> None:
        assert seat.work is not None
        seat.work = work = self.journal.begin(seat.work)
        self._require_out()
        one_at_a_time = len(self._seats) == 1

        def report(event: Event) -> None:
            if one_at_a_time:
                self.told.report(event)
            elif isinstance(event, Notice):
                self.told.say(f"  {work.path.name}: {event.message}")

        def decide(keys: Identified) -> Path | None:
            return seat.recognise(keys, self.journal, self._seats, lambda key: self.stems.get(key, ()))

        seat.begin(self.job(self._places[work.path], work.job_id), report, decide)

    def _look(self, seat: Seat) -> Drop | None:
        timeout = _POLL_SECONDS / len(self._busy())
        drop = seat.look(self.journal, timeout, self.patience_seconds, self.told.say)
        seat.waited_seconds = 0.0 if drop is not None else seat.waited_seconds
        return drop

    def _wait_for_outbox(self, seat: Seat, error: BridgeError) -> None:
        """Pause, and let the seat try again; raises the error when it has waited for too long."""
        assert seat.work is not None
        self.journal.move(self.journal.get(seat.work.id), "retry", error=error)
        waited = seat.waited_seconds
        if waited >= self.stuck_seconds:
            raise error
        pause = min(_FIRST_WAIT_SECONDS + waited, _LONGEST_WAIT_SECONDS)
        self.told.say(f"{error.message} Trying again in {pause:.0f} seconds.")
        self.sleep(pause)
        seat.again(self.journal.get(seat.work.id))
        seat.waited_seconds = waited + pause

    def _failed(self, seat: Seat, error: BridgeError, tally: Tally) -> Work | None:
        """Return the work when it is to be tried again at once, None when it is put aside."""
        assert seat.work is not None
        now = self.journal.get(seat.work.id)
        if isinstance(error, WorkerError):
            now = self.journal.reach(now, seat.reached)
        tries = now.deaths if isinstance(error, WorkerError) else now.attempts
        if isinstance(error, RetryError) and tries < self.attempts:
            self.told.say(f"  {error.message} Trying again.")
            return self.journal.move(now, "retry", error=error)
        self.journal.move(now, "parked", error=error)
        self.told.failed(now.path, error)
        tally.failed += 1
        return None

    def _require_out(self) -> None:
        if not is_folder(self.out):
            raise DestinationError(f"{self.out} is not there.", hint="Connect its disk.", path=self.out)

    def _leave(self, work: Work) -> None:
        """Take an attempt back in good order: it counts for nothing, and the next run begins with it."""
        now = self.journal.get(work.id)
        if now.state in ("running", "publishing"):
            self.journal.move(now, "retry")

    def _recover(self) -> None:
        """Bring what an earlier run was killed in to an end: its drop is there, can be put there, or is made again."""
        for work in self.journal.recover():
            place = self._places.get(work.path)
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
        for outbox in {place.outbox for place in self._places.values()}:
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
