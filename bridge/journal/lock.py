"""One instance per journal: a lock on a file beside it, held for life and let go by the system when the holder dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.errors import ConfigError
from bridge.mounts import filesystem_of, is_network
from bridge.words import reason_of

__all__ = ["hold", "require_local"]

_FAR_BYTE = 1 << 30
"""Windows locks bytes against reading too; the process id at the start of the file stays readable."""
_MOST_DIGITS = 20
_CANNOT_BE_RELIED_ON = frozenset(["afs", "cifs", "davfs", "fuse.rclone", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs"])
"""Network file systems of Linux: their locks do not always hold. Those of virtual machines' shared folders do."""


def require_local(folder: Path, file_system: Callable[[Path], str] = filesystem_of) -> None:
    """Raise ConfigError when the folder, there or not, is on a network file system, as far as can be told."""
    kind = file_system(folder)
    if kind in _CANNOT_BE_RELIED_ON or (not kind and is_network(folder)):
        raise ConfigError(
            f"{folder} is on a network file system, which cannot keep the journal safe.",
            hint="Set STEM_BRIDGE_DATA to a folder on a local disk.",
            path=folder,
        )


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock during the block; raises ConfigError, naming the other holder, or where the disk has no locks.

    Makes the folder where it is missing. The file stays: were it removed, two could lock two files of one name.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as exc:
        raise _refused(path, exc) from exc
    try:
        try:
            _lock(descriptor)
        except (BlockingIOError, PermissionError) as exc:
            raise _held(path, descriptor) from exc
        except OSError as exc:
            raise _refused(path, exc) from exc
        # For people; a full disk does not keep anyone from holding the lock.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        try:
            yield
        finally:
            # Closing alone would leave it to a child that is just being started.
            _unlock(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _held(path: Path, descriptor: int) -> ConfigError:
    holder = os.read(descriptor, _MOST_DIGITS).decode("ascii", "replace")
    who = f"process {holder}" if holder.isdigit() else "another process"
    return ConfigError(
        f"Stem Bridge already runs on {path.parent} as {who}.",
        hint="Use the one that runs, or stop it first.",
        path=path,
    )


def _refused(path: Path, exc: OSError) -> ConfigError:
    return ConfigError(
        f"Cannot lock {path}: {reason_of(exc)}.",
        hint="Set STEM_BRIDGE_DATA to a folder on a local disk that you may write to.",
        path=path,
    )
