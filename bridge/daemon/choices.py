"""What a render can ask for, for ReaScripts: `presets.lua` beside the status, with every preset and model by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from bridge import __version__
from bridge.config import Settings
from bridge.daemon.status import replace_file
from bridge.errors import PresetError
from bridge.models.registry import names
from bridge.presets.shelf import entries, files
from bridge.session.lua import literal

__all__ = ["write_choices"]


def write_choices(folder: Path, settings: Settings) -> None:
    """Write the file where it is not up to date; a refusal is passed over, as for the status.

    Its last line is a fingerprint of the files it was made of: while that fits, no preset is read. Presets that cannot
    be used are left out, and where a folder of them cannot be read the file stays; the daemon tells of both elsewhere.
    """
    path, shelf = folder / "presets.lua", settings.presets.folders
    try:
        sign = _sign(files(shelf))
        if _is_signed(path, sign):
            return
        presets = [{"name": one.name, "description": one.description} for one in entries(shelf) if not one.error]
    except PresetError:
        return
    data = {"version": 1, "presets": presets, "models": list(names())}
    replace_file(path, f"return {literal(data)}\n-- {sign}\n")


def _sign(presets: Iterable[Path]) -> str:
    """Return a fingerprint of this program and of the names, sizes and times of files."""
    digest = hashlib.sha256(f"{__version__} {names()}".encode())
    for path in presets:
        try:
            status = path.stat()
        except OSError:
            # Gone since it was listed: the next look lists it no more.
            continue
        digest.update(ascii((str(path), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def _is_signed(path: Path, sign: str) -> bool:
    try:
        return path.read_bytes().endswith(f"}}\n-- {sign}\n".encode())
    except OSError:
        # Not there yet, or not to be read: it is written now.
        return False
