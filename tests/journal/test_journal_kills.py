"""A real process is killed in the middle of the journal; what it was told is kept is kept, and nothing half."""

from __future__ import annotations

import random
from pathlib import Path

from journals import INBOX, program

from bridge.domain.work import State
from bridge.journal.journal import open_journal

_ONE_RENDER = """
looks = int(sys.argv[2])

def clock():
    # Every write looks at the clock inside its transaction.
    global looks
    looks -= 1
    if looks == 0:
        os._exit(9)
    return 1000.0

with open_journal(folder, clock=clock) as journal:
    keys = Identified("a", "s", "d", 1.0)
    work = journal.see(Path("/in/mix.wav"), FileIdentity(1, 2, 3, 4), Path("/in"))
    print(work.state, flush=True)
    for move in (
        lambda work: journal.move(work, "ready"),
        lambda work: journal.begin(work),
        lambda work: journal.publishing(work, keys),
        lambda work: journal.done(work, Path("/out/mix"), keys),
    ):
        work = move(work)
        print(work.state, flush=True)
"""

_STATES: list[State] = ["waiting", "ready", "running", "publishing", "done"]


def test_killed_inside_any_transaction_the_journal_is_as_before_it(tmp_path: Path) -> None:
    for looks in range(1, len(_STATES) + 2):
        folder = tmp_path / str(looks)
        with program(_ONE_RENDER, folder, looks) as writer:
            said, _ = writer.communicate(timeout=60)
        assert said.split() == _STATES[: looks - 1]
        assert writer.returncode == (9 if looks <= len(_STATES) else 0)
        with open_journal(folder) as journal:
            works = journal.works()
            assert [work.state for work in works] == said.split()[-1:]
            begun = bool(works) and works[0].state in ("running", "publishing", "done")
            assert [work.attempts for work in works] == [int(begun)][: len(works)]
            assert journal.recover() == [work for work in works if work.state in ("running", "publishing")]
            assert journal.damaged is None


_MANY_RENDERS = """
keys = lambda name: Identified("a", "s", name, 1.0)
with open_journal(folder) as journal:
    for orphan in journal.recover():
        journal.move(orphan, "ready")
    for number in range(10**6):
        work = journal.see(Path(f"/music/renders/{sys.argv[2]}-{number}.wav"), FileIdentity(1, 2, 3, 4), Path("/music"))
        print(work.id, work.state, flush=True)
        for move in (
            lambda work: journal.move(work, "ready"),
            lambda work: journal.begin(work),
            lambda work: journal.publishing(work, keys(work.id)),
            lambda work: journal.done(work, Path("/music/stems", work.id), keys(work.id)),
        ):
            work = move(work)
            print(work.id, work.state, flush=True)
"""


def test_killed_at_random_moments_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    chance = random.Random(3)
    told: dict[str, State] = {}
    for round_ in range(6):
        with program(_MANY_RENDERS, tmp_path, round_) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 60)):
                name, state = writer.stdout.readline().split()
                told[name] = state  # type: ignore[assignment]
            writer.kill()
            for line in writer.stdout:
                if line.endswith("\n"):
                    name, state = line.split()
                    told[name] = state  # type: ignore[assignment]
            writer.wait(30)
        with open_journal(tmp_path) as journal:
            works = {work.id: work for work in journal.works()}
            assert journal.damaged is None
            assert len(works) - len(told) in (0, 1)
            for name, state in told.items():
                # At most the one move that was not told any more.
                ahead = _STATES.index(works[name].state) - _STATES.index(state)
                assert ahead in (0, 1)
                assert works[name].path.is_relative_to(INBOX)
            assert len(journal.recover()) <= 1
            told = {name: work.state for name, work in works.items()}
            for orphan in journal.recover():
                told[orphan.id] = "ready"
            for work in works.values():
                if work.state == "done":
                    assert journal.done_drop(work.id) == work.drop
