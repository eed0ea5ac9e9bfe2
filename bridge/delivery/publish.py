"""From a staged folder to a drop: one rename, never over anything, done by the parent alone."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from bridge import disk
from bridge.delivery.durable import fsync_folder
from bridge.delivery.manifest import verify
from bridge.delivery.names import safe_name, unique_name
from bridge.delivery.stage import discard_stage
from bridge.domain.drop import IMPORT_SCRIPT, MANIFEST, STAGING, Drop, Staged
from bridge.errors import DeliveryError
from bridge.words import reason_of

__all__ = ["publish"]

_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
"""What rename answers where something is: it never replaces a folder that holds something, nor a file."""
_MOST_REFUSALS = 100


def publish(
    staged: Staged,
    *,
    rename: Callable[[Path, Path], None] = os.rename,
    sleep: Callable[[float], None] = time.sleep,
) -> Drop:
    """Make a complete staged folder a drop: `outbox/<name>`, or '<name> 2' and on where that is taken.

    Several may publish into one outbox at the same time. Raises DeliveryError when the folder is not complete
    (manifest, files, sizes); DestinationError or NoSpaceError when the outbox refuses, and then the staged folder is
    still there, to be published again or discarded. Once renamed it is a drop, whatever its disk says afterwards: that
    is its `doubt`.
    """
    if problems := verify(staged.folder, hashes=False):
        raise DeliveryError(
            f"The staged folder is not complete: {problems[0]}.", hint="Run the job again.", path=staged.folder
        )
    place = _place(staged.folder)
    wanted = safe_name(staged.name)
    refused: set[str] = set()
    with disk.disk_errors("deliver to", staged.outbox):
        while True:
            taken = refused.union(entry.name for entry in staged.outbox.iterdir())
            folder = staged.outbox / unique_name(wanted, taken)
            try:
                disk.rename(staged.folder, folder, move=rename, sleep=sleep)
                break
            except OSError as exc:
                if exc.errno not in _TAKEN or len(refused) == _MOST_REFUSALS:
                    raise
                refused.add(folder.name)
    doubt = _confirm(staged.outbox, folder)
    discard_stage(staged.outbox, place.name)
    return Drop(folder, folder / IMPORT_SCRIPT, folder / MANIFEST, doubt)


def _confirm(outbox: Path, folder: Path) -> str:
    """Wait until the rename is on the disk; returns what to say when the disk refuses to confirm it."""
    try:
        fsync_folder(outbox)
    except OSError as exc:
        reason = reason_of(exc)
        return f"{folder.name} is there, but its disk did not confirm that ({reason}): check that disk."
    return ""


def _place(folder: Path) -> Path:
    if folder.parent.parent.name != STAGING:
        raise ValueError(f"not a staged folder: {folder}")
    return folder.parent
