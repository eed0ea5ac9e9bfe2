"""The store of raw segment outputs: between the engine and the network, so that no segment is computed twice.

It alone serves a job that was killed, a render of which only a part changed, other stems or another residual of the
same mix, and `apply` where a drop's stems are gone. A segment is known by what the network would hear and by who would
hear it; whose song it is and where it lies there does not matter.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bridge.domain.job import StoreOptions
from bridge.domain.stems import FloatArray
from bridge.separation.segments import SegmentFolder, Usage
from bridge.units import format_bytes
from bridge.words import reason_of

__all__ = ["Remembered", "Store", "clear_store", "usage_of_store"]

_SEGMENTS = "segments"
_JOBS = "jobs"
_SHARE = 4
"""A job that needs more than this fraction of the budget would push everybody else's segments out."""
_FREE_BYTES = 1 << 30
"""Left on the disk whatever happens, beside what the job itself still writes."""
_FORGOTTEN_AFTER_SECONDS = 3 * 86400.0
"""What a job of more than its share left when it was killed is kept for so long."""


class Store:
    """What one job knows of the store. Never fails a job: where the disk refuses, it says so once and stands aside."""

    def __init__(self, options: StoreOptions, notice: Callable[[str], None]) -> None:
        """`notice` is told what the user should know, in sentences."""
        self.found = 0
        """Segments that came from the store so far."""
        self.computed = 0
        """Segments that the network computed so far."""
        self.leave_bytes = 0
        """What the job itself will still write; on the store's disk so much more stays free."""
        self._options = options
        self._notice = notice
        self._folder = SegmentFolder(options.folder / _SEGMENTS, max_bytes=options.max_bytes)
        self._writes = True
        self._is_own = False

    def remembered(
        self,
        rows: Sequence[str],
        *,
        whole: str,
        windows: int,
        window_bytes: int,
        rows_now: Callable[[], Sequence[str]] | None = None,
    ) -> Remembered:
        """Return what a job asks before it computes, and tells afterwards.

        Args:
            rows: for each stem that is computed, text that names all that decides it but the window itself.
            whole: what the job separates, hex; the same for a job that is begun again.
            windows: how many there are in the job.
            window_bytes: what the outputs of one window take, all rows together.
            rows_now: asked for the rows around every forward, where one may change what decides them.

        A job that needs more than a quarter of the budget gets a folder of its own beside it, as large as it must be,
        which is there for the case that it is killed and goes with its end. Where the disk has not so much room, it
        goes without, and says so.
        """
        need_bytes = windows * window_bytes
        if need_bytes > self._options.max_bytes // _SHARE:
            self._take_own_folder(hashlib.sha256("\n".join([whole, *rows]).encode()).hexdigest()[:32], need_bytes)
        return Remembered(self, rows, rows_now)

    def find(self, key: str) -> FloatArray | None:
        """Return what is kept under a key, (2, frames), or None."""
        return self._folder.find(key)

    def keep(self, key: str, samples: FloatArray) -> None:
        """Keep a segment of one stem, (2, frames); quiet when nothing more is kept."""
        if not self._writes:
            return
        try:
            if self._free_bytes() < _FREE_BYTES + self.leave_bytes:
                self._stop(f"{self._options.folder} is nearly full")
                return
            self._folder.keep(key, samples)
        except OSError as exc:
            self._stop(f"{self._options.folder} takes no more: {reason_of(exc)}")

    def finish(self) -> None:
        """Say that the job is done: what was kept for this one alone goes."""
        if self._is_own:
            self._folder.clear()

    def _stop(self, why: str) -> None:
        self._writes = False
        self._notice(f"Segments are not kept any more, so this job cannot go on where it stopped: {why}.")

    def _take_own_folder(self, name: str, need_bytes: int) -> None:
        jobs = self._options.folder / _JOBS
        _forget_old_jobs(jobs)
        self._folder = SegmentFolder(jobs / name, max_bytes=None)
        self._is_own = True
        with suppress(OSError):
            missing = max(0, need_bytes - self._folder.usage().bytes)
            free_bytes = self._free_bytes()
            if missing + _FREE_BYTES + self.leave_bytes <= free_bytes:
                return
            self._writes = False
            self._notice(
                f"Segments of this job are not kept: it needs {format_bytes(missing)} in {self._options.folder},"
                f" and {format_bytes(max(0, free_bytes - _FREE_BYTES - self.leave_bytes))} are to spare."
            )

    def _free_bytes(self) -> int:
        folder = self._options.folder
        folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(folder).free


class Remembered:
    """What the store knows of windows that one network hears: an estimate counts when every wanted stem is there."""

    def __init__(self, store: Store, rows: Sequence[str], rows_now: Callable[[], Sequence[str]] | None = None) -> None:
        self._store = store
        self._rows = tuple(rows)
        self._rows_now = rows_now

    def find(self, window: FloatArray) -> tuple[object, FloatArray | None]:
        """Look for a normalised window (2, T); what is found is as it was computed, (R, 2, T)."""
        heard = hashlib.sha256(np.ascontiguousarray(window, dtype="<f4").data)
        stems = []
        for key in _keys(heard, self.maker()):
            stem = self._store.find(key)
            if stem is None or stem.shape != window.shape:
                return heard, None
            stems.append(stem)
        self._store.found += 1
        return heard, np.stack(stems)  # (R, 2, T)

    def maker(self) -> tuple[str, ...]:
        """Say by which rows the network computes now: it may have gone on in another way."""
        return self._rows if self._rows_now is None else tuple(self._rows_now())

    def keep(self, ticket: object, maker: tuple[str, ...], estimate: FloatArray) -> None:
        """Keep an estimate (R, 2, T) under the rows that it was computed by."""
        self._store.computed += 1
        for key, stem in zip(_keys(ticket, maker), estimate, strict=True):
            self._store.keep(key, stem)


def _keys(heard: Any, rows: Sequence[str]) -> Iterator[str]:
    for row in rows:
        digest = heard.copy()
        digest.update(row.encode())
        yield digest.hexdigest()[:40]


def usage_of_store(folder: Path) -> tuple[Usage, Usage]:
    """Return what the store in `folder` holds: for everybody, and for jobs of more than their share."""
    jobs = [one.usage() for one in _jobs(folder / _JOBS)]
    own = Usage(sum(one.files for one in jobs), sum(one.bytes for one in jobs))
    return SegmentFolder(folder / _SEGMENTS, max_bytes=None).usage(), own


def clear_store(folder: Path) -> Usage:
    """Remove all that the store in `folder` holds and nothing else; returns what went. Jobs under way go on."""
    gone = [one.clear() for one in (SegmentFolder(folder / _SEGMENTS, max_bytes=None), *_jobs(folder / _JOBS))]
    return Usage(sum(one.files for one in gone), sum(one.bytes for one in gone))


def _jobs(folder: Path) -> list[SegmentFolder]:
    with suppress(OSError):
        return [SegmentFolder(one, max_bytes=None) for one in folder.iterdir() if len(one.name) == 32 and one.is_dir()]
    return []


def _forget_old_jobs(folder: Path) -> None:
    now = time.time()
    for job in _jobs(folder):
        if now - job.last_used() > _FORGOTTEN_AFTER_SECONDS:
            job.clear()
