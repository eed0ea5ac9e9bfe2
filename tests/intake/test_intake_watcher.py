"""The watcher wakes, notices its own deaths, and its total failure costs latency only. Real watchdog, real folders."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.events import FileCreatedEvent, FileMovedEvent, FileSystemEvent
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, EventQueue

from bridge.intake.inbox import list_inbox
from bridge.intake.watcher import CANARY, POLLING_SECONDS, Watcher
from tests.intake.looking import Eyes, wav
from tests.intake.watching import PATIENCE_SECONDS, Bell, Deaf, Maker, healthy


def arrivals(inbox: Path, outside: Path) -> Iterator[Callable[[], object]]:
    outside.mkdir()
    for name in ("moved.wav", "linked.wav"):
        (outside / name).write_bytes(wav())
    yield lambda: (inbox / "written.wav").write_bytes(wav())
    yield lambda: (outside / "moved.wav").rename(inbox / "moved.wav")
    yield lambda: os.link(outside / "linked.wav", inbox / "linked.wav")
    yield lambda: (inbox / "written.wav").rename(inbox / "renamed.wav")
    yield lambda: (inbox / "renamed.wav").write_bytes(b"other")
    yield lambda: (inbox / "renamed.wav").unlink()
    yield lambda: (inbox / "vocal-air").mkdir()


def test_every_way_of_arriving_wakes(inbox: Path, tmp_path: Path, bell: Bell) -> None:
    with Watcher([inbox], bell) as watcher:
        for number, arrive in enumerate(arrivals(inbox, tmp_path / "outside")):
            assert bell.after(arrive), number
        assert healthy(watcher)
        assert watcher.rescan_seconds(60.0) == 60.0
        assert inbox / "moved.wav" in watcher.touched()
        assert not watcher.touched(), "taken once"


def test_a_file_in_a_folder_made_a_moment_ago_wakes(inbox: Path, bell: Bell) -> None:
    with Watcher([inbox], bell):
        assert bell.after((inbox / "clean").mkdir)
        time.sleep(0.05)
        assert bell.after(lambda: (inbox / "clean" / "a.wav").write_bytes(b"x"))


def test_looking_and_reading_wake_nobody(inbox: Path, bell: Bell) -> None:
    (inbox / "a.wav").write_bytes(wav())
    with Watcher([inbox], bell) as watcher:
        assert bell.after(lambda: (inbox / "b.wav").write_bytes(b"x"))
        time.sleep(0.1)
        watcher.touched()
        eyes = Eyes(inbox)
        eyes.settle()
        # A change marks the end: whatever the looking caused was reported before it.
        assert bell.after(lambda: (inbox / "c.wav").write_bytes(b"x"))
        assert inbox / "a.wav" not in watcher.touched()


def test_the_canary_proves_the_watch_wakes_nobody_and_leaves_nothing(inbox: Path, bell: Bell) -> None:
    heard = threading.Event()

    class Telling(Observer):  # type: ignore[valid-type, misc]
        def dispatch_events(self, event_queue: EventQueue) -> None:
            super().dispatch_events(event_queue)
            heard.set()

    with Watcher([inbox], bell, observer=Telling) as watcher:
        # The daemon looks at the start anyway; after that only a render may wake it.
        bell.rung.clear()
        assert heard.wait(PATIENCE_SECONDS)
        watcher.tend(time.monotonic() + 5.0)
        assert not watcher.health()
        assert not bell.rung.is_set()
        assert not watcher.touched()
    assert not list(inbox.iterdir())
    (inbox / f"{CANARY}0011").touch()
    assert not list_inbox(inbox).files, "one left by a crash is no render"


def test_where_events_never_come_the_canary_says_so_and_looks_are_more_frequent(inbox: Path, bell: Bell) -> None:
    with Watcher([inbox], bell, observer=lambda: BaseObserver(Deaf), clock=lambda: 0.0) as watcher:
        watcher.tend(1.9)
        assert not watcher.health()
        bell.rung.clear()
        watcher.tend(2.0)
        (trouble,) = watcher.health()
        assert str(inbox) in trouble
        assert bell.rung.is_set()
        assert watcher.rescan_seconds(60.0) == POLLING_SECONDS
        assert watcher.rescan_seconds(1.0) == 1.0
        watcher.tend(600.0)
        assert watcher.health(), "trying again does not hide that it did not work"


def test_a_watch_that_falls_silent_is_found_out_later(inbox: Path, bell: Bell) -> None:
    made: list[BaseObserver] = []

    class TurnsDeaf(Deaf):
        def on_thread_start(self) -> None:
            self.queue_event(FileCreatedEvent(str(inbox / "first.wav")))

    def make() -> BaseObserver:
        made.append(BaseObserver(TurnsDeaf))
        return made[-1]

    with Watcher([inbox], bell, observer=make, clock=lambda: 0.0) as watcher:
        made[0].event_queue.join()
        watcher.tend(1.0)
        watcher.tend(5.0)
        assert not watcher.health()
        watcher.tend(1000.0)
        assert not watcher.health(), "the canary is on its way"
        watcher.tend(1010.0)
        assert watcher.health()


def test_on_a_network_no_event_is_trusted(inbox: Path, bell: Bell) -> None:
    maker = Maker()
    with Watcher([inbox], bell, observer=maker, network=lambda _: True) as watcher:
        watcher.tend(time.monotonic())
        assert not maker.made
        assert "network" in watcher.health()[0]
        assert watcher.rescan_seconds(60.0) == POLLING_SECONDS


@pytest.mark.parametrize(
    "event",
    [
        FileCreatedEvent(b"/\xff\xfe.wav"),
        FileCreatedEvent("/\udcff.wav"),
        FileCreatedEvent("\0"),
        FileCreatedEvent(""),
        FileCreatedEvent("/" + "x" * 100_000),
        FileMovedEvent("", "/b.wav"),
        FileMovedEvent(b"/a.wav", "/b.wav"),
        FileSystemEvent("/a.wav"),
    ],
    ids=lambda event: repr(event)[:60],
)
def test_no_event_harms_the_ears(inbox: Path, bell: Bell, event: FileSystemEvent) -> None:
    maker = Maker()
    with Watcher([inbox], bell, observer=maker):
        maker.made[0].event_queue.put((event, maker.emitter.watch))
        maker.made[0].event_queue.join()
        assert maker.made[0].is_alive()
        assert bell.after(lambda: (inbox / "a.wav").write_bytes(b"x"))


def test_a_flood_of_events_needs_no_memory(inbox: Path, bell: Bell) -> None:
    maker = Maker()
    with Watcher([inbox], bell, observer=maker) as watcher:
        for number in range(10_000):
            maker.emitter.queue_event(FileCreatedEvent(str(inbox / f"{number}.wav")))
        maker.made[0].event_queue.join()
        assert len(watcher.touched()) < 5000
        assert bell.after(lambda: (inbox / "a.wav").write_bytes(b"x"))


def test_a_lost_event_that_watchdog_only_logs_wakes_too(inbox: Path, bell: Bell) -> None:
    log = logging.getLogger("watchdog.observers.inotify_c")
    with Watcher([inbox], bell):
        assert bell.after(lambda: log.warning("Inotify queue overflowed; filesystem events were lost"))
    bell.rung.clear()
    log.warning("Inotify queue overflowed; filesystem events were lost")
    assert not bell.rung.is_set(), "and nothing is left of it afterwards"


def test_without_any_watchdog_a_render_is_found_by_looking(inbox: Path, bell: Bell) -> None:
    class Broken(BaseObserver):
        def start(self) -> None:
            raise RuntimeError("cannot start new thread")

    with Watcher([inbox], bell, observer=lambda: Broken(Deaf)) as watcher:
        assert watcher.health()
        eyes = Eyes(inbox)
        (inbox / "song.wav").write_bytes(wav())
        seconds = watcher.rescan_seconds(60.0)
        looks = [eyes.look(seconds) for _ in range(3)]
    assert looks[-1] == {"song.wav": "ready"}


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are listed there")
def test_many_rebuilds_leave_no_thread_and_no_open_file(inbox: Path, bell: Bell) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    with Watcher([inbox], bell) as watcher:
        assert healthy(watcher)
        threads, files = threading.active_count(), open_files()
        for _ in range(10):
            shutil.rmtree(inbox)
            watcher.tend(time.monotonic())
            inbox.mkdir()
            assert healthy(watcher)
        assert threading.active_count() <= threads
        assert open_files() <= files


def test_the_watcher_loads_nothing_heavy() -> None:
    code = (
        "import sys, bridge.intake.watcher, bridge.intake.inbox, bridge.intake.ready, bridge.intake.settle, "
        "bridge.intake.sidecar, bridge.intake.folders\n"
        "print(*{'numpy', 'torch', 'soundfile', 'pedalboard', 'scipy'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout == "\n"
