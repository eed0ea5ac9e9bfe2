"""Is a folder still the one it was? Told by a small hidden file in it, which an unmounted disk takes along."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MARK", "Sight", "leave_mark", "look_at"]

MARK = ".stem-bridge"
"""The file. An empty one, made by the user, says that a folder is the new place of what was elsewhere."""
_TEXT = "Stem Bridge knows this folder by this file, and waits where it is missing: {}\n"
_ID = re.compile(rb"\b([0-9a-f]{32})\s*\Z")
_MOST_BYTES = 400


@dataclass(frozen=True)
class Sight:
    """One look at a folder that is there."""

    mark: str | None
    """Its id; '' for an empty file, None where there is none that can be read."""
    disk: str
    """What the system calls the disk it lies on; may change for one disk, and be alike for two."""


def look_at(folder: Path) -> Sight | None:
    """Look; None when no folder is there. Asks the disk itself, and so waits for it as long as that takes."""
    try:
        status = folder.stat()
        if not stat.S_ISDIR(status.st_mode):
            return None
        # No cache answers this one for a server that is gone.
        number = os.statvfs(folder).f_fsid if hasattr(os, "statvfs") else 0
        with os.scandir(folder):
            return Sight(_read(folder / MARK), f"{status.st_dev}:{number}")
    except (OSError, ValueError):
        return None


def leave_mark(folder: Path, mark: str) -> bool:
    """Write the file, through no link; returns whether it could be written.

    It is on the disk before it has its name: an empty one, as a power cut might leave, would mean something else.
    """
    part = folder / f"{MARK}.part"
    try:
        part.unlink(missing_ok=True)
        with part.open("x", encoding="ascii") as file:
            file.write(_TEXT.format(mark))
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / MARK)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True


def _read(path: Path) -> str | None:
    flags = ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
    try:
        descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in flags))
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(_MOST_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b"?"
    except OSError:
        return None
    if not text:
        return ""
    found = _ID.search(text)
    return found[1].decode() if found else None
