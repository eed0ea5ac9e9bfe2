"""A folder of segment outputs by content: one small file each, whole or not there, the least used going first.

Several processes may use one folder at the same time: a file appears by one rename, is never changed, and whoever finds
it gone computes it again.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bridge.domain.stems import FloatArray

__all__ = ["SegmentFolder", "Usage"]

_MAGIC = b"SBSEGM1\n"
_HEAD = struct.Struct("<8sIIQ32s")
"""Magic, channels, frames, bytes of sound that follow (0 = all of it is silence), SHA-256 of key, shape and sound."""
_NAME = re.compile(r"[0-9a-f]{40}\.segment")
_PART = re.compile(r"\.[0-9a-f]{40}\.[0-9]+-[0-9]+\.part")
_SHELF = re.compile(r"[0-9a-f]{2}")
_MOST_CHANNELS = 64
_MOST_FRAMES = 1 << 28
_TORN_AFTER_SECONDS = 3600.0
"""A part file so old is of a process that died."""
_DOWN_TO = 0.9
"""How much of the budget is left in use, so that not every new file sends an old one away."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Usage:
    """What a folder holds."""

    files: int
    bytes: int


@dataclass(frozen=True)
class _File:
    path: Path
    bytes: int
    used: float
    torn: bool


class SegmentFolder:
    """Segment outputs on a disk, by key (40 hex digits). Nothing of the folder is touched before it is used."""

    def __init__(self, folder: Path, *, max_bytes: int | None, clock: Callable[[], float] = time.time) -> None:
        """`max_bytes` None: no limit. `clock` gives wall time in seconds."""
        self.folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._fresh = 0
        self._tidied = False

    def find(self, key: str) -> FloatArray | None:
        """Return the samples kept under `key`, (channels, frames) float32, or None where there are none.

        A file that is torn, damaged or another's counts as none, and is removed. Never raises for what the disk says.
        """
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        samples = _decode(key, data)
        with suppress(OSError):
            if samples is None:
                path.unlink()
            else:
                os.utime(path, (self._clock(), self._clock()))
        return samples

    def keep(self, key: str, samples: FloatArray) -> None:
        """Keep `samples`, (channels, frames) float32, under `key`; lossless. Raises OSError when the disk refuses."""
        path = self._path(key)
        data = _encode(key, samples)
        part = path.with_name(f".{key}.{os.getpid()}-{next(_numbers)}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            _put(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        self._fresh += len(data)
        if self._max_bytes is not None and (not self._tidied or self._fresh > self._max_bytes // 20):
            self.make_room()

    def make_room(self) -> None:
        """Remove what was used least recently until the budget holds, and what dead processes tore."""
        self._fresh, self._tidied = 0, True
        files = sorted(self._files(), key=lambda file: file.used)
        for file in [one for one in files if one.torn and self._clock() - one.used > _TORN_AFTER_SECONDS]:
            _remove(file.path)
        total = sum(file.bytes for file in files)
        if self._max_bytes is None or total <= self._max_bytes:
            return
        for file in files:
            if total <= self._max_bytes * _DOWN_TO:
                return
            if not file.torn and _remove(file.path):
                total -= file.bytes

    def usage(self) -> Usage:
        """Count what is kept."""
        sizes = [file.bytes for file in self._files()]
        return Usage(len(sizes), sum(sizes))

    def last_used(self) -> float:
        """Return when anything here was last written or read, wall time in seconds; 0 when it is empty."""
        return max((file.used for file in self._files()), default=0.0)

    def clear(self) -> Usage:
        """Remove everything that is kept, and nothing that somebody else put there; returns what went."""
        gone = [file.bytes for file in list(self._files()) if _remove(file.path)]
        with suppress(OSError):
            for shelf in list(self.folder.iterdir()):
                if _SHELF.fullmatch(shelf.name):
                    with suppress(OSError):  # not empty: another process keeps something meanwhile
                        shelf.rmdir()
            self.folder.rmdir()
        return Usage(len(gone), sum(gone))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.segment"

    def _files(self) -> Iterator[_File]:
        for shelf in _listing(self.folder):
            if not _SHELF.fullmatch(shelf.name) or not shelf.is_dir(follow_symlinks=False):
                continue
            for entry in _listing(Path(shelf.path)):
                torn = bool(_PART.fullmatch(entry.name))
                if not torn and not _NAME.fullmatch(entry.name):
                    continue
                with suppress(OSError):  # gone meanwhile
                    about = entry.stat(follow_symlinks=False)
                    yield _File(Path(entry.path), about.st_size, about.st_mtime, torn)


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        # Read by somebody at this moment (Windows), or gone.
        return False
    return True


def _put(part: Path, path: Path) -> None:
    try:
        part.replace(path)
    except PermissionError:
        # Windows replaces no file that somebody reads: then it is there already, with the same content.
        if not path.exists():
            raise
        part.unlink()


def _encode(key: str, samples: FloatArray) -> bytes:
    sound = np.ascontiguousarray(samples, dtype="<f4").tobytes() if samples.any() else b""
    channels, frames = samples.shape
    return _HEAD.pack(_MAGIC, channels, frames, len(sound), _digest(key, channels, frames, sound)) + sound


def _decode(key: str, data: bytes) -> FloatArray | None:
    if len(data) < _HEAD.size:
        return None
    magic, channels, frames, size, digest = _HEAD.unpack_from(data)
    sound = memoryview(data)[_HEAD.size :]
    if magic != _MAGIC or not 0 < channels <= _MOST_CHANNELS or not 0 < frames <= _MOST_FRAMES or size != len(sound):
        return None
    if size not in (0, 4 * channels * frames) or digest != _digest(key, channels, frames, sound):
        return None
    if not size:
        return np.zeros((channels, frames), np.float32)
    return np.frombuffer(sound, "<f4").reshape(channels, frames).astype(np.float32, copy=False)


def _digest(key: str, channels: int, frames: int, sound: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(f"{key} {channels} {frames}\n".encode())
    digest.update(sound)
    return digest.digest()
