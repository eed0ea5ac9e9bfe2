"""The folder in which a drop is made: hidden in the outbox, on its disk, gone without a trace unless finished."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.delivery.durable import fsync_folder, fsync_tree, remove_tree
from bridge.disk import disk_errors
from bridge.domain.drop import STAGING
from bridge.errors import DestinationError, NoSpaceError
from bridge.units import format_bytes

__all__ = ["Stage", "discard_stage", "open_stage", "sweep"]

_JOB_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,39}")
_FOLDER = "drop"
_WORK = "work"
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


def discard_stage(outbox: Path, job_id: str) -> None:
    """Remove what one job staged, finished or not; quiet when there is nothing. `sweep` gets what is held open."""
    _remove(_place(outbox, job_id))


def sweep(outbox: Path, *, alive: Callable[[str], bool]) -> None:
    """Remove what jobs of the past left in `outbox/.staging`: folders named like a job that is not `alive(job_id)`."""
    staging = outbox / STAGING
    if not _is_folder(staging):
        return
    with disk_errors("look at", staging):
        found = [entry for entry in staging.iterdir() if _JOB_ID.fullmatch(entry.name) and _is_folder(entry)]
    for place in found:
        if not alive(place.name):
            _remove(place)
    _remove_if_empty(staging)


def _place(outbox: Path, job_id: str) -> Path:
    if not _JOB_ID.fullmatch(job_id):
        raise ValueError(f"not a job id: {job_id!r}")
    return outbox / STAGING / job_id


def _make(outbox: Path, place: Path) -> Stage:
    staging = place.parent
    with disk_errors("write to", outbox):
        outbox.mkdir(parents=True, exist_ok=True)
        # Another job that ends takes the empty staging folder away, perhaps between the two lines that make ours.
        for attempt in range(_MAKING_ATTEMPTS):
            try:
                staging.mkdir(exist_ok=True)
                _check_is_ours(outbox, staging)
                if os.path.lexists(place):
                    remove_tree(place)
                stage = Stage(outbox, place)
                for folder in (place, stage.folder, stage.work):
                    folder.mkdir()
                return stage
            except OSError as exc:
                _remove(place)
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


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(place: Path) -> None:
    if place.parent.is_symlink():
        return
    if os.path.lexists(place):
        remove_tree(place)
    _remove_if_empty(place.parent)


def _remove_if_empty(staging: Path) -> None:
    try:
        staging.rmdir()
    except OSError:
        # Other jobs are in it, or it is not there.
        return
