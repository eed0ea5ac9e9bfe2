"""Killed at every named step, started again: exactly one whole drop for every render, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.houses import House, sound

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is how it is killed")
PROGRAM = str(Path(__file__).with_name("killed_daemon.py"))
STEPS = [
    "after see",
    "before move",
    "after move",
    "before begin",
    "after begin",
    "handed over",
    "in read with its worker",
    "identified with its worker",
    "in separate with its worker",
    "in check with its worker",
    "before publishing",
    "after publishing",
    "before rename",
    "after rename",
    "before done",
    "after done",
    "before put_away",
    "after put_away",
]


@contextmanager
def daemons_killed(folder: Path, attempts: str = "3") -> Iterator[Callable[[str, str], None]]:
    """Give what starts a daemon in this folder and returns once it was killed at this step of this render."""
    with subprocess.Popen(
        [sys.executable, PROGRAM, str(folder), attempts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        asked, answered = program.stdin, program.stdout

        def kill(step: str, render: str) -> None:
            print(step, render, sep="|", file=asked, flush=True)
            assert answered.readline() == f"{-signal.SIGKILL}\n", step

        yield kill


def test_a_daemon_killed_at_every_step_in_turn_makes_each_drop_once(tmp_path: Path) -> None:
    house = House(tmp_path)
    before = {}
    with daemons_killed(tmp_path) as kill:
        for number, step in enumerate(STEPS):
            # The one who is killed at this step first does what the one before left undone.
            name = f"take {number:02d}"
            before[name] = sound(house.inbox / f"{name}.wav", seed=number).read_bytes()
            kill(step, name)
            assert set(house.drops()) <= set(before), "nothing but whole drops is ever visible"
    assert house.once() == 0
    assert house.drops() == sorted(before)
    assert house.renders_of_drops() == sorted(f"{name}.wav" for name in before)
    assert {work.state for work in house.works()} == {"done"}
    assert all(work.attempts <= 2 for work in house.works())
    assert house.staging_is_clean()
    for name, content in before.items():
        places = [house.inbox / f"{name}.wav", house.inbox / "done" / f"{name}.wav"]
        assert [place.read_bytes() for place in places if place.exists()] == [content]


def test_killed_once_more_while_it_recovers_it_still_makes_one_drop(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "take.wav")
    with daemons_killed(tmp_path) as kill:
        for step in ("after publishing", "before find_staged", "after find_staged", "before rename", "after rename"):
            kill(step, "take")
    assert house.once() == 0
    assert house.drops() == ["take"]
    assert house.staging_is_clean()
    assert [work.attempts for work in house.works()] == [1], "what was complete is not computed again"


def test_a_long_render_is_never_put_aside_while_every_kill_finds_it_further(tmp_path: Path) -> None:
    house = House(tmp_path, attempts=1)
    sound(house.inbox / "slow take.wav")
    with daemons_killed(tmp_path, "1") as kill:
        kill("after begin", "slow take")
        for percents in (110, 150):
            # With a limit of one attempt, three kills that find it no further would be the end of it.
            for _ in range(2):
                kill(f"noted at {percents}", "slow take")
    assert house.once() == 0
    assert house.drops() == ["slow take"]
    assert house.works()[0].attempts == 6


def test_a_render_that_kills_the_daemon_every_time_is_parked_in_the_end(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "take.wav")
    with daemons_killed(tmp_path) as kill:
        for _ in range(9):
            kill("after begin", "take")
    assert house.once() == 1
    assert house.states() == {"take.wav": "parked"}
    assert (house.state / "parked" / house.works()[0].id / "reason.json").exists()
    assert house.drops() == []
