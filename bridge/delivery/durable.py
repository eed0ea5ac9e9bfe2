"""What a disk must be asked for: bytes that are really there, folders that are really gone."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["fsync_file", "fsync_folder", "fsync_tree", "remove_tree"]

_CANNOT_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS}
"""What file systems without fsync for folders answer (network shares, FUSE)."""
_AT_ONCE = 8
"""Files that are waited for together: a disk confirms many in little more than the time of one."""
_REMOVE_ATTEMPTS = 6
_REMOVE_PAUSE_SECONDS = 0.05


def fsync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk. Raises OSError."""
    # Windows flushes only what is open for writing.
    with path.open("r+b" if sys.platform == "win32" else "rb") as file:
        _fsync(file.fileno())


def fsync_folder(path: Path) -> None:
    """Wait until a folder's entries are on the disk; nothing is done where there is no such call."""
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _fsync(descriptor)
        except OSError as exc:
            if exc.errno not in _CANNOT_SYNC:
                raise
        finally:
            os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Wait until every file and folder below `folder`, and itself, is on the disk: files first. Raises OSError."""
    folders, files = [folder], list[Path]()
    for place in folders:
        for entry in place.iterdir():
            (folders if entry.is_dir() else files).append(entry)
    with ThreadPoolExecutor(_AT_ONCE, "flush") as pool:
        for wait, entries in ((fsync_file, files), (fsync_folder, folders)):
            list(pool.map(wait, entries))


def _fsync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        # fsync on macOS leaves the bytes in the drive's own cache; network volumes know only the plain one.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:
            os.fsync(descriptor)
    else:
        os.fsync(descriptor)


def remove_tree(folder: Path, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Remove a folder and all in it; return whether it is gone.

    Tries for about a second, since virus scanners and indexers hold files open on Windows. Links are not followed.
    """
    if folder.is_symlink():
        return False
    for attempt in range(_REMOVE_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return True
        _allow_removal(folder)
        if attempt + 1 < _REMOVE_ATTEMPTS:
            sleep(_REMOVE_PAUSE_SECONDS * (attempt + 1))
    return False


def _allow_removal(folder: Path) -> None:
    """Clear what keeps entries from being removed: the read-only flag on Windows, rights of folders elsewhere."""
    for parent, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            entry = Path(parent, name)
            try:
                if not entry.is_symlink():
                    entry.chmod(stat.S_IRWXU)
            except OSError:
                # Gone or not ours; the next attempt tells.
                continue
