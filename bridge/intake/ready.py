"""May a settled file be worked on? Nobody writes to it, and its container is complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.audio.header import Header, inspect_open
from bridge.errors import BridgeError, ReadError
from bridge.intake.filters import is_placeholder
from bridge.intake.plain import open_plain
from bridge.intake.writer import WriterState, writer_state
from bridge.words import reason_of

__all__ = ["Readiness", "readiness"]

UNPROVEN_SECONDS = 20.0
"""How long a file must hold still whose container cannot prove its end, where writers cannot be seen either."""
_UNPROVEN = frozenset(["FLAC", "MP3"])
"""Containers that look complete while their end is still missing."""


@dataclass(frozen=True)
class Readiness:
    """What may be done with a file now, and why."""

    state: Literal["ready", "waiting", "stalled", "refused"]
    """waiting: look again later. stalled: unfinished for so long that a person should know; it may still go on.
    refused: it can never be right."""
    reason: str = ""
    """One sentence; empty when ready without a word to say."""
    hint: str = ""
    error: BridgeError | None = None
    """What refuses it."""


def readiness(
    path: Path,
    *,
    quiet_seconds: float = 0.0,
    grace_seconds: float = 600.0,
    writer: Callable[[Path], WriterState] = writer_state,
) -> Readiness:
    """Judge a file that has settled and has looked the same for `quiet_seconds`.

    An unfinished container counts as stalled after `grace_seconds`. Never waits, follows no link, fetches nothing from
    a cloud, and reads some kilobytes at most.
    """
    try:
        if is_placeholder(path.lstat()):
            return Readiness(
                "waiting", f"{path.name} is only in the cloud.", "Make it available offline in the cloud's program."
            )
        written = writer(path)
        if written == "writing":
            return Readiness("waiting", f"Another program still has {path.name} open for writing.")
        header = _header(path)
    except OSError as exc:
        return _unreadable(path, exc)
    except ReadError as error:
        return Readiness("refused", error.message, error.hint, error)
    if header.state != "complete":
        reason = f"{path.name} is not finished: {header.reason}."
        if quiet_seconds < grace_seconds:
            return Readiness("waiting", reason)
        return Readiness("stalled", reason, "Render or copy it again; it is picked up by itself when it changes.")
    container = header.format.container if header.format else ""
    if written == "unknown" and container in _UNPROVEN and quiet_seconds < UNPROVEN_SECONDS:
        return Readiness("waiting", f"{path.name} must hold still for longer: {container} files do not show their end.")
    return Readiness("ready", f"{path.name}: {header.reason}." if header.reason else "")


def _header(path: Path) -> Header:
    descriptor, _ = open_plain(path)
    with os.fdopen(descriptor, "rb") as file:
        return inspect_open(file, os.fstat(descriptor).st_size, path)


def _unreadable(path: Path, exc: OSError) -> Readiness:
    """Every reason for which a file cannot be opened may pass: rights, a program that keeps it, a disk that is gone."""
    if exc.errno == errno.ENOENT:
        return Readiness("waiting", f"{path.name} is not there any more.")
    return Readiness(
        "waiting",
        f"{path.name} cannot be read: {reason_of(exc)}.",
        "Allow reading it; where another program still holds it open, wait until that is done.",
    )
