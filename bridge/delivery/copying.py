"""A file copied and hashed in one go, sharing its blocks with the original where the disk can."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from bridge.delivery.manifest import open_plain_file
from bridge.disk import disk_errors, share_blocks

__all__ = ["copy_hashed"]

_BLOCK_BYTES = 1 << 20


def copy_hashed(source: Path, target: Path, progress: Callable[[int], None]) -> tuple[int, str]:
    """Copy a plain file into a new one and return the bytes and the SHA-256 (hex) of the copy.

    `progress` gets the bytes done so far. Raises OSError for `source`, also for a pipe or a device; NoSpaceError and
    DestinationError for `target`. After an error, one of `progress` too, no target is left.
    """
    digest, count = hashlib.sha256(), 0
    with open_plain_file(source) as old:
        with disk_errors("write", target):
            new = target.open("x+b", buffering=0)
        try:
            shared = share_blocks(old.fileno(), new.fileno())
            buffer = memoryview(bytearray(_BLOCK_BYTES))
            while size := (new if shared else old).readinto(buffer):
                digest.update(buffer[:size])
                rest = memoryview(b"") if shared else buffer[:size]
                with disk_errors("write", target):
                    while rest:
                        rest = rest[new.write(rest) :]
                count += size
                progress(count)
        except BaseException:
            new.close()
            target.unlink(missing_ok=True)
            raise
        new.close()
    return count, digest.hexdigest()
