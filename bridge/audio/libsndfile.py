"""Opens sound files with libsndfile: under every name a file can have, and past the headers it stumbles over."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import soundfile

from bridge.audio.containers.mpeg import counted_header
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
    and no missing ones in WAV) is read from where our own parser found its sound; an MP3 that does not say its length
    is given one. Raises ReadError.
    """
    shape = header.format
    try:
        if shape is not None and shape.container == "MP3" and shape.frames == 0:
            prefix = counted_header(path, header.data_offset)
            return _Inside(_Window(path, header.data_offset, header.data_bytes, prefix), as_stream)
        return (_Stream if as_stream else soundfile.SoundFile)(library_name(path))
    except (soundfile.SoundFileError, TypeError) as exc:  # TypeError: a name that ends in .raw
        if shape is None or shape.container not in ("WAV", "RF64"):
            reason = exc.error_string if isinstance(exc, soundfile.LibsndfileError) else str(exc)
            raise ReadError(f"{path.name} cannot be decoded: {reason}", hint=_HINT, path=path) from exc
    window = _Window(path, header.data_offset, header.data_bytes)
    raw = {"format": "RAW", "subtype": shape.subtype, "endian": "LITTLE"}
    return _Inside(window, as_stream, samplerate=shape.sample_rate, channels=shape.channels, **raw)


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Read from start to end only: soundfile seeks after every read, which fails where the length is unknown."""

    def seekable(self) -> bool:
        return False


class _Inside(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file inside another file."""

    def __init__(self, window: _Window, as_stream: bool, **raw: Any) -> None:
        self._window = window
        self._as_stream = as_stream
        try:
            super().__init__(window, **raw)
        except soundfile.SoundFileError:
            window.close()
            raise

    def seekable(self) -> bool:
        return not self._as_stream

    def close(self) -> None:
        super().close()
        self._window.close()


class _Window(io.RawIOBase):
    """A stretch of a file, after some bytes of our own, read as a file of its own."""

    def __init__(self, path: Path, offset: int, size: int, prefix: bytes = b"") -> None:
        self._file = path.open("rb", buffering=0)
        self._offset = offset - len(prefix)
        self._size = size + len(prefix)
        self._prefix = prefix
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
        room = memoryview(buffer).cast("B")
        own = self._prefix[self._position : self._position + len(room)]
        room[: len(own)] = own
        self._position += len(own)
        rest = room[len(own) : len(own) + max(0, self._size - self._position)]
        if not rest:
            return len(own)
        self._file.seek(self._offset + self._position)
        count = self._file.readinto(rest) or 0
        self._position += count
        return len(own) + count

    def close(self) -> None:
        self._file.close()
        super().close()
