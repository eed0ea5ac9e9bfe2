"""The watcher notices its own deaths, and those of what it watches, and stands up again, with real folders."""

from __future__ import annotations

import errno
import itertools
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, EventEmitter

from bridge.intake.watcher import POLLING_SECONDS, Watcher
from tests.intake.watching import PATIENCE_SECONDS, Bell, Deaf, Maker, healthy, tended


def test_an_inbox_deleted_and_made_again_is_watched_again(inbox: Path, bell: Bell) -> None:
    with Watcher([inbox], bell) as watcher:
        assert healthy(watcher)
        shutil.rmtree(inbox)
        assert tended(watcher, lambda: bool(watcher.health()))
        inbox.mkdir()
        assert healthy(watcher)
        assert bell.after(lambda: (inbox / "a.wav").write_bytes(b"x"))


def test_an_inbox_swapped_between_two_looks_is_watched_again(inbox: Path, tmp_path: Path, bell: Bell) -> None:
    with Watcher([inbox], bell) as watcher:
        assert healthy(watcher)
        inbox.rename(tmp_path / "elsewhere")
        inbox.mkdir()
        assert bell.after(lambda: watcher.tend(time.monotonic())), "what lies in the new one must be looked at"
        assert healthy(watcher)
        assert bell.after(lambda: (inbox / "a.wav").write_bytes(b"x"))


def test_an_inbox_that_comes_later_is_watched_then(tmp_path: Path, bell: Bell) -> None:
    late, there = tmp_path / "late", tmp_path / "there"
    there.mkdir()
    with Watcher([late, there], bell) as watcher:
        (trouble,) = watcher.health()
        assert "late" in trouble
        assert bell.after(lambda: (there / "a.wav").write_bytes(b"x")), "one inbox does not wait for another"
        late.mkdir()
        assert healthy(watcher)
        assert bell.after(lambda: (late / "a.wav").write_bytes(b"x"))


def test_a_killed_emitter_is_noticed_and_replaced(inbox: Path, bell: Bell) -> None:
    maker = Maker()
    with Watcher([inbox], bell, observer=maker) as watcher:
        assert healthy(watcher)
        maker.emitter.stop()
        maker.emitter.join()
        assert maker.made[0].is_alive(), "which shows that the observer's life says nothing"
        assert bell.after(lambda: watcher.tend(time.monotonic())), "what was missed must be looked for"
        assert watcher.health()
        assert healthy(watcher)
        assert len(maker.made) == 2
        assert bell.after(lambda: (inbox / "a.wav").write_bytes(b"x"))


@pytest.mark.skipif(sys.platform != "linux", reason="the reading thread is inotify's")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_reading_thread_is_noticed_and_replaced(inbox: Path, bell: Bell) -> None:
    maker = Maker()
    with Watcher([inbox], bell, observer=maker) as watcher:
        reader = maker.made[0]._inotify_fd  # type: ignore[attr-defined]

        def fail(event: object) -> None:
            raise OSError(errno.EIO, "read error")

        reader.handle_event = fail
        (inbox / "a.wav").write_bytes(b"x")
        reader.join(PATIENCE_SECONDS)
        assert maker.made[0].is_alive()
        assert maker.emitter.is_alive(), "which shows that neither says anything"
        assert tended(watcher, lambda: len(maker.made) == 2)
        assert healthy(watcher)
        assert bell.after(lambda: (inbox / "b.wav").write_bytes(b"x"))


def test_an_emitter_dead_before_the_first_check_is_noticed(inbox: Path, bell: Bell) -> None:
    class Stillborn(EventEmitter):
        def run(self) -> None:
            return

    made: list[BaseObserver] = []

    def make() -> BaseObserver:
        made.append(BaseObserver(Stillborn) if not made else Observer())
        return made[-1]

    with Watcher([inbox], bell, observer=make) as watcher:
        assert tended(watcher, lambda: len(made) == 2)
        assert healthy(watcher)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_observer_thread_is_noticed_and_replaced(inbox: Path) -> None:
    rung = threading.Event()
    faults = [RuntimeError("a wake that fails")]

    def wake() -> None:
        if threading.current_thread().name not in ("MainThread", "errand") and faults:
            raise faults.pop()
        rung.set()

    maker = Maker()
    with Watcher([inbox], wake, observer=maker) as watcher:
        assert healthy(watcher)
        (inbox / "a.wav").write_bytes(b"x")
        assert tended(watcher, lambda: len(maker.made) == 2)
        assert healthy(watcher)
        rung.clear()
        (inbox / "b.wav").write_bytes(b"x")
        assert rung.wait(PATIENCE_SECONDS)


def test_failures_one_after_the_other_are_tried_less_and_less_often(inbox: Path, bell: Bell) -> None:
    tries: list[float] = []
    now = 0.0

    class Refused(BaseObserver):
        def start(self) -> None:
            tries.append(now)
            raise OSError(errno.EACCES, "Permission denied")

    with Watcher([inbox], bell, observer=lambda: Refused(Deaf), clock=lambda: 0.0) as watcher:
        for second in range(1, 601):
            now = float(second)
            watcher.tend(now)
        assert "permission denied" in watcher.health()[0]
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 60.0


@pytest.mark.parametrize(
    ("number", "setting"), [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances")]
)
def test_a_limit_of_the_system_is_named_with_its_setting(inbox: Path, bell: Bell, number: int, setting: str) -> None:
    class Full(Deaf):
        def on_thread_start(self) -> None:
            raise OSError(number, "inotify limit reached")

    with Watcher([inbox], bell, observer=lambda: BaseObserver(Full)) as watcher:
        (trouble,) = watcher.health()
        assert setting in trouble
        assert "No space" not in trouble, "which people take for a full disk"
        assert watcher.rescan_seconds(60.0) == POLLING_SECONDS

    def refuse() -> BaseObserver:
        raise OSError(number, "inotify limit reached")

    with Watcher([inbox], bell, observer=refuse) as watcher:
        assert setting in watcher.health()[0]
        watcher.tend(time.monotonic() + 100.0)
