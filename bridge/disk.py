"""What a disk refuses, in words: the one translation for everything that writes; and copies that cost no space."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.errors import DestinationError, NoSpaceError
from bridge.words import reason_of

__all__ = ["disk_error", "disk_errors", "share_blocks"]

_FICLONE = 0x40049409
"""Linux: let one file share the other's blocks (btrfs, XFS, bcachefs)."""
_FULL = {errno.ENOSPC, *([errno.EDQUOT] if hasattr(errno, "EDQUOT") else [])}


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
