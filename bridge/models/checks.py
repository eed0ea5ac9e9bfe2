"""SHA-256 of files, remembered by file identity so that a second start does not read hundreds of megabytes again.

The record is a cache: it may be deleted at any time, and whoever can write it can write the weights as well. A file
that changed less than two seconds ago is not recorded, since a second change could carry the same time stamp.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

from bridge.disk import rename

__all__ = ["Checks", "sha256_of", "write_whole"]

_SETTLED_NS = 2_000_000_000
_MAX_ENTRIES = 500


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hex; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that readers see the old or the new text, never a part; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        rename(Path(name), path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Checks:
    """Checksums known from earlier, in `checked.json` of a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "checked.json"
        self._known = self._load()

    def sha256(self, path: Path, *, fresh: bool = False) -> str:
        """Return the SHA-256 of a file, from the record unless `fresh`; raises OSError when it cannot be read."""
        before = path.stat()
        key = f"{before.st_dev}:{before.st_ino}:{before.st_size}:{before.st_mtime_ns}"
        if not fresh and key in self._known:
            return self._known[key]
        actual = sha256_of(path)
        after = path.stat()
        unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if unchanged and time.time_ns() - before.st_mtime_ns > _SETTLED_NS:
            self._keep(key, actual)
        return actual

    def _keep(self, key: str, sha256: str) -> None:
        self._known = dict([*self._load().items(), (key, sha256)][-_MAX_ENTRIES:])
        try:
            write_whole(self._path, json.dumps(self._known, indent=1) + "\n")
        except OSError:
            return  # a cache that cannot be written only costs time

    def _load(self) -> dict[str, str]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        pairs = known.items() if isinstance(known, dict) else ()
        return {key: value for key, value in pairs if isinstance(value, str) and len(value) == 64}
