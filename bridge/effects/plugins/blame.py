"""Which plugins have crashed how often: one small file each, so that several processes may count at once.

A plugin is known by the content of its programs, so a new version begins with a clean record.
"""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MOST_CRASHES", "Blame", "blamed", "forget", "is_anyone_blamed", "record_crash"]

MOST_CRASHES = 2
"""A plugin that crashed, hung or ended this often is not loaded any more."""
_FOLDER = "crashes"
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Blame:
    """What is held against one plugin."""

    path: str
    crashes: int
    reason: str
    """Of the last time."""

    @property
    def blocked(self) -> bool:
        """Say whether it is refused."""
        return self.crashes >= MOST_CRASHES


def record_crash(records: Path | None, sha256: str, path: Path, reason: str) -> None:
    """Count a crash. Quiet when the folder cannot be written: the error that is on its way matters more."""
    if records is None:
        return
    before = blamed(records, sha256)
    said = {"path": str(path), "crashes": (before.crashes if before else 0) + 1, "reason": reason[:2000]}
    file = _file(records, sha256)
    part = file.with_name(f".{uuid.uuid4().hex}.part")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(json.dumps(said), encoding="ascii")
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


def blamed(records: Path | None, sha256: str) -> Blame | None:
    """Return what is held against a plugin, or None; a record that cannot be read is none."""
    if records is None:
        return None
    try:
        with _file(records, sha256).open("rb") as file:
            said = json.loads(file.read(_MOST_BYTES))
        return Blame(str(said["path"]), int(said["crashes"]), str(said["reason"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_anyone_blamed(records: Path | None) -> bool:
    """Say whether anything is held against any plugin: without that, none has to be read to be known."""
    return records is not None and any((records / _FOLDER).glob("*.json"))


def forget(records: Path) -> int:
    """Forget all crashes and return of how many plugins. Raises OSError when a record cannot be removed."""
    files = list((records / _FOLDER).glob("*.json"))
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def _file(records: Path, sha256: str) -> Path:
    return records / _FOLDER / f"{sha256}.json"
