"""A work as a row of the table and back: names are bytes, since not every name is text; large numbers are text."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import get_args

from bridge.domain.render import FileIdentity
from bridge.domain.work import Identified, State, Work
from bridge.errors import BridgeError
from bridge.words import escaped

__all__ = ["columns", "from_row", "identity_text", "is_sane", "same_file"]

_COARSE_NS = 10_000_000
"""File systems with times as coarse as this (FAT, exFAT) number a file anew at every mount."""
_ID = re.compile(r"[0-9a-f]{32}")
_PLAIN = ("id", "state", "arrived", "attempts", "deaths", "priority", "not_before", "error", "reason", "hint")
_LATER = ("cuts", "reached")
"""Columns that journals of earlier versions lack."""
_KEYS = ("audio_key", "separation_key", "drop_key", "seconds")


def from_row(row: sqlite3.Row) -> Work:
    drop, there = row["drop_folder"], row.keys()
    return Work(
        path=Path(os.fsdecode(row["path"])),
        inbox=Path(os.fsdecode(row["inbox"])),
        identity=FileIdentity(*map(int, row["identity"].split(":"))),
        drop=None if drop is None else Path(os.fsdecode(drop)),
        keys=None if row["drop_key"] is None else Identified(**{name: row[name] for name in _KEYS}),
        **{name: row[name] for name in _PLAIN},
        **{name: row[name] for name in _LATER if name in there},
    )


def columns(
    *,
    error: BridgeError | None = None,
    drop: Path | None = None,
    keys: Identified | None = None,
    priority: int | None = None,
) -> dict[str, object]:
    """Return the columns that are new with a move; what is None stays as it is."""
    news: dict[str, object] = {}
    if error is not None:
        news |= {"error": type(error).__name__, "reason": escaped(error.message), "hint": escaped(error.hint)}
    if drop is not None:
        news["drop_folder"] = os.fsencode(drop)
    if keys is not None:
        news |= vars(keys)
    if priority is not None:
        news["priority"] = priority
    return news


def is_sane(row: sqlite3.Row) -> bool:
    """Return whether a row says something possible; damage that SQLite itself does not notice makes others."""
    try:
        work = from_row(row)
    except (TypeError, ValueError, IndexError, AttributeError):
        return False
    counts = (work.attempts, work.deaths, work.cuts, work.reached, work.priority)
    whole = all(isinstance(count, int) for count in counts)
    times = isinstance(work.arrived, float) and isinstance(work.not_before, float) and isinstance(row["changed"], float)
    return whole and times and work.state in get_args(State) and _ID.fullmatch(work.id) is not None


def identity_text(identity: FileIdentity) -> str:
    """Write down numbers that may be too large for SQLite: file numbers of Windows have up to 128 bits."""
    return f"{identity.dev}:{identity.ino}:{identity.size}:{identity.mtime_ns}"


def same_file(one: FileIdentity, other: FileIdentity) -> bool:
    """Compare across mounts, which may give the same file another device and another number."""
    if (one.size, one.mtime_ns) != (other.size, other.mtime_ns):
        return False
    return one.dev != other.dev or one.ino == other.ino or one.mtime_ns % _COARSE_NS == 0
