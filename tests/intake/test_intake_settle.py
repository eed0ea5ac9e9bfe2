"""Settled means: looked the same several times, spread over the settle time, whatever the clocks of disks say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.domain.render import FileIdentity
from bridge.intake.settle import Settling

PATH = Path("song.wav")
A = FileIdentity(1, 2, 1000, 5)
FILES = {
    "A": A,
    "bigger": FileIdentity(1, 2, 1001, 5),
    "touched": FileIdentity(1, 2, 1000, 6),
    "replaced": FileIdentity(1, 3, 1000, 5),
    "other disk": FileIdentity(9, 2, 1000, 5),
    "old date": FileIdentity(1, 2, 1000, -(10**18)),
    "from the future": FileIdentity(1, 2, 1000, 10**19),
}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("looks", "settled"),
    [
        ([(0, "A")], False),
        ([(0, "A"), (3, "A")], False),
        ([(0, "A"), (1.5, "A"), (2.9, "A")], False),
        ([(0, "A"), (1.5, "A"), (3, "A")], True),
        ([(0, "A"), (2, "A"), (4, "A")], True),
        ([(0, "A"), *((n / 10, "A") for n in range(1, 29))], False),
        ([(0, "A"), *((n / 10, "A") for n in range(1, 31))], True),
        ([(0, "A"), (1.5, "bigger"), (3, "bigger")], False),
        ([(0, "A"), (1.5, "A"), (3, "bigger")], False),
        ([(0, "A"), (1.5, "A"), (3, "bigger"), (4.5, "bigger"), (6, "bigger")], True),
        ([(0, "A"), (1.5, "A"), (3, "touched")], False),
        ([(0, "A"), (1.5, "A"), (3, "replaced")], False),
        ([(0, "A"), (1.5, "A"), (3, "other disk")], False),
        ([(0, "A"), (1.5, "bigger"), (3, "A")], False),
        ([(0, "old date"), (1.5, "old date"), (3, "old date")], True),
        ([(0, "from the future"), (1.5, "from the future"), (3, "from the future")], True),
        ([(0, "A"), (30_000, "A")], False),
        ([(0, "A"), (30_000, "A"), (30_001, "A")], False),
        ([(0, "A"), (30_000, "A"), (30_001.5, "A")], True),
        ([(50, "A"), (51.5, "A"), (10, "A")], False),
        ([(50, "A"), (51.5, "A"), (10, "A"), (11.5, "A"), (13, "A")], True),
        ([(0, "A"), (1.5, "A"), (3, "A"), (4, "bigger")], False),
        ([(0, "A"), (1.5, "A"), (3, "A"), (900, "A")], True),
    ],
)  # fmt: skip
def test_settle_is_a_table(looks: list[tuple[float, str]], settled: bool) -> None:
    clock = Clock()
    settling = Settling(3.0, clock)
    for clock.now, name in looks:
        answer = settling.observe(PATH, FILES[name])
    assert answer is settled


def test_a_file_that_was_touched_but_looks_the_same_starts_again() -> None:
    clock = Clock()
    settling = Settling(3.0, clock)
    for clock.now, wake in [(0.0, False), (1.5, False), (3.0, True), (4.5, False)]:
        assert not settling.observe(PATH, A, wake)
    assert settling.quiet_seconds(PATH) == 4.5, "how long it looked the same does not depend on events"
    clock.now = 6.0
    assert settling.observe(PATH, A)


def test_files_settle_each_for_itself_and_the_next_look_is_known() -> None:
    clock = Clock()
    settling = Settling(3.0, clock)
    other = Path("other.wav")
    assert settling.next_due() is None
    settling.observe(PATH, A)
    clock.now = 1.0
    settling.observe(other, A)
    assert settling.next_due() == 1.5
    for clock.now in (1.5, 3.0):
        settling.observe(PATH, A)
    assert settling.next_due() == 2.5, "one that has settled needs no look"
    settling.forget(other)
    settling.forget(Path("never seen"))
    assert settling.next_due() is None
    assert settling.quiet_seconds(other) == 0.0


def test_following_the_due_times_settles_in_exactly_the_settle_time() -> None:
    clock = Clock()
    settling = Settling(3.0, clock)
    while not settling.observe(PATH, A):
        due = settling.next_due()
        assert due is not None
        clock.now = due
    assert clock.now == 3.0


def test_without_a_settle_time_the_first_look_is_enough() -> None:
    assert Settling(0.0, Clock()).observe(PATH, A)
