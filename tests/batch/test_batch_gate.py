"""A batch works in its hours and while nobody is there; what is under way stands still meanwhile, and goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import soundfile

from bridge.batch.gate import Gate, check_hours
from bridge.batch.run import Tally
from bridge.errors import ConfigError
from bridge.worker.client import Worker
from tests.batch.test_batch_run import Library, library, worker
from tests.signals import pink_noise

__all__ = ["library", "worker"]


def at(text: str) -> Callable[[], time.struct_time]:
    return lambda: time.strptime(text, "%H:%M")


@pytest.mark.parametrize("hours", ["22:00-07:00", "00:00-00:00", "09:30-09:31"])
def test_hours_are_two_times_of_day(hours: str) -> None:
    assert check_hours(hours) == hours


@pytest.mark.parametrize("hours", ["", "22-7", "24:00-07:00", "22:00 - 07:00", "22:00-07:60", "22:00-07:00\n", "never"])
def test_other_hours_are_refused_with_an_example(hours: str) -> None:
    with pytest.raises(ConfigError, match="no hours") as raised:
        check_hours(hours)
    assert "22:00-07:00" in raised.value.hint


@pytest.mark.parametrize(
    ("hours", "now", "is_open"),
    [
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "00:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("09:00-17:00", "12:00", True),
        ("09:00-17:00", "17:00", False),
        ("08:00-08:00", "03:00", True),
        ("", "03:00", True),
    ],
)
def test_the_gate_is_open_in_its_hours(hours: str, now: str, is_open: bool) -> None:
    assert (Gate(hours, local_time=at(now)).closed == "") is is_open


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="zones of POSIX")
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-06-01"])
def test_what_counts_is_the_clock_on_the_wall_also_when_it_is_put_forward_or_back(
    day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
            time.tzset()
            midnight = time.mktime(time.strptime(day, "%Y-%m-%d"))
            now = [midnight]
            gate = Gate("02:30-06:00", local_time=lambda: time.localtime(now[0]), clock=lambda: now[0])
            for minute in range(0, 30 * 60, 5):
                now[0] = midnight + 60 * minute
                on_the_wall = datetime.fromtimestamp(now[0]).strftime("%H:%M")
                assert (gate.closed == "") is ("02:30" <= on_the_wall < "06:00"), (day, on_the_wall)
    finally:
        time.tzset()


def test_somebody_who_is_there_closes_it_and_one_who_left_opens_it() -> None:
    now, idle = [0.0], [0.0]
    gate = Gate(idle_minutes=5, clock=lambda: now[0], idle=lambda: idle[0])
    assert gate.closed == "Somebody uses this computer."
    now[0], idle[0] = 300.0, 299.9
    assert gate.closed
    now[0], idle[0] = 310.0, 300.0
    assert not gate.closed
    now[0], idle[0] = 330.0, 2.0
    assert gate.closed


def test_looking_is_not_done_more_often_than_needed() -> None:
    looks = []
    gate = Gate(idle_minutes=5, clock=lambda: 0.0, idle=lambda: looks.append(1) or 0.0)
    for _ in range(100):
        assert gate.closed
    assert len(looks) == 1
    assert not Gate(idle=lambda: pytest.fail("nobody asked whether somebody is there")).closed


def test_where_nobody_can_tell_it_works_and_says_so_once(library: Library) -> None:
    library.add("a.wav", seed=1)
    library.add("b.wav", seed=2)
    tally, _ = library.run(gate=Gate(idle_minutes=5, idle=lambda: None))
    assert tally == Tally(done=2)
    assert [line for line in library.heard.said if "does not say" in line] == [
        "This system does not say whether somebody uses the computer; going on all the same."
    ]


def test_nothing_begins_while_it_is_closed(library: Library) -> None:
    library.add("a.wav")
    now = ["21:58"]
    slept = []

    def sleep(seconds: float) -> None:
        assert not library.heard.made
        slept.append(seconds)
        now[0] = "22:00" if len(slept) == 3 else now[0]

    ticks = iter(range(0, 10**6, 20))
    gate = Gate("22:00-07:00", local_time=lambda: time.strptime(now[0], "%H:%M"), clock=lambda: float(next(ticks)))
    tally, _ = library.run(gate=gate, sleep=sleep)
    assert tally == Tally(done=1)
    assert len(slept) == 3
    assert library.heard.said == ["It is not 22:00 to 07:00. Waiting.", "Going on."]


def test_a_job_under_way_stands_still_and_goes_on_and_is_whole(library: Library, worker: Worker) -> None:
    library.top.mkdir()
    soundfile.write(library.top / "slow song.wav", pink_noise(seconds=0.05).T, 44100, subtype="PCM_24")
    looks = 0

    def idle() -> float:
        """Nobody at the start; then somebody for a while; then nobody."""
        nonlocal looks
        looks += 1
        return 0.0 if 3 <= looks <= 6 else 1000.0

    ticks = iter(range(0, 10**6, 20))
    tally, _ = library.run(gate=Gate(idle_minutes=5, idle=idle, clock=lambda: float(next(ticks))))
    assert tally == Tally(done=1)
    assert library.drops() == ["slow song"]
    assert [line.strip() for line in library.heard.said] == [
        "Somebody uses this computer. Standing still.",
        "Going on.",
    ]
    assert worker.silent_seconds >= 0.0
    assert worker._pace == "full", "the next run is not held back"


def test_an_interrupt_while_it_waits_leaves_all_as_it_is(library: Library, tmp_path: Path) -> None:
    library.add("a.wav")

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.run(gate=Gate("22:00-07:00", local_time=at("12:00")), sleep=interrupted)
    assert library.drops() == []
    assert library.run()[0] == Tally(done=1)
