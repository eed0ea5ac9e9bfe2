"""What a disk refuses: in words, waited for while it is only for moments, or as if nothing were there.

And copies that cost no space.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.errors import DestinationError, NoSpaceError
from bridge.words import reason_of

__all__ = ["disk_error", "disk_errors", "is_file", "is_folder", "rename", "share_blocks"]

_FICLONE = 0x40049409
"""Linux: let one file share the other's blocks (btrfs, XFS, bcachefs)."""
_FULL = {errno.ENOSPC, *([errno.EDQUOT] if hasattr(errno, "EDQUOT") else [])}

_HELD_OPEN = {5, 32, 33}
"""Windows errors while a virus scanner, an indexer or a sync client looks at new files; gone after moments."""
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


def rename(
    source: Path,
    target: Path,
    *,
    move: Callable[[Path, Path], object] = os.replace,
    most_seconds: float = sum(_PAUSES_SECONDS),
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Give a file another name, over what has it; on Windows, wait for whoever looks at one of them. Raises OSError.

    `move` does it, such as `os.rename`, which goes over no file there. `most_seconds` is waited in all.
    """
    waited = 0.0
    for pause_seconds in _PAUSES_SECONDS:
        try:
            move(source, target)
        except OSError as exc:
            if getattr(exc, "winerror", None) not in _HELD_OPEN or waited + pause_seconds > most_seconds:
                raise
        else:
            return
        sleep(pause_seconds)
        waited += pause_seconds
    move(source, target)


def is_folder(path: Path) -> bool:
    """Say whether it is a folder; one that we may not look at, whose disk is gone or has no such name, is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Say whether it is a file; one that we may not look at, whose disk is gone or has no such name, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def disk_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn every OSError of the block into `disk_error`."""
    try:
        yield
    except OSError as exc:
        raise disk_error(doing, path, exc) from exc


def disk_error(doing: str, path: Path, exc: OSError) -> NoSpaceError | DestinationError:
    """Make the error for an OSError that came from `doing` something with `path`: 'Cannot <doing> <path>: <reason>.'"""
    message = f"Cannot {doing} {path}: {reason_of(exc)}."
    if exc.errno in _FULL:
        hint = "Free some space on that disk, or choose another outbox (--outbox)."
        return NoSpaceError(message, hint=hint, path=path)
    if exc.errno == errno.EFBIG:
        hint = "That disk takes no files so large (FAT32 ends at 4 GB): choose an outbox on another (--outbox)."
        return NoSpaceError(message, hint=hint, path=path)
    if exc.errno in (errno.ENOTDIR, errno.EEXIST):
        hint = "A file stands where a folder must be: move it away, or choose another outbox (--outbox)."
    elif exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "Allow writing to that folder, or choose another outbox (--outbox)."
    elif exc.errno == errno.ENAMETOOLONG:
        hint = "Choose an outbox with a shorter path (--outbox)."
    else:
        hint = "Check that the disk is connected and in order, or choose another outbox (--outbox)."
    return DestinationError(message, hint=hint, path=path)


def share_blocks(source: int, target: int) -> bool:
    """Let an empty open file share the blocks of another; returns whether the file system can. Takes descriptors."""
    if sys.platform == "linux":
        import fcntl

        # Another file system, or one that cannot, raises: it has to be copied.
        with suppress(OSError):
            fcntl.ioctl(target, _FICLONE, source)
            return True
    return False
