"""Opens sound files with libsndfile: under every name a file can have, and past the headers it stumbles over."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import soundfile

from bridge.audio.header import Header
from bridge.errors import ReadError

__all__ = ["library_name", "open_library"]

_HINT = "Render it as 16, 24 or 32-bit WAV."


def library_name(path: Path) -> str | bytes:
    """Return a path as libsndfile takes it: bytes where file names are bytes, so that every name can be opened."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def open_library(path: Path, header: Header, *, as_stream: bool = False) -> Any:
    """Open a complete sound file with libsndfile, as a stream when it is to be read only once in order.

    Returns a `soundfile.SoundFile`. A WAV or RF64 whose chunks libsndfile cannot follow (it knows no pad bytes in RF64,
    and no missing ones in WAV) is read from where our own parser found its sound. Raises ReadError.
    """
    try:
        return (_Stream if as_stream else soundfile.SoundFile)(library_name(path))
    except (soundfile.SoundFileError, TypeError) as exc:  # TypeError: a name that ends in .raw
        if header.format is None or header.format.container not in ("WAV", "RF64"):
            reason = exc.error_string if isinstance(exc, soundfile.LibsndfileError) else str(exc)
            raise ReadError(f"{path.name} cannot be decoded: {reason}", hint=_HINT, path=path) from exc
    return _Samples(path, header)


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Read from start to end only: soundfile seeks after every read, which fails where the length is unknown."""

    def seekable(self) -> bool:
        return False


class _Samples(soundfile.SoundFile):  # type: ignore[misc]
    """The bare samples inside a file."""

    def __init__(self, path: Path, header: Header) -> None:
        shape = header.format
        assert shape is not None
        self._window = _Window(path, header.data_offset, header.data_bytes)
        super().__init__(
            self._window,
            samplerate=shape.sample_rate,
            channels=shape.channels,
            format="RAW",
            subtype=shape.subtype,
            endian="LITTLE",
        )

    def close(self) -> None:
        super().close()
        self._window.close()


class _Window(io.RawIOBase):
    """A stretch of a file, read as a file of its own."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        room = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        self._file.seek(self._offset + self._position)
        count = self._file.readinto(room) or 0
        self._position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
