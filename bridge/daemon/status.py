"""What the daemon is doing, for programs and ReaScripts: `status.json` and `status.lua`, each replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bridge.disk import rename
from bridge.session.lua import literal
from bridge.words import escaped

__all__ = ["Current", "Ended", "Held", "Status", "replace_file", "write_status"]

VERSION = 1
_LAST_WORD_SECONDS = 1.0


@dataclass(frozen=True)
class Current:
    """The job in hand."""

    id: str
    render: str
    attempt: int
    stage: str = ""
    percent: int = 0
    """Of the stage."""
    seconds_left: float | None = None
    """Of the stage; None while nobody can tell."""


@dataclass(frozen=True)
class Ended:
    """A render that is done or was put aside."""

    render: str
    when: float
    """Seconds since the epoch."""
    drop: str = ""
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Held:
    """A render that is waited for."""

    render: str
    state: str
    """waiting, stalled or retry, as in the journal."""
    reason: str = ""


@dataclass(frozen=True)
class Status:
    """Everything that is told."""

    state: Literal["running", "paused", "stopping", "stopped"]
    pid: int
    updated: float
    """Seconds since the epoch."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Works by state, those that are not ended."""
    held: tuple[Held, ...] = ()
    """Latest renders that settle, are unfinished or are tried again later, newest first."""
    current: Current | None = None
    last: tuple[Ended, ...] = ()
    """Latest drops, newest first."""
    failed: tuple[Ended, ...] = ()
    """Latest renders put aside, newest first."""
    paused_by: str = ""
    """Why nothing goes on, one sentence."""
    problems: tuple[str, ...] = ()
    """What a person should know, in sentences."""


def write_status(folder: Path, status: Status, now: float) -> bool:
    """Replace both files, as of `now` (seconds since the epoch); readers see the old one or the new one, whole.

    Returns False where one could not be: no job may fail because the disk is full, or because Windows replaces nothing
    that somebody reads. The last word is waited for a moment.
    """
    data = {"version": VERSION, **_as_text(asdict(replace(status, updated=now)))}
    patience_seconds = _LAST_WORD_SECONDS if status.state == "stopped" else 0.0
    text = json.dumps(data, ensure_ascii=True, allow_nan=False) + "\n"
    in_json = replace_file(folder / "status.json", text, patience_seconds=patience_seconds)
    in_lua = replace_file(folder / "status.lua", f"return {literal(data)}\n", patience_seconds=patience_seconds)
    return in_json and in_lua


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    return [_as_text(one) for one in value] if isinstance(value, (tuple, list)) else value


def replace_file(path: Path, text: str, *, patience_seconds: float = 0.0) -> bool:
    """Replace a file in one step; returns whether the system let us, within `patience_seconds` (see `disk.rename`)."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        rename(part, path, most_seconds=patience_seconds)
    except OSError:
        return False
    return True
