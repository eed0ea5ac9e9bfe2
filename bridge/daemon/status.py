"""What the daemon is doing, for programs and ReaScripts: `status.json` and `status.lua`, each replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bridge.session.lua import literal
from bridge.words import escaped

__all__ = ["Current", "Ended", "Held", "Status", "replace_file", "write_status"]

VERSION = 1


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


def write_status(folder: Path, status: Status, now: float) -> None:
    """Replace both files, as of `now` (seconds since the epoch); readers see the old one or the new one, whole.

    A refusal is passed over: it is told again with the next change, and no job may fail because the disk is full.
    """
    data = {"version": VERSION, **_as_text(asdict(replace(status, updated=now)))}
    replace_file(folder / "status.json", json.dumps(data, ensure_ascii=True, allow_nan=False) + "\n")
    replace_file(folder / "status.lua", f"return {literal(data)}\n")


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    return [_as_text(one) for one in value] if isinstance(value, (tuple, list)) else value


def replace_file(path: Path, text: str) -> None:
    """Replace a file in one step; a refusal is passed over."""
    part = path.with_name(f".{path.name}.part")
    with suppress(OSError):
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
