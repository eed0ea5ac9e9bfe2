"""Wakes the daemon when something happens in an inbox, and watches itself. A hint only: the rescan is the truth.

Whatever dies here (a thread of watchdog, the folder, the system's limits, events that never come) costs latency and is
said in `health`; it is never an error and never a lost render.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from bridge.errand import Errand
from bridge.intake.plain import folder_identity
from bridge.mounts import is_network
from bridge.words import reason_of

__all__ = ["CANARY", "POLLING_SECONDS", "Watcher"]

CANARY = ".stem-bridge-canary-"
"""Begins the name of the empty file that is made and removed at once to see whether events arrive."""
POLLING_SECONDS = 5.0
"""How often to look into inboxes whose events do not arrive."""
_CANARY_SECONDS = 2.0
_PATROL_SECONDS = 900.0
"""After so long without any event the canary flies again."""
_SHORTEST_PAUSE_SECONDS = 1.0
"""After the first failure it is tried again at once, then later and later."""
_LONGEST_PAUSE_SECONDS = 60.0
_POLLED_PAUSE_SECONDS = 600.0
"""Before events are tried again where they did not arrive."""
_JOIN_SECONDS = 5.0
_PATIENCE_SECONDS = 0.15
"""How long one look at an inbox may keep the others waiting."""
_SILENT_SECONDS = 5.0
_MOST_TOUCHED = 4096
_KINDS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
"""Not those of opening and reading: we do that ourselves, and would wake ourselves for ever."""
_LIMITS = {
    errno.ENOSPC: "fs.inotify.max_user_watches",
    errno.EMFILE: "fs.inotify.max_user_instances",
}
_log = logging.getLogger(__name__)


class _Ears(FileSystemEventHandler):
    """Hears one inbox, in watchdog's thread: notes and wakes, and does nothing that can fail."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._touched: set[str] = set()
        self.canary = ""
        self.heard = 0
        """Events so far, canaries included."""

    def dispatch(self, event: FileSystemEvent) -> None:
        self.heard += 1
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        if any(Path(path).name.startswith(CANARY) for path in paths):
            return
        with self._lock:
            if len(self._touched) < _MOST_TOUCHED:
                self._touched.update(paths)
        self._wake()

    def take(self) -> set[str]:
        with self._lock:
            touched, self._touched = self._touched, set()
        return touched


class _Overflow(logging.Handler):
    """Hears watchdog complain that the system dropped events, which it tells nobody else."""

    def __init__(self, wake: Callable[[], object]) -> None:
        super().__init__(logging.WARNING)
        self._wake = wake

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in str(record.msg).lower():
            self._wake()


