"""What a name stands for: plain files are opened never through a link and never waiting; folders are told apart."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bridge.domain.render import FileIdentity
from bridge.errors import ReadError

__all__ = ["folder_identity", "identity_of", "open_plain", "require_plain"]


def identity_of(status: os.stat_result) -> FileIdentity:
    """Return what tells this file from another, or from itself after a change."""
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def folder_identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells this folder from another, by whatever name it is reached; None when it is not there."""
    try:
        status = folder.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def open_plain(path: Path) -> tuple[int, os.stat_result]:
    """Open a plain file; return the descriptor, which the caller closes, and what the name stood for before.

    Raises OSError when it is missing or unreadable, ReadError when it is a folder, a link, a pipe, a socket or a
    device.
    """
    looked = path.lstat()
    require_plain(path, looked.st_mode)
    # Opening a pipe would wait for its writer, opening a link would follow it: both may have come since the look.
    flags = ("O_BINARY", "O_NOINHERIT", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")
    descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in flags))
    try:
        require_plain(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, looked


def require_plain(path: Path, mode: int) -> None:
    """Raise ReadError, saying what it is, for everything but a plain file."""
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_ISLNK: "a link", stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    kind = next((words for is_kind, words in kinds.items() if is_kind(mode)), "a device")
    raise ReadError(f"{path} is {kind}, not a sound file.", hint="Name the sound file itself.", path=path)
