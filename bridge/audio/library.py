"""Opens sound files with libsndfile, under every name a file can have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import soundfile

from bridge.errors import ReadError

__all__ = ["library_name", "open_library"]


def library_name(path: Path) -> str | bytes:
    """Return a path as libsndfile takes it: bytes where file names are bytes, so that every name can be opened."""
    return str(path) if os.name == "nt" else os.fsencode(path)


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Read from start to end only: soundfile seeks after every read, which fails where the length is unknown."""

    def seekable(self) -> bool:
        return False


def open_library(path: Path, *, as_stream: bool = False) -> Any:
    """Open a sound file with libsndfile, as a stream when it is to be read only once in order. Raises ReadError."""
    try:
        return (_Stream if as_stream else soundfile.SoundFile)(library_name(path))
    except (soundfile.SoundFileError, TypeError) as exc:  # TypeError: a name that ends in .raw
        reason = exc.error_string if isinstance(exc, soundfile.LibsndfileError) else str(exc)
        raise ReadError(f"{path.name} cannot be decoded: {reason}", hint="Render it as WAV.", path=path) from exc
