"""The folder in which a drop is made: hidden in the outbox, on its disk, gone without a trace unless finished."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from bridge.delivery import lockfile
from bridge.delivery.durable import fsync_folder, fsync_tree, remove_tree
from bridge.disk import disk_errors, is_folder
from bridge.domain.drop import STAGING
from bridge.errors import DestinationError, NoSpaceError
from bridge.units import format_bytes

__all__ = ["Stage", "discard_stage", "hold_stage", "open_stage", "sweep"]

_T = TypeVar("_T")
_JOB_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,39}")
_FOLDER = "drop"
_WORK = "work"
_LOCK = ".lock"
_MAKING_ATTEMPTS = 20
_MAKING_PAUSE_SECONDS = 0.01
_JUST_GOING = (FileNotFoundError, FileExistsError, PermissionError)
"""What is heard of a folder that another job removes meanwhile: it is gone, it was there and is gone, and on Windows
that nobody may touch it now."""


class Stage:
    """One job's place in an outbox. Made by `open_stage`."""

    def __init__(self, outbox: Path, place: Path) -> None:
        self._outbox = outbox
        self._place = place
        self.folder = place / _FOLDER
        """The future drop."""
        self.work = place / _WORK
        """Scratch, never delivered; on the same device, so that files can be renamed into `folder`."""
        self.finished = False

    def require_space(self, need_bytes: int) -> None:
        """Raise NoSpaceError when the outbox's disk has less than `need_bytes` free."""
        with disk_errors("look at", self._outbox):
            free_bytes = shutil.disk_usage(self._outbox).free
        if need_bytes > free_bytes:
            raise NoSpaceError(
                f"This job needs {format_bytes(need_bytes)} in {self._outbox}, {format_bytes(free_bytes)} are free.",
                hint="Free some space on that disk, or choose another outbox (--outbox).",
                path=self._outbox,
            )

    def finish(self) -> None:
        """Drop the scratch and wait until all of `folder` is on the disk; from now on it outlives the block.

        Raises NoSpaceError or DestinationError; nothing is then kept.
        """
        remove_tree(self.work)
        with disk_errors("finish writing in", self._outbox):
            fsync_tree(self.folder)
            for folder in (self._place, self._place.parent):
                fsync_folder(folder)
        self.finished = True


@contextmanager
def open_stage(outbox: Path, job_id: str) -> Iterator[Stage]:
    """Make `outbox/.staging/<job_id>/`, the outbox too where it is missing; remove it again unless `finish` was called.

    `job_id`: 1..40 ASCII letters, digits, '-' and '_'. What an earlier attempt of the same job left is removed first.
    Raises DestinationError when the outbox is no folder or cannot be written to, NoSpaceError when its disk is full.
    """
    place = _place(outbox, job_id)
    stage = _make(outbox, place)
    try:
        yield stage
    except BaseException:
        _remove(place)
        raise
    if not stage.finished:
        _remove(place)


@contextmanager
def hold_stage(outbox: Path, job_id: str) -> Iterator[None]:
    """Hold `outbox/.staging/<job_id>.lock` while somebody wants what the job stages: no `sweep` then takes it away.

    Makes the outbox where it is missing. Raises DestinationError and NoSpaceError as `open_stage` does.
    """
    path = _lock_of(_place(outbox, job_id))
    lock = _in_staging(outbox, lambda: _held(path))
    try:
        yield
    finally:
        lock.remove()
        _remove_if_empty(path.parent)


def discard_stage(outbox: Path, job_id: str) -> None:
    """Remove what one job staged, finished or not; quiet when there is nothing. `sweep` gets what is held open."""
    _remove(_place(outbox, job_id))


def sweep(outbox: Path) -> None:
    """Remove what jobs of this computer left in `outbox/.staging` when it, or their process, ended without warning.

    A job that a living process holds is left alone, and so is everything that has no lock file. Quiet when the disk
    refuses: whoever stages next tells.
    """
    staging = outbox / STAGING
    if not is_folder(staging) or staging.is_symlink():
        return
    with suppress(OSError):
        for path in list(staging.iterdir()):
            if path.suffix == _LOCK and _JOB_ID.fullmatch(path.stem):
                _sweep(path)
    _remove_if_empty(staging)


def _sweep(path: Path) -> None:
    try:
        lock = lockfile.take(path)
    except OSError:
        # Gone meanwhile, or nothing of ours.
        return
    if lock is None:
        return
    place = path.with_suffix("")
    if lock.is_of_this_computer() and (not os.path.lexists(place) or remove_tree(place)):
        lock.remove()
    else:
        lock.close()


def _place(outbox: Path, job_id: str) -> Path:
    if not _JOB_ID.fullmatch(job_id):
        raise ValueError(f"not a job id: {job_id!r}")
    return outbox / STAGING / job_id


def _lock_of(place: Path) -> Path:
    return place.with_name(place.name + _LOCK)


def _held(path: Path) -> lockfile.LockFile:
    lock = lockfile.make(path)
    if lock is None:
        # A sweep looks at it; that takes moments.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return lock


def _make(outbox: Path, place: Path) -> Stage:
    def make() -> Stage:
        try:
            if os.path.lexists(place):
                remove_tree(place)
            stage = Stage(outbox, place)
            for folder in (place, stage.folder, stage.work):
                folder.mkdir()
        except OSError:
            _remove(place)
            raise
        return stage

    return _in_staging(outbox, make)


def _in_staging(outbox: Path, make: Callable[[], _T]) -> _T:
    """Make something in the staging folder, which another job that ends may take away meanwhile, since it is empty."""
    staging = outbox / STAGING
    with disk_errors("write to", outbox):
        outbox.mkdir(parents=True, exist_ok=True)
        for attempt in range(_MAKING_ATTEMPTS):
            try:
                staging.mkdir(exist_ok=True)
                _check_is_ours(outbox, staging)
                return make()
            except OSError as exc:
                _remove_if_empty(staging)
                if attempt + 1 == _MAKING_ATTEMPTS or not isinstance(exc, _JUST_GOING):
                    raise
                time.sleep(_MAKING_PAUSE_SECONDS)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _check_is_ours(outbox: Path, staging: Path) -> None:
    """A link or a mount would lead the drop to another disk, from where it cannot be renamed into the outbox."""
    if staging.is_symlink() or staging.stat().st_dev != outbox.stat().st_dev:
        raise DestinationError(
            f"{staging} does not lie on the outbox's own disk.",
            hint=f"Remove {staging}; it is made anew.",
            path=staging,
        )


def _remove(place: Path) -> None:
    if place.parent.is_symlink():
        return
    if os.path.lexists(place):
        remove_tree(place)
    # The lock of a process that is gone keeps nothing any more.
    with suppress(OSError):
        if (lock := lockfile.take(_lock_of(place))) is not None:
            lock.remove()
    _remove_if_empty(place.parent)


def _remove_if_empty(staging: Path) -> None:
    try:
        staging.rmdir()
    except OSError:
        # Other jobs are in it, or it is not there.
        return
