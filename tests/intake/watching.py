"""A watcher under test: a bell that counts, observers that can be killed, and the daemon's way of tending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, EventEmitter

from bridge.intake.watcher import Watcher

__all__ = ["PATIENCE_SECONDS", "Bell", "Deaf", "Maker", "healthy", "tended"]

PATIENCE_SECONDS = 20.0
"""A safety net; what is waited for comes in milliseconds."""


class Bell:
    """A wake that counts."""

    def __init__(self) -> None:
        self.rung = threading.Event()

    def __call__(self) -> None:
        self.rung.set()

    def after(self, act: Callable[[], object]) -> bool:
        self.rung.clear()
        act()
        return self.rung.wait(PATIENCE_SECONDS)


class Maker:
    """Makes real observers and keeps them, so that a test may kill them."""

    def __init__(self) -> None:
        self.made: list[BaseObserver] = []

    def __call__(self) -> BaseObserver:
        self.made.append(Observer())
        return self.made[-1]

    @property
    def emitter(self) -> EventEmitter:
        (emitter,) = self.made[-1].emitters
        return emitter


class Deaf(EventEmitter):
    """Lives, and hears nothing: a share that reports no changes."""

    def queue_events(self, timeout: float) -> None:
        self.stopped_event.wait(timeout)


def tended(watcher: Watcher, until: Callable[[], bool]) -> bool:
    """Tend as the daemon does, until something holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not until() and time.monotonic() < end:
        watcher.tend(time.monotonic())
        time.sleep(0.01)
    return until()


def healthy(watcher: Watcher) -> bool:
    return tended(watcher, lambda: not watcher.health())
