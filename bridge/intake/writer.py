"""Does any program still have a file open for writing? Asked of the system; the file itself is not touched."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bridge.errors import ReadError
from bridge.intake.plain import open_plain
from bridge.mounts import is_network

__all__ = ["WriterState", "share_state", "writer_state"]

WriterState = Literal["none", "writing", "unknown"]

_SHARING_VIOLATION = 32
_LOCK_VIOLATION = 33


def writer_state(path: Path, *, network: Callable[[Path], bool] = is_network) -> WriterState:
    """Tell whether some program may still write to the file; 'unknown' wherever the system gives no honest answer.

    Linux: a read lease is refused while a writer is there, wherever in the system; asked only of local files of one's
    own. Windows: opening with others' writing denied fails. Nothing portable elsewhere.
    """
    # A server refuses leases for reasons of its own, and knows writers that this machine does not.
    return "unknown" if network(path) else _asked(path)


def share_state(path: Path, open_denying_writers: Callable[[Path], int]) -> WriterState:
    """Judge by the Windows error (0: none) of opening the file so that nobody else may write."""
    error = open_denying_writers(path)
    if error == 0:
        return "none"
    return "writing" if error in (_SHARING_VIOLATION, _LOCK_VIOLATION) else "unknown"


if sys.platform == "linux":

    def _asked(path: Path) -> WriterState:
        import fcntl

        try:
            descriptor, _ = open_plain(path)
        except (OSError, ReadError):
            return "unknown"
        try:
            # A writer who comes while the lease is held gets us a signal; unless told otherwise, it is one that kills.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as exc:
            return "writing" if exc.errno == errno.EAGAIN else "unknown"
        finally:
            os.close(descriptor)
        return "none"


elif sys.platform == "win32":

    def _asked(path: Path) -> WriterState:
        return share_state(path, _open_denying_writers)

    def _open_denying_writers(path: Path) -> int:
        """Open and close at once, following no link and fetching nothing from a cloud; return the error, 0 for none."""
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateFileW.restype = wintypes.HANDLE
        generic_read, share_read, open_existing = 0x80000000, 0x1, 3
        no_link, no_recall = 0x00200000, 0x00100000
        handle = kernel.CreateFileW(str(path), generic_read, share_read, None, open_existing, no_link | no_recall, None)
        if handle == wintypes.HANDLE(-1).value:
            return int(ctypes.get_last_error())
        kernel.CloseHandle(wintypes.HANDLE(handle))
        return 0

else:

    def _asked(path: Path) -> WriterState:
        return "unknown"
