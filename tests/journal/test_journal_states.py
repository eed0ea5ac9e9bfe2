"""What the journal promises of one render: attempts, fencing, order, the two identities, clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from journals import INBOX, finish, keys, seen, version

from bridge.domain.render import FileIdentity
from bridge.domain.work import ENDED, State, Work
from bridge.errors import (
    Cancelled,
    ConfigError,
    NoSpaceError,
    ReadError,
    RenderChangedError,
    RetryError,
    WorkerError,
)
from bridge.journal.journal import Journal, open_journal, read_works


def test_a_render_goes_from_seen_to_done_and_all_of_it_is_still_there_after_a_restart(tmp_path: Path) -> None:
    with open_journal(tmp_path / "state", clock=lambda: 50.0) as journal:
        done = finish(journal, seen(journal), Path("/music/stems/mix"), keys(1))
    with open_journal(tmp_path / "state") as journal:
        assert journal.works() == [done]
        assert journal.get(done.id) == done
    assert (done.state, done.attempts, done.arrived, done.keys) == ("done", 1, 50.0, keys(1))


def test_seeing_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    ticks = iter(range(1000))
    with open_journal(tmp_path, clock=lambda: float(next(ticks))) as journal:
        first = seen(journal)
        before = (tmp_path / "journal.sqlite3").read_bytes()
        assert all(seen(journal) == first for _ in range(5))
        assert (tmp_path / "journal.sqlite3").read_bytes() == before


@pytest.mark.parametrize("state", ["waiting", "stalled", "ready", "retry"])
def test_a_render_that_changes_before_its_work_began_waits_again_as_the_same_work(tmp_path: Path, state: State) -> None:
    with open_journal(tmp_path) as journal:
        work = journal.move(seen(journal), state)
        again = seen(journal, number=1)
        assert (again.id, again.state, again.identity) == (work.id, "waiting", version(1))
        assert len(journal.works()) == 1


@pytest.mark.parametrize("state", ["running", "publishing", "done", "parked", "cancelled", "recorded"])
def test_a_render_that_changes_later_is_new_work(tmp_path: Path, state: State) -> None:
    with open_journal(tmp_path) as journal:
        work = reached(journal, state)
        new = seen(journal, number=1)
        assert new.id != work.id
        assert (new.state, new.attempts) == ("waiting", 0)
        assert journal.get(work.id).state == ("gone" if state == "parked" else state)
        assert seen(journal, number=1) == new


def reached(journal: Journal, state: State) -> Work:
    work = seen(journal)
    if state not in ("running", "publishing", "done"):
        return journal.move(work, state)
    work = journal.begin(journal.move(work, "ready"))
    if state != "running":
        work = journal.publishing(work, keys(1))
    return journal.done(work, INBOX, keys(1)) if state == "done" else work


def test_a_file_that_was_gone_and_is_back_waits_again(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        work = journal.move(seen(journal), "gone")
        back = seen(journal)
        assert (back.id, back.state) == (work.id, "waiting")


def test_what_is_done_or_recorded_is_recognised_on_a_disk_that_was_mounted_anew(tmp_path: Path) -> None:
    fat = FileIdentity(dev=1, ino=5, size=10, mtime_ns=1_700_000_000_000_000_000)
    with open_journal(tmp_path) as journal:
        fine = journal.move(journal.see(INBOX / "a.wav", version(0), INBOX), "recorded")
        coarse = journal.move(journal.see(INBOX / "b.wav", fat, INBOX), "recorded")
        assert journal.see(INBOX / "a.wav", replace(version(0), dev=2, ino=99), INBOX) == fine
        assert journal.see(INBOX / "b.wav", replace(fat, ino=77), INBOX) == coarse
        assert journal.see(INBOX / "a.wav", replace(version(0), ino=99), INBOX).id != fine.id
        assert journal.see(INBOX / "b.wav", replace(fat, size=11), INBOX).id != coarse.id


def test_names_that_are_no_text_and_numbers_beyond_64_bits_are_kept(tmp_path: Path) -> None:
    path = INBOX / "caf\udce9 ]] ' -- \n.wav"
    identity = FileIdentity(dev=2**64 - 1, ino=2**127, size=2**63, mtime_ns=-(2**70))
    with open_journal(tmp_path) as journal:
        work = journal.see(path, identity, INBOX)
        work = journal.move(work, "parked", error=ReadError(f"{path} is no audio.", hint="Look at it."))
        assert (work.path, work.identity) == (path, identity)
        assert work.error == "ReadError"
        assert work.reason.encode("utf-8")
        assert "\\udce9" in work.reason
    assert read_works(tmp_path) == [work]


def test_names_that_differ_in_case_or_composition_alone_are_two_works(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        for name in ("Mix.wav", "mix.wav", "caf\u00e9.wav", "cafe\u0301.wav"):
            seen(journal, name)
        assert len(journal.works()) == 4


# Attempts and fencing


def test_the_attempt_is_on_the_disk_before_the_work_begins(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.begin(journal.move(seen(journal), "ready"))
        (on_disk,) = read_works(tmp_path)
        assert (on_disk.state, on_disk.attempts, on_disk.deaths) == ("running", 1, 1)


def test_an_earlier_attempt_can_change_nothing(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        first = journal.begin(journal.move(seen(journal), "ready"))
        second = journal.begin(journal.move(first, "ready"))
        changes: list[Callable[[], Work]] = [
            lambda: journal.publishing(first, keys(1)),
            lambda: journal.done(first, Path("/x"), keys(1)),
            lambda: journal.move(first, "parked"),
            lambda: journal.begin(first),
        ]
        for change in changes:
            with pytest.raises(Cancelled):
                change()
        assert journal.works() == [second]
        assert first.job_id != second.job_id


def test_a_cancelled_work_cannot_publish_and_not_even_after_the_user_wants_it_again(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        old = journal.begin(journal.move(seen(journal), "ready"))
        cancelled = journal.move(old, "cancelled")
        with pytest.raises(Cancelled):
            journal.publishing(old, keys(1))
        new = journal.begin(journal.move(cancelled, "ready"))
        with pytest.raises(Cancelled):
            journal.publishing(old, keys(1))
        assert (new.attempts, new.deaths) == (2, 1)


def test_a_program_that_was_stopped_in_good_order_costs_no_life(tmp_path: Path) -> None:
    for attempts in (1, 2, 3):
        with open_journal(tmp_path) as journal:
            work = journal.begin(journal.move(seen(journal), "ready"))
            assert (work.attempts, work.deaths) == (attempts, 1)
            assert journal.move(work, "ready").deaths == 0


def test_a_work_about_to_appear_can_no_longer_be_cancelled(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        work = journal.publishing(journal.begin(journal.move(seen(journal), "ready")), keys(1))
        with pytest.raises(ValueError, match="publishing cannot become cancelled"):
            journal.move(work, "cancelled")
        assert journal.works() == [work]


def test_a_full_disk_costs_no_life_and_a_dead_worker_one(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        work = journal.move(seen(journal), "ready")
        errors = (NoSpaceError("Full."), WorkerError("Died."), RenderChangedError("Changed."), WorkerError("Died."))
        for error in errors:
            work = journal.move(journal.begin(work), "retry", error=error)
        assert (work.attempts, work.deaths) == (4, 2)


def test_a_killed_program_costs_no_life_and_is_counted_for_itself_until_somebody_asks_again(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.begin(journal.move(seen(journal), "ready"))
    for lives in (2, 3):
        with open_journal(tmp_path) as journal:
            (orphan,) = journal.recover()
            work = journal.begin(journal.move(orphan, "ready"))
            assert (work.attempts, work.deaths, work.cuts) == (lives, 1, lives - 1)
            assert journal.recover() == []
    with open_journal(tmp_path) as journal:
        parked = journal.move(journal.recover()[0], "parked", error=WorkerError("Died."))
        again = journal.move(parked, "waiting")
        assert (again.attempts, again.deaths, again.cuts, again.reason) == (3, 0, 0, "")


def test_what_got_further_than_ever_is_counted_anew_and_what_did_not_is_not(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        work = journal.move(seen(journal), "ready")
        counted = []
        for place in (130, 130, 90, 131, 200, 0, 0):
            work = journal.reach(journal.begin(work), place)
            counted.append((work.deaths, work.reached))
            work = journal.move(work, "retry", error=WorkerError("Died."))
        assert counted == [(1, 130), (2, 130), (3, 130), (1, 131), (1, 200), (2, 200), (3, 200)]


def test_a_killed_program_is_held_against_a_render_three_times_as_late_as_a_dead_worker(tmp_path: Path) -> None:
    verdicts = []
    for _ in range(9):
        with open_journal(tmp_path) as journal:
            for orphan in journal.recover():
                journal.move(orphan, "ready")
            verdicts.append(journal.begin(journal.move(seen(journal), "ready")).has_cut_off_too_often(3))
    assert verdicts == [False] * 8 + [True]


def test_recovery_finds_what_was_running_or_publishing_and_nothing_else(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        states: tuple[State, ...] = ("waiting", "stalled", "ready", "retry", "parked", "cancelled", "recorded", "gone")
        for state in states:
            journal.move(seen(journal, f"{state}.wav"), state)
        running = journal.begin(journal.move(seen(journal, "1.wav"), "ready"))
        publishing = journal.publishing(journal.begin(journal.move(seen(journal, "2.wav"), "ready")), keys(2))
        assert journal.recover() == []
    with open_journal(tmp_path) as journal:
        assert journal.recover() == [running, publishing]
        done = journal.done(publishing, Path("/music/stems/2"), keys(2))
        assert journal.recover() == [running]
        assert journal.done_drop("drop-2") == done.drop


@pytest.mark.parametrize("state", sorted(ENDED))
def test_what_has_ended_begins_again_only_when_asked_for(tmp_path: Path, state: State) -> None:
    with open_journal(tmp_path) as journal:
        work = reached(journal, state)
        assert journal.next(time.time() + 1e9) is None
        with pytest.raises(ValueError, match="cannot begin"):
            journal.begin(work)
        assert journal.move(work, "ready").state == "ready"


# The queue


def test_higher_priority_goes_first_and_arrival_decides_among_equals(tmp_path: Path) -> None:
    backwards = iter(range(1000, 0, -1))
    with open_journal(tmp_path, clock=lambda: float(next(backwards))) as journal:
        for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)):
            journal.move(seen(journal, name, priority=priority), "ready")
        order = []
        while (work := journal.next(0.0)) is not None:
            order.append(journal.begin(work).path.name)
        assert order == ["b", "d", "a", "c", "e"]


def test_a_retry_waits_for_its_time_and_a_paused_inbox_for_its_end(tmp_path: Path) -> None:
    with open_journal(tmp_path, clock=lambda: 100.0) as journal:
        retry = journal.move(seen(journal), "retry", error=RetryError("No."), not_before=130.0)
        assert journal.next(129.9) is None
        assert journal.next(130.0) == retry
        assert journal.next(130.0, paused=[INBOX]) is None
        assert journal.next(130.0, paused=[INBOX / "other", Path("/x")]) == retry


def test_a_clock_set_back_by_a_day_does_not_delay_a_retry_by_a_day(tmp_path: Path) -> None:
    now = 1_000_000.0
    with open_journal(tmp_path, clock=lambda: now) as journal:
        retry = journal.move(seen(journal), "retry", not_before=now + 30)
        assert journal.next(now - 0.5) is None, "the loop may have looked at the clock before the failure"
        assert journal.next(now - 86_400) == retry
        assert journal.next(now + 86_400) == retry


def test_clock_jumps_touch_no_running_work(tmp_path: Path) -> None:
    now = [1e9]
    with open_journal(tmp_path, clock=lambda: now[0]) as journal:
        running = journal.begin(journal.move(seen(journal), "ready"))
        for jump in (-1e8, 2e9, -3e9):
            now[0] += jump
            assert journal.recover() == []
            assert journal.next(now[0]) is None
            assert journal.works() == [running]
        assert journal.publishing(running, keys(1)).state == "publishing"


# Two identities


def test_the_same_sound_at_another_place_has_the_stems_but_not_the_drop(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        for number in (1, 2):
            finish(journal, seen(journal, f"{number}.wav"), Path(f"/music/stems/{number}"), keys(number, stems=7))
        assert journal.done_drop("drop-1") == Path("/music/stems/1")
        assert journal.done_drop("drop-3") is None
        assert journal.drops_with_stems("stems-7") == [Path("/music/stems/2"), Path("/music/stems/1")]


def test_work_that_was_done_before_ends_with_the_drop_there_is(tmp_path: Path) -> None:
    drop = Path("/music/stems/mix")
    with open_journal(tmp_path) as journal:
        finish(journal, seen(journal), drop, keys(1))
        twin = journal.begin(journal.move(seen(journal, "copy of mix.wav"), "ready"))
        known = journal.done_drop(keys(1).drop_key)
        assert known is not None
        assert journal.done(twin, known, keys(1)).drop == drop
        assert journal.drops_with_stems("stems-1") == [drop]


def test_only_finished_work_has_a_drop(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.publishing(journal.begin(journal.move(seen(journal), "ready")), keys(1))
        assert journal.done_drop("drop-1") is None
        assert journal.drops_with_stems("stems-1") == []
        done = finish(journal, seen(journal, "other.wav"), Path("/music/stems/2"), keys(2))
        journal.move(done, "waiting")
        assert journal.done_drop("drop-2") is None, "somebody asked for it again"
        assert journal.drops_with_stems("stems-2") == []
        assert journal.drops_with_stems("") == []


# For people, and for many at once


def test_a_job_is_found_by_the_start_of_its_id_and_by_nothing_ambiguous(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        works = [seen(journal, f"{number}.wav") for number in range(20)]
        assert journal.get(works[3].id[:12].upper()) == works[3]
        for unknown in ("", "zz", "g", "%", "' OR 1=1", "\udce9", works[0].id + "0"):
            with pytest.raises(ConfigError, match="There is no job"):
                journal.get(unknown)
        shared = next(a for a in "0123456789abcdef" if sum(work.id[0] == a for work in works) > 1)
        with pytest.raises(ConfigError, match="More than one job"):
            journal.get(shared)


def test_an_inbox_is_new_until_it_is_remembered(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        assert journal.folders.is_new_inbox(INBOX)
        journal.folders.remember_inbox(INBOX)
        journal.folders.remember_inbox(INBOX)
    with open_journal(tmp_path) as journal:
        assert not journal.folders.is_new_inbox(INBOX)
        assert journal.folders.is_new_inbox(INBOX / "other")


def see_fifty(journal: Journal, *, stop: bool = False) -> None:
    with journal.together():
        for number in range(50):
            seen(journal, f"{number}.wav")
        if stop:
            raise KeyboardInterrupt


def test_what_is_done_together_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        with pytest.raises(KeyboardInterrupt):
            see_fifty(journal, stop=True)
        assert journal.works() == []
        see_fifty(journal)
        assert [work.path.name for work in journal.works()] == [f"{number}.wav" for number in range(50)]


def test_twenty_thousand_renders_at_once_are_seen_within_seconds(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        started = time.monotonic()
        for _ in range(2):
            with journal.together():
                for number in range(20_000):
                    seen(journal, f"{number}.wav")
        assert time.monotonic() - started < 20
        assert len(journal.works(["waiting"])) == 20_000
        assert journal.next(0.0) is None
