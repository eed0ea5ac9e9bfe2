"""A file that a process holds while it lives: the system lets go of it however the process ends."""

from __future__ import annotations

import errno
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["LockFile", "make", "take"]

_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK)}
"""What systems answer when somebody else holds it; anything else means that this disk knows no locks."""
_BEYOND_THE_TEXT = 1 << 20
"""Windows lets nobody read the bytes that are locked."""
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_LONGEST_NAME = 1000


class LockFile:
    """One that this process holds. Made by `take`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def is_of_this_computer(self) -> bool:
        """Say whether it was made here: between computers that share a disk, a lock may mean nothing."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.read(self._descriptor, _LONGEST_NAME) == _computer()

    def close(self) -> None:
        """Let go of it and leave the file."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Let go of it and remove the file; quiet when the disk refuses."""
        if sys.platform == "win32":
            # An open file cannot be removed there.
            os.close(self._descriptor)
            with suppress(OSError):
                self._path.unlink()
        else:
            # While it is held, so that nobody else gets a file that is about to go.
            with suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)


def make(path: Path) -> LockFile | None:
    """Make a lock file and hold it; None while somebody else looks whether it is held.

    Where the disk knows no locks it is made all the same, and nobody can `take` it. Raises OSError; FileNotFoundError
    also when it was removed meanwhile.
    """
    return _opened(path, _FLAGS | os.O_CREAT, new=True)


def take(path: Path) -> LockFile | None:
    """Hold a lock file that is there; None while the process that made it lives, and where that cannot be known.

    Raises OSError.
    """
    return _opened(path, _FLAGS, new=False)


def _opened(path: Path, flags: int, *, new: bool) -> LockFile | None:
    descriptor = os.open(path, flags, 0o644)
    lock = LockFile(path, descriptor)
    try:
        if not _lock(descriptor, unknown=new):
            lock.close()
            return None
        if not os.path.samestat(os.fstat(descriptor), path.lstat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if new:
            os.write(descriptor, _computer())
    except OSError:
        lock.close()
        raise
    return lock


def _lock(descriptor: int, *, unknown: bool) -> bool:
    """Return whether the lock was got; `unknown` where the disk knows none."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _BEYOND_THE_TEXT, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        return unknown and exc.errno not in _HELD
    return True


def _computer() -> bytes:
    return platform.node().encode("utf-8", "replace")[:_LONGEST_NAME]