class _Post:
    """The watch over one inbox: started, proved by a canary, checked, rebuilt."""

    def __init__(self, watcher: Watcher, inbox: Path) -> None:
        self._watcher = watcher
        self.inbox = inbox
        self.trouble = ""
        """Why events cannot be relied on; empty when they can."""
        self.ears = _Ears(watcher.wake)
        self._observer: BaseObserver | None = None
        self._place: tuple[int, int] | None = None
        self._try_at = 0.0
        self._pause_seconds = 0.0
        self._canary_due: float | None = None
        self._heard = 0
        self._heard_at = 0.0
        self.errand: Errand[None] = Errand(watcher.wake)

    def said(self) -> str:
        """Say why events cannot be relied on; empty when they can, and while nobody can tell."""
        if self.errand.seconds_out > _SILENT_SECONDS:
            return f"Changes in {self.inbox} are not heard of: its disk does not answer."
        return self.trouble

    def tend(self, now: float) -> None:
        place = folder_identity(self.inbox)
        if place != self._place:
            # Gone, back, or another disk: whatever watched the old folder hears nothing of the new one.
            self._place, self._pause_seconds, self._try_at = place, 0.0, now
            self.stop()
            self._watcher.wake()
        if place is None:
            self.trouble = f"The inbox {self.inbox} is not there."
        elif self._observer is None:
            if now >= self._try_at:
                self._start(now)
        elif not _is_alive(self._observer):
            _log.warning("the watch over %s ended by itself", ascii(str(self.inbox)))
            self._fail(now, f"Watching {self.inbox} ended by itself; it is started again.", self._pause_seconds)
        else:
            self._listen(now)

    def stop(self) -> None:
        observer, self._observer = self._observer, None
        self._canary_due = None
        if observer is None:
            return
        observer.stop()
        if observer.is_alive():
            observer.join(_JOIN_SECONDS)
        for emitter in list(observer.emitters):
            # Left over when the observer's own thread died before it could see to them.
            emitter.stop()
            if emitter.is_alive():
                emitter.join(_JOIN_SECONDS)

    def _start(self, now: float) -> None:
        if self._watcher.network(self.inbox):
            self._fail(
                now, f"{self.inbox} lies on a network: it is looked into every few seconds.", _POLLED_PAUSE_SECONDS
            )
            return
        self._heard, self._heard_at = self.ears.heard, now
        try:
            # Making one already takes what the system limits.
            self._observer = self._watcher.observer()
            self._observer.schedule(self.ears, str(self.inbox), recursive=True, event_filter=_KINDS)
            self._observer.start()
        except (OSError, RuntimeError) as exc:
            self._fail(now, _refusal(self.inbox, exc), self._pause_seconds)
            return
        self._send_canary(now)
        if self._canary_due is None:
            self.trouble = ""

    def _listen(self, now: float) -> None:
        if self.ears.heard != self._heard:
            self._heard, self._heard_at = self.ears.heard, now
            self._canary_due, self._pause_seconds, self.trouble = None, 0.0, ""
        elif self._canary_due is not None:
            if now >= self._canary_due:
                self._fail(
                    now,
                    f"The system does not report changes in {self.inbox}: it is looked into every few seconds.",
                    _POLLED_PAUSE_SECONDS,
                )
        elif now - self._heard_at >= _PATROL_SECONDS:
            self._heard_at = now
            self._send_canary(now)

    def _send_canary(self, now: float) -> None:
        path = self.inbox / f"{CANARY}{secrets.token_hex(4)}"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            path.unlink()
        except OSError:
            # An inbox that we may not write to is fine; then nothing is proved.
            return
        self._canary_due = now + self._watcher.canary_seconds

    def _fail(self, now: float, trouble: str, pause_seconds: float) -> None:
        self.trouble = trouble
        self.stop()
        self._try_at = now + pause_seconds
        self._pause_seconds = min(max(2.0 * self._pause_seconds, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        # Whatever was not reported while it was failing must be looked for.
        self._watcher.wake()


class Watcher:
    """Watches inboxes while it is entered. What asks a disk runs beside the caller's thread.

    `wake` is called from any thread; it must return at once and never raise.
    """

    def __init__(
        self,
        inboxes: Sequence[Path],
        wake: Callable[[], object],
        *,
        clock: Callable[[], float] = time.monotonic,
        observer: Callable[[], BaseObserver] = Observer,
        network: Callable[[Path], bool] = is_network,
        canary_seconds: float = _CANARY_SECONDS,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self.wake = wake
        self.observer = observer
        self.network = network
        self.canary_seconds = canary_seconds
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._posts = [_Post(self, inbox) for inbox in inboxes]
        self._overflow = _Overflow(wake)

    def __enter__(self) -> Self:
        logging.getLogger("watchdog").addHandler(self._overflow)
        self.tend(self._clock())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("watchdog").removeHandler(self._overflow)
        for post in self._posts:
            if not post.errand.is_out or post.errand.is_done(_JOIN_SECONDS):
                post.stop()

    def tend(self, now: float) -> None:
        """See whether every watch still lives and hears, and start again those that do not; call it every second.

        An inbox whose disk does not answer is waited for no longer than moments, and once.
        """
        for post in self._posts:
            patience = 0.0 if post.errand.is_out else self._patience_seconds
            if not post.errand.is_out:
                post.errand.begin(partial(post.tend, now))
            if post.errand.is_done(patience):
                post.errand.take()

    def touched(self) -> frozenset[Path]:
        """Take the files and folders that events named since the last call; some may be missing after a flood."""
        return frozenset(Path(path) for post in self._posts for path in post.ears.take())

    def health(self) -> tuple[str, ...]:
        """Say, one sentence each, which inboxes are not watched and why; empty when all is well."""
        return tuple(said for post in self._posts if (said := post.said()))

    def rescan_seconds(self, normal_seconds: float) -> float:
        """Say how often to look by oneself: more often while an inbox is not watched."""
        return min(normal_seconds, POLLING_SECONDS) if self.health() else normal_seconds


def _is_alive(observer: BaseObserver) -> bool:
    """Ask every thread there is: the one that dispatches, the one that emits and, on Linux, the one that reads."""
    threads: list[threading.Thread] = [observer, *observer.emitters]
    reader = getattr(observer, "_inotify_fd", None)
    if isinstance(reader, threading.Thread):
        threads.append(reader)
    return bool(observer.emitters) and all(thread.is_alive() for thread in threads)


def _refusal(inbox: Path, exc: OSError | RuntimeError) -> str:
    limit = _LIMITS.get(getattr(exc, "errno", None) or 0)
    if limit:
        return (
            f"The system's limit for watched folders is reached, so {inbox} is looked into every few seconds; "
            f"to raise it: sudo sysctl {limit}=524288."
        )
    return f"{inbox} cannot be watched ({reason_of(exc)}): it is looked into every few seconds."
