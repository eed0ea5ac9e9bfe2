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


def open_library(path: Path) -> Any:
    """Open a sound file with libsndfile. Raises ReadError."""
    try:
        return soundfile.SoundFile(library_name(path))
    except (soundfile.SoundFileError, TypeError) as exc:  # TypeError: a name that ends in .raw
        raise ReadError(f"{path.name} cannot be decoded: {exc}.", hint="Render it as WAV.", path=path) from exc
