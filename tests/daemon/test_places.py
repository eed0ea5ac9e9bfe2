"""Disks that do not answer, are not there, or are not the ones that were there before."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Inbox, Settings
from bridge.daemon.control import Request, ask
from bridge.daemon.patrol import Patrol, Round
from bridge.daemon.places import Places
from bridge.daemon.reconcile import Reconciler
from bridge.errand import Errand
from bridge.intake.inbox import Listing, list_inbox
from bridge.intake.settle import SAMPLES
from bridge.journal.journal import Journal, open_journal
from bridge.landmark import MARK, Sight, leave_mark, look_at
from tests.daemon.houses import House, sound


class NetworkDisk:
    """A lister whose disk can be made to hang, as NFS does while its server is gone."""

    def __init__(self, hung: Path) -> None:
        self.hung = hung
        self.answers = threading.Event()
        self.asked = 0

    def __call__(self, inbox: Path, **options: Any) -> Listing:
        if inbox == self.hung:
            self.asked += 1
            self.answers.wait()
        return list_inbox(inbox, **options)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as journal:
        yield journal


class TwoInboxes(House):
    """A second inbox beside the first, with the same outbox."""

    @property
    def other(self) -> Path:
        return self.folder / "other inbox"

    def settings(self) -> Any:
        self.other.mkdir(exist_ok=True)
        settings = super().settings()
        second = settings.inboxes[0].model_copy(update={"path": self.other})
        return settings.model_copy(update={"inboxes": (second, *settings.inboxes)})


def test_an_inbox_that_does_not_answer_is_said_and_holds_up_no_other_and_comes_back_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("places", "patrol", "reconcile"):
        monkeypatch.setattr(f"bridge.daemon.{module}.SILENT_SECONDS", 0.3)
    house = TwoInboxes(tmp_path)
    disk = NetworkDisk(house.other)
    with house.running(include_existing=True, lister=disk):
        sound(house.other / "far.wav", seed=1)
        sound(house.inbox / "near.wav", seed=2)
        house.until(lambda: house.states().get("near.wav") == "done")
        house.until(lambda: "does not answer" in (house.state / "status.json").read_text())
        assert any("does not answer" in text for text in house.told.said)
        sound(house.inbox / "near too.wav", seed=3)
        house.until(lambda: house.states().get("near too.wav") == "done")
        assert disk.asked == 1, "one thread waits for it, not one for every look"
        assert "far.wav" not in house.states()
        disk.answers.set()
        house.until(lambda: house.states().get("far.wav") == "done")
        house.until(lambda: "does not answer" not in (house.state / "status.json").read_text())


def test_with_once_an_inbox_that_does_not_answer_is_waited_for_no_longer_than_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("places", "patrol", "reconcile"):
        monkeypatch.setattr(f"bridge.daemon.{module}.SILENT_SECONDS", 0.3)
    house = TwoInboxes(tmp_path)
    disk = NetworkDisk(house.other)
    sound(house.inbox / "near.wav")
    try:
        assert house.daemon(include_existing=True, lister=disk).run(once=True) == 1
    finally:
        disk.answers.set()
    assert house.states() == {"near.wav": "done"}


def test_a_share_that_drops_out_loses_nothing_and_parks_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    there = [True]

    def share(inbox: Path, **options: Any) -> Listing:
        if not there[0]:
            return Listing((), (f"{inbox} cannot be looked at: stale file handle.",), complete=False)
        return list_inbox(inbox, **options)

    with house.running(include_existing=True, lister=share):
        ask(house.state, Request(do="pause"))
        house.until(lambda: "Paused by request" in (house.state / "status.json").read_text())
        sound(house.inbox / "song.wav")
        house.until(lambda: house.states() == {"song.wav": "ready"})
        there[0] = False
        ask(house.state, Request(do="rescan"))
        house.until(lambda: "stale file handle" in (house.state / "status.json").read_text())
        assert house.states() == {"song.wav": "ready"}
        there[0] = True
        ask(house.state, Request(do="resume"))
        house.until(lambda: house.states() == {"song.wav": "done"})


@pytest.mark.skipif(os.name == "nt", reason="folders that are open cannot be renamed")
def test_an_empty_mount_point_is_no_empty_inbox_and_another_disk_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks: dict[int, str] = {}

    def look(folder: Path) -> Sight | None:
        # Other folders than the first are other disks here, as mounting them would take rights.
        seen = look_at(folder)
        if seen is None or folder.name != "inbox":
            return seen
        return Sight(seen.mark, disks.setdefault(folder.stat().st_ino, f"disk {len(disks)}"))

    monkeypatch.setattr("bridge.daemon.loop.Places", partial(Places, look=look))
    house = House(tmp_path)
    with house.running():
        ask(house.state, Request(do="pause"))
        house.until(lambda: "Paused by request" in (house.state / "status.json").read_text())
        sound(house.inbox / "song.wav", seed=1)
        house.until(lambda: house.states() == {"song.wav": "ready"})
        right = house.inbox.rename(tmp_path / "the right disk")
        house.inbox.mkdir()
        house.until(lambda: "is not the folder that was used before" in (house.state / "status.json").read_text())
        sound(house.inbox / "of somebody else.wav", seed=2)
        ask(house.state, Request(do="resume"))
        ask(house.state, Request(do="rescan"))
        house.until(lambda: "Paused by request" not in (house.state / "status.json").read_text())
        time.sleep(0.5)
        assert house.states() == {"song.wav": "ready"}, "nothing is gone, nothing is new"
        assert not (house.inbox / MARK).exists()
        house.inbox.rename(tmp_path / "the wrong disk")
        right.rename(house.inbox)
        house.until(lambda: house.states() == {"song.wav": "done"})
    assert house.drops() == ["song"]


def test_a_folder_is_known_by_its_mark_on_whatever_disk_it_comes_back(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    disk = ["first"]
    places = Places(
        journal.folders, look=lambda path: None if (seen := look_at(path)) is None else Sight(seen.mark, disk[0])
    )
    assert places.trouble(folder) is None
    assert (folder / MARK).is_file()
    disk[0] = "the same one, mounted anew"
    assert places.trouble(folder) is None
    away = folder.rename(tmp_path / "away")
    assert places.trouble(folder) is not None
    assert not folder.exists(), "what is missing is never made anew"
    folder.mkdir()
    disk[0] = "what was under it"
    trouble = places.trouble(folder)
    assert trouble is not None
    assert trouble.away
    assert MARK in trouble.hint
    leave_mark(folder, "0" * 32)
    assert places.trouble(folder) is not None, "the mark of another"
    (folder / MARK).unlink()
    folder.rmdir()
    away.rename(folder)
    assert places.trouble(folder) is None


def test_an_inbox_made_again_on_its_disk_gets_its_mark_again(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    places = Places(journal.folders)
    assert places.trouble(folder) is None
    before = (folder / MARK).read_text()
    (folder / MARK).unlink()
    folder.rmdir()
    folder.mkdir()
    assert places.trouble(folder) is None
    assert (folder / MARK).read_text() == before


def test_an_empty_mark_of_the_user_makes_a_folder_the_new_place_as_if_never_watched(
    tmp_path: Path, journal: Journal
) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    disk = ["old"]
    places = Places(
        journal.folders, look=lambda path: None if (seen := look_at(path)) is None else Sight(seen.mark, disk[0])
    )
    assert places.trouble(folder) is None
    journal.folders.remember_inbox(folder)
    (folder / MARK).unlink()
    disk[0] = "new"
    assert places.trouble(folder) is not None
    (folder / MARK).touch()
    assert places.trouble(folder) is None
    assert journal.folders.is_new_inbox(folder), "what lies there is left alone, as before a first watch"
    assert places.trouble(folder) is None


def test_a_lost_journal_takes_the_marks_there_are(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    leave_mark(folder, "a" * 32)
    with open_journal(tmp_path / "state") as journal:
        assert Places(journal.folders).trouble(folder) is None
        assert journal.folders.place(folder) == ("a" * 32, look_at(folder).disk)


def test_a_mark_is_read_from_a_plain_small_file_alone(tmp_path: Path) -> None:
    assert leave_mark(tmp_path, "b" * 32)
    assert look_at(tmp_path).mark == "b" * 32
    for hostile in (b"x" * 100_000, b"\xff\x00", b"id: ../../etc\n"):
        (tmp_path / MARK).write_bytes(hostile)
        assert look_at(tmp_path).mark is None
    (tmp_path / MARK).unlink()
    if os.name != "nt":
        os.mkfifo(tmp_path / MARK)
        assert look_at(tmp_path).mark is None
    assert look_at(tmp_path / "missing") is None
    assert look_at(tmp_path / MARK) is None


def test_a_disk_that_does_not_answer_is_asked_once_and_waited_for_in_moments(tmp_path: Path, journal: Journal) -> None:
    answers = threading.Event()
    asked: list[Path] = []
    late = threading.Event()

    def hangs(folder: Path) -> Sight | None:
        asked.append(folder)
        answers.wait()
        return look_at(folder)

    places = Places(journal.folders, late.set, look=hangs, patience_seconds=0.01)
    for _ in range(5):
        trouble = places.trouble(tmp_path)
        assert trouble is not None
        assert "does not answer" in trouble.reason
    assert len(asked) == 1
    answers.set()
    assert late.wait(10)
    assert places.trouble(tmp_path) is None


def test_an_errand_gives_back_what_came_of_it_or_raises_it() -> None:
    errand: Errand[int] = Errand()
    assert not errand.is_done(0.0)
    errand.begin(lambda: 7)
    assert errand.is_done(10)
    assert errand.take() == 7
    assert not errand.is_out
    errand.begin(lambda: 1 // 0)
    assert errand.is_done(10)
    with pytest.raises(ZeroDivisionError):
        errand.take()
    assert errand.seconds_out == 0.0


def test_where_no_thread_is_to_be_had_the_disk_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    errand: Errand[int] = Errand()
    errand.begin(lambda: 7)
    assert errand.is_done()
    assert errand.take() == 7


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_mark_is_written_through_no_link(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / f"{MARK}.part").symlink_to(theirs)
    (inbox / MARK).symlink_to(theirs)
    assert leave_mark(inbox, "0" * 32)
    assert theirs.read_text() == "precious"
    assert (inbox / MARK).is_file()
    assert not (inbox / MARK).is_symlink()


def test_of_many_renders_the_first_may_begin_before_the_last_is_judged(tmp_path: Path) -> None:
    inbox = Inbox(path=tmp_path / "in", outbox=tmp_path / "out")
    inbox.path.mkdir()
    one = sound(inbox.path / "0.wav")
    for number in range(1, 600):
        shutil.copyfile(one, inbox.path / f"{number}.wav")
    now = 0.0
    with open_journal(tmp_path / "state") as journal:
        places = Places(journal.folders)
        reconciler = Reconciler(
            journal,
            Settings(inboxes=(inbox,)),
            print,
            lambda *_: None,
            places,
            include_existing=True,
            clock=lambda: now,
        )
        patrol = Patrol(inbox.path, lambda: None)
        ready: list[int] = []
        for _ in range(SAMPLES):
            steps = reconciler._round(inbox, patrol, ())
            question = next(steps)
            with suppress(StopIteration):
                while True:
                    question = steps.send(question())
                    ready.append(len(journal.works({"ready"})))
            now += 60.0
        assert journal.counts({"ready"}) == {(inbox.path, "ready"): 600}
        assert ready[0] == 0
        assert len(set(ready)) > 2, "they come in portions, each with an answer of its own from the disk"


def test_a_round_of_many_questions_keeps_the_others_waiting_no_longer_than_one_of_few() -> None:
    now = 0.0
    asked: list[int] = []

    def questions() -> Round:
        nonlocal now
        for number in range(30):
            yield partial(answered_late, number)
            now += 0.1

    def answered_late(number: int) -> None:
        time.sleep(0.02)
        asked.append(number)

    patrol = Patrol(Path("in"), lambda: None, lambda: now)
    patrol.begin(questions())
    patrol.go_on(1.0)
    assert 1 < len(asked) < 30
    assert patrol.is_out
    while patrol.is_out:
        patrol.go_on(1.0)
    assert asked == list(range(30))
    assert patrol.rounds == 1
