"""Messages between the parent and its worker: one JSON object a line, nothing else crosses the border.

Parent to child: {"do": "job" | "answer" | "cancel" | "pace", ...}; a closed pipe means that the parent is gone.
Child to parent: {"is": "event" | "identified" | "staged" | "failed" | "cancelled", ...}; every "identified" waits for
its answer: go on, use the stems of a drop, or stop.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bridge.domain.drop import Staged
from bridge.domain.events import Event, Notice, Progress, StageStarted
from bridge.domain.job import Job
from bridge.domain.work import Identified
from bridge.errors import BridgeError, by_name

__all__ = [
    "decode_answer",
    "decode_error",
    "decode_event",
    "decode_identified",
    "decode_job",
    "decode_staged",
    "encode_answer",
    "encode_error",
    "encode_event",
    "encode_identified",
    "encode_job",
    "encode_pace",
    "encode_staged",
    "line",
]

_JOB: TypeAdapter[Job] = TypeAdapter(Job)
_STAGED: TypeAdapter[Staged] = TypeAdapter(Staged)
_IDENTIFIED: TypeAdapter[Identified] = TypeAdapter(Identified)
_EVENTS: dict[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in (StageStarted, Progress, Notice)}


def line(message: dict[str, Any]) -> bytes:
    """Write one message; names that are no UTF-8 survive as escapes."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def encode_job(job: Job) -> dict[str, Any]:
    """Write a job as plain data. The reverse of `decode_job`."""
    return {"do": "job", "job": _plain(job)}


def decode_job(message: dict[str, Any]) -> Job:
    """Read a job. The reverse of `encode_job`."""
    return _JOB.validate_python(message["job"])


def encode_staged(staged: Staged) -> dict[str, Any]:
    """Write a finished staging folder as plain data. The reverse of `decode_staged`."""
    return {"is": "staged", "staged": _plain(staged)}


def decode_staged(message: dict[str, Any]) -> Staged:
    """Read a finished staging folder. The reverse of `encode_staged`."""
    return _STAGED.validate_python(message["staged"])


def encode_identified(keys: Identified) -> dict[str, Any]:
    """Write what a job is as plain data. The reverse of `decode_identified`."""
    return {"is": "identified", "keys": _plain(keys)}


def decode_identified(message: dict[str, Any]) -> Identified:
    """Read what a job is. The reverse of `encode_identified`."""
    return _IDENTIFIED.validate_python(message["keys"])


def encode_answer(drop: Path | None) -> dict[str, Any]:
    """Write the answer to "identified". The reverse of `decode_answer`."""
    return {"do": "answer", "drop": None if drop is None else str(drop)}


def decode_answer(message: dict[str, Any]) -> Path | None:
    """Read the answer: a drop whose stems to use, or None. The reverse of `encode_answer`."""
    return None if message["drop"] is None else Path(message["drop"])


def encode_pace(pace: str) -> dict[str, Any]:
    """Write how fast jobs may go: full, half or stop."""
    return {"do": "pace", "pace": pace}


def encode_event(event: Event) -> dict[str, Any]:
    """Write an event as plain data. The reverse of `decode_event`."""
    return {"is": "event", "event": type(event).__name__, "data": _plain(event)}


def decode_event(message: dict[str, Any]) -> Event:
    """Read an event. The reverse of `encode_event`."""
    event: Event = _EVENTS[message["event"]].validate_python(message["data"])
    return event


def encode_error(error: BridgeError) -> dict[str, Any]:
    """Write an error as plain data, with its cause and its traceback as text. The reverse of `decode_error`."""
    cause = error.__cause__
    return {
        "is": "failed",
        "error": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "path": str(error.path) if error.path is not None else None,
        "cause": [type(cause).__name__, str(cause)] if cause is not None else None,
        "trace": "".join(traceback.format_exception(error)),
    }


def decode_error(message: dict[str, Any]) -> BridgeError:
    """Read an error. The reverse of `encode_error`; its cause has the name and the text of the one over there."""
    path = Path(message["path"]) if message["path"] is not None else None
    error = by_name(message["error"])(message["message"], hint=message["hint"], path=path)
    if message["cause"] is not None:
        name, text = message["cause"]
        error.__cause__ = type(name, (Exception,), {})(text)
    error.add_note(f"In the worker process:\n{message['trace']}")
    return error


def _plain(value: object) -> Any:
    """Turn a frozen dataclass into JSON-safe data; paths become text with their odd bytes kept."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, frozenset, set)):
        return [_plain(item) for item in value]
    return value
