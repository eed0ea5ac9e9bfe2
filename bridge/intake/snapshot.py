"""A private copy of a render that cannot change any more, and proof that the file held still while it was taken."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.disk import disk_errors, share_blocks
from bridge.domain.render import FileIdentity
from bridge.errors import BridgeError, NoSpaceError, ReadError, RenderChangedError
from bridge.intake.plain import identity_of, open_plain
from bridge.units import format_bytes
from bridge.words import reason_of

__all__ = ["Snapshot", "take"]

_BLOCK_BYTES = 1 << 20
_PLAIN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
_HELD_STILL = "Wait until the DAW has finished rendering, then try again."


@dataclass(frozen=True)
class Snapshot:
    """The copy, and what it is a copy of."""

    path: Path
    identity: FileIdentity
    """Of the user's file, unchanged from before the first byte to after the last."""
    sha256: str
    """Of the bytes, hex."""


def take(path: Path, into: Path, *, name: str | None = None) -> Snapshot:
    """Copy a render into the folder `into`, as 'snapshot' with the render's suffix unless it is given a `name`.

    The user's file is opened for reading only, never through a link, and never waits (a pipe or a device is refused).
    Where file systems share blocks the copy costs no space. The copy is on the disk when this returns, and removed when
    anything is raised: RenderChangedError when the file changed meanwhile, ReadError when it is missing, not a plain
    file or unreadable, NoSpaceError, DestinationError.
    """
    copy = into / (name or f"snapshot{path.suffix if _PLAIN_SUFFIX.fullmatch(path.suffix) else ''}")
    with _opened(path) as (source, looked, opened), _created(copy) as target:
        sha256 = _copy(path, source, copy, target, opened.st_size)
        with _reading(path):
            held_still = _same(os.fstat(source), opened) and _still_there(path, looked)
        if not held_still:
            raise _changed(path)
    return Snapshot(copy, identity_of(opened), sha256)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result, os.stat_result]]:
    """Open a plain file for reading; give the descriptor, and what the name and the descriptor stand for."""
    with _reading(path):
        source, looked = open_plain(path)
    try:
        with _reading(path):
            opened = os.fstat(source)
        yield source, looked, opened
    finally:
        os.close(source)


@contextmanager
def _created(copy: Path) -> Iterator[int]:
    """Create a new file and give its descriptor; the file is removed when the block raises."""
    with disk_errors("write", copy):
        target = os.open(
            copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | _flags("O_BINARY", "O_NOINHERIT", "O_CLOEXEC"), 0o666
        )
    try:
        yield target
    except BaseException:
        os.close(target)
        with suppress(OSError):
            copy.unlink()
        raise
    os.close(target)


def _flags(*names: str) -> int:
    """Combine those open flags that this platform has."""
    return sum(getattr(os, name, 0) for name in names)


def _same(now: os.stat_result, then: os.stat_result) -> bool:
    return identity_of(now) == identity_of(then) and stat.S_IFMT(now.st_mode) == stat.S_IFMT(then.st_mode)


def _still_there(path: Path, then: os.stat_result) -> bool:
    try:
        return _same(path.lstat(), then)
    except FileNotFoundError:
        return False


def _changed(path: Path) -> RenderChangedError:
    return RenderChangedError(f"{path.name} changed while it was read.", hint=_HELD_STILL, path=path)


def _copy(path: Path, source: int, copy: Path, target: int, size: int) -> str:
    """Fill `target` with the `size` bytes of `source`, on the disk; return their SHA-256."""
    if share_blocks(source, target):
        with _reading(path):
            sha256, count = _drain(target, None, copy, size)
    else:
        _require_space(copy, size)
        with _reading(path):
            sha256, count = _drain(source, target, copy, size)
    if count != size:
        raise _changed(path)
    with disk_errors("write", copy):
        os.fsync(target)
    return sha256


def _drain(source: int, target: int | None, copy: Path, size: int) -> tuple[str, int]:
    """Hash, and copy where there is a target, until the end or beyond `size`; return the SHA-256 and the byte count."""
    digest, count = hashlib.sha256(), 0
    while count <= size and (block := os.read(source, _BLOCK_BYTES)):
        digest.update(block)
        count += len(block)
        rest = memoryview(block)
        while target is not None and rest:
            with disk_errors("write", copy):
                rest = rest[os.write(target, rest) :]
    return digest.hexdigest(), count


def _require_space(copy: Path, size: int) -> None:
    with disk_errors("write", copy):
        free_bytes = shutil.disk_usage(copy.parent).free
    if size > free_bytes:
        raise NoSpaceError(
            f"The disk is too full for a copy of {format_bytes(size)} in {copy.parent}.",
            hint="Free some space on that disk, or choose another outbox (--outbox).",
            path=copy.parent,
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise _read_error(path, exc) from exc
    except ValueError as exc:
        raise ReadError(f"{str(path)!r} is no file name: {exc}.", hint="Check the name.", path=path) from exc


def _read_error(path: Path, exc: OSError) -> BridgeError:
    if exc.errno == errno.ENOENT:
        return ReadError(f"{path} is not there.", hint="Check the name and the folder.", path=path)
    if exc.errno in (errno.EACCES, errno.EPERM):
        hint = "Allow reading it; where another program still holds it open, wait until that is done."
    elif exc.errno in (errno.ELOOP, errno.ENXIO):
        return _changed(path)
    else:
        hint = "Check that the disk is connected and in order."
    return ReadError(f"{path} cannot be read: {reason_of(exc)}.", hint=hint, path=path)
