"""The only printer: results on stdout, everything else on stderr; errors as what happened and what to do."""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.errors import BridgeError

__all__ = ["be_verbose", "error", "event", "one_line", "prepare_streams", "result", "say", "shell", "table"]

_verbosity = 0


def be_verbose(level: int) -> int:
    """Set how much errors say, as an option's callback: 1 adds their cause, 2 the traceback. Returns `level`."""
    global _verbosity
    _verbosity = level
    return level


def prepare_streams() -> None:
    """Make file names with any bytes printable, whatever the terminal's encoding; a service may have no streams."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end
    for stream, errors in ((sys.stdout, "backslashreplace" if os.name == "nt" else "surrogateescape"),):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)


def result(text: str) -> None:
    """Print a result to stdout."""
    print(text, flush=True)


def say(text: str) -> None:
    """Print a message to stderr."""
    print(text, file=sys.stderr, flush=True)


def event(kind: str, /, **fields: object) -> None:
    """Print one event as a line of JSON to stdout."""
    print(json.dumps({"event": kind, **_finite(fields)}, ensure_ascii=True, allow_nan=False, default=str), flush=True)


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows to stdout, columns aligned, the last one ragged."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        result("  ".join([*cells, row[-1]]).rstrip())


def error(exc: BridgeError) -> None:
    """Print what happened and what to do; with -v also the cause, with -vv the traceback."""
    if _verbosity >= 2:
        say("".join(traceback.format_exception(exc)).rstrip())
    say(f"error: {one_line(exc.message)}")
    if exc.hint:
        say(f"       {one_line(exc.hint)}")
    if _verbosity == 1 and exc.__cause__ is not None:
        say(f"       cause: {type(exc.__cause__).__name__}: {one_line(str(exc.__cause__))}")


def shell(argument: str | Path) -> str:
    """Quote one argument so that a printed command can be copied into this system's shell."""
    text = str(argument)
    return subprocess.list2cmdline([text]) if os.name == "nt" else shlex.quote(text)


def one_line(text: str) -> str:
    """Keep control characters of file names from moving the cursor or breaking the line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _finite(fields: Mapping[str, object]) -> dict[str, object]:
    """JSON has no infinity and no NaN: they become null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()
    }
