"""The journal against a small model of it, over random histories with kills in them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from journals import INBOX, keys, version

from bridge.domain.work import ACTIVE, ENDED, Identified, State, Work
from bridge.errors import BridgeError, Cancelled, NoSpaceError, ReadError, WorkerError
from bridge.journal.journal import Journal, open_journal, read_works

LEGAL = {
    "waiting": "waiting ready stalled retry recorded parked cancelled gone",
    "stalled": "waiting ready stalled retry recorded parked cancelled gone",
    "ready": "waiting ready stalled retry parked cancelled gone",
    "retry": "waiting ready stalled retry parked cancelled gone",
    "running": "waiting ready stalled retry parked cancelled gone done",
    "publishing": "waiting ready retry parked done",
    "done": "waiting ready",
    "parked": "waiting ready gone",
    "cancelled": "waiting ready",
    "recorded": "waiting ready",
    "gone": "waiting ready",
}
NO_HISTORY = {"deaths": 0, "cuts": 0, "reached": 0}
STATES = sorted(ACTIVE | ENDED)
ERRORS: tuple[BridgeError | None, ...] = (None, ReadError("No audio."), WorkerError("Died."), NoSpaceError("Full."))
names = st.sampled_from(["a.wav", "b.wav", "c\udce9.wav"])


@dataclass
class Row:
    """What the journal should say, and what it should not forget."""

    work: Work
    changed: float
    instance: int


class JournalMachine(RuleBasedStateMachine):
    """Rules are what the daemon does, what users do, and what happens to both."""

    tokens = Bundle("tokens")
    """Works as somebody once got them: they go out of date."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.rows: dict[str, Row] = {}
        self.now = 1_000_000.0
        self.instance = 0
        self.stack = ExitStack()
        self.journal: Journal = self.stack.enter_context(self.opened())

    def opened(self) -> AbstractContextManager[Journal]:
        return open_journal(self.folder, clock=lambda: self.now)

    def teardown(self) -> None:
        self.stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def expect(self, work: Work) -> Work:
        row = self.rows.setdefault(work.id, Row(work, self.now, -1))
        assert work == row.work
        return work

    def set(self, name: str, **changes: object) -> None:
        row = self.rows[name]
        row.work = replace(row.work, **{"error": "", "reason": "", "hint": "", "not_before": 0.0, **changes})  # type: ignore[arg-type]
        row.changed = self.now

    @rule(target=tokens, name=names, number=st.integers(0, 2), priority=st.integers(-1, 1))
    def see(self, name: str, number: int, priority: int) -> Work:
        path, identity = INBOX / name, version(number)
        known = [row.work for row in self.rows.values() if row.work.path == path]
        work = self.journal.see(path, identity, INBOX, priority=priority)
        last = known[-1] if known else None
        if last is not None and work.id == last.id:
            if last.state in ACTIVE - {"running", "publishing"} and last.identity != identity:
                self.set(last.id, state="waiting", identity=identity, **NO_HISTORY)
            elif last.state == "gone":
                self.set(last.id, state="waiting")
            assert self.rows[last.id].work.identity == identity
            return self.expect(work)
        assert work.id not in self.rows
        assert (work.path, work.identity, work.inbox, work.state) == (path, identity, INBOX, "waiting")
        assert (work.attempts, work.deaths, work.priority, work.arrived) == (0, 0, priority, self.now)
        if last is not None:
            assert last.identity != identity
            assert last.state in ENDED or last.state in ("running", "publishing")
            if last.state == "parked":
                self.set(last.id, state="gone")
        return self.expect(work)

    @rule(
        target=tokens,
        work=tokens,
        state=st.sampled_from(STATES),
        error=st.sampled_from(ERRORS),
        wait=st.sampled_from([0.0, 30.0, 5000.0]),
        priority=st.none() | st.integers(-1, 1),
    )
    def move(self, work: Work, state: State, error: BridgeError | None, wait: float, priority: int | None) -> Work:
        now = self.rows[work.id].work
        if work.attempts != now.attempts:
            with pytest.raises(Cancelled):
                self.journal.move(work, state, error=error)
            return now
        if state not in LEGAL[now.state].split():
            with pytest.raises(ValueError, match="cannot become"):
                self.journal.move(work, state, error=error)
            return now
        counts = self.counts_after(now, error)
        said = {"error": type(error).__name__, "reason": error.message} if error else {}
        priority_now = now.priority if priority is None else priority
        not_before = self.now + wait if wait else 0.0
        self.set(work.id, state=state, priority=priority_now, not_before=not_before, **counts, **said)
        return self.expect(self.journal.move(work, state, error=error, not_before=not_before, priority=priority))

    def counts_after(self, now: Work, error: BridgeError | None) -> dict[str, int]:
        """What a move from here makes of the counts."""
        if now.state in ENDED:
            return NO_HISTORY
        if now.state not in ("running", "publishing"):
            return {}
        if self.rows[now.id].instance != self.instance:
            return {"deaths": now.deaths - 1, "cuts": now.cuts + 1}
        return {"deaths": now.deaths - (not isinstance(error, WorkerError))}

    @rule(target=tokens, work=tokens, place=st.integers(0, 3))
    def reach(self, work: Work, place: int) -> Work:
        now = self.rows[work.id].work
        if work.attempts != now.attempts:
            with pytest.raises(Cancelled):
                self.journal.reach(work, place)
            return now
        if now.state == "running" and place > now.reached:
            self.rows[work.id].work = replace(now, reached=place, deaths=1, cuts=0)
        return self.expect(self.journal.reach(work, place))

    @rule(target=tokens, work=tokens)
    def begin(self, work: Work) -> Work:
        now = self.rows[work.id].work
        if work.attempts != now.attempts or now.state not in ("ready", "retry"):
            with pytest.raises((Cancelled, ValueError)):
                self.journal.begin(work)
            return now
        self.set(work.id, state="running", attempts=now.attempts + 1, deaths=now.deaths + 1)
        self.rows[work.id].instance = self.instance
        return self.expect(self.journal.begin(work))

    @rule(target=tokens)
    def begin_next(self) -> object:
        chosen = self.journal.next(self.now)
        due = [
            row.work
            for row in self.rows.values()
            if row.work.state == "ready"
            or (row.work.state == "retry" and (row.work.not_before <= self.now or row.changed > self.now + 60))
        ]
        # The sort is stable: arrival decides among equals.
        expected = sorted(due, key=lambda work: -work.priority)
        assert chosen == (expected[0] if expected else None)
        return self.begin(chosen) if chosen is not None else multiple()

    @rule(target=tokens, work=tokens, number=st.integers(1, 3))
    def publishing(self, work: Work, number: int) -> Work:
        now = self.rows[work.id].work
        if work.attempts != now.attempts or now.state != "running":
            with pytest.raises(Cancelled):
                self.journal.publishing(work, keys(number))
            return now
        self.set(work.id, state="publishing", keys=keys(number, stems=1))
        return self.expect(self.journal.publishing(work, keys(number, stems=1)))

    @rule(target=tokens, work=tokens, number=st.integers(1, 3))
    def done(self, work: Work, number: int) -> Work:
        now = self.rows[work.id].work
        if work.attempts != now.attempts or now.state not in ("running", "publishing"):
            with pytest.raises((Cancelled, ValueError)):
                self.journal.done(work, INBOX, keys(number))
            return now
        drop, known = Path(f"/music/stems/{number}"), now.keys or keys(number, stems=1)
        self.set(work.id, state="done", drop=drop, keys=known, **self.counts_after(now, None))
        return self.expect(self.journal.done(work, drop, known))

    @rule(work=consumes(tokens))
    def forget(self, work: Work) -> None:
        """Somebody lets go of what he knew."""

    @rule(jump=st.sampled_from([1.0, 40.0, 86_400.0, -1.0, -86_400.0]))
    def clock(self, jump: float) -> None:
        self.now += jump

    @rule(name=names)
    def fail_in_the_middle(self, name: str) -> None:
        def change() -> None:
            for work in self.journal.works(["waiting", "ready", "retry"]):
                self.journal.begin(self.journal.move(work, "ready"))
            self.journal.see(INBOX / name, version(7), INBOX)

        self.interrupted(change)

    @rule(is_inside=st.booleans(), renew=st.booleans())
    def kill_and_start_again(self, is_inside: bool, renew: bool) -> None:
        after = Path(tempfile.mkdtemp())

        def change() -> None:
            for work in self.journal.works(["waiting", "ready", "retry"]):
                self.journal.move(work, "cancelled")
            self.copy_to(after)

        if is_inside:
            self.interrupted(change)
        else:
            self.copy_to(after)
        self.stack.close()
        shutil.rmtree(self.folder)
        self.folder, self.instance = after, self.instance + 1
        self.journal = self.stack.enter_context(self.opened())
        assert self.journal.damaged is None
        assert not self.journal.is_new
        orphans = [row.work for row in self.rows.values() if row.work.state in ("running", "publishing")]
        assert self.journal.recover() == orphans
        for work in orphans if renew else ():
            self.set(work.id, state="ready", **self.counts_after(work, None))
            self.expect(self.journal.move(work, "ready"))

    def interrupted(self, change: Callable[[], None]) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.change_and_stop(change)

    def change_and_stop(self, change: Callable[[], None]) -> None:
        with self.journal.together():
            change()
            raise KeyboardInterrupt

    def copy_to(self, after: Path) -> None:
        """Take the files as they are: what a kill at this moment leaves."""
        for file in self.folder.iterdir():
            shutil.copyfile(file, after / file.name)

    @invariant()
    def the_journal_says_what_the_model_says(self) -> None:
        if hasattr(self, "journal"):
            expected = [row.work for row in self.rows.values()]
            assert self.journal.works() == expected
            assert read_works(self.folder) == expected

    @invariant()
    def drops_are_those_of_finished_works(self) -> None:
        if not hasattr(self, "journal"):
            return
        finished = [row.work for row in self.rows.values() if row.work.state == "done" and row.work.keys]
        for number in (1, 2, 3):
            wanted: Identified = keys(number)
            drops = [work.drop for work in finished if work.keys and work.keys.drop_key == wanted.drop_key]
            assert self.journal.done_drop(wanted.drop_key) == (drops[-1] if drops else None)
        with_stems = list(dict.fromkeys(work.drop for work in reversed(finished)))
        assert self.journal.drops_with_stems("stems-1") == with_stems


JournalMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestJournalMachine = JournalMachine.TestCase
