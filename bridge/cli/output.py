"""The only printer: results on stdout, everything else on stderr; errors as what happened and what to do."""

from __future__ import annotations

import codecs
import json
import math
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from bridge.errors import BridgeError, ConfigError

__all__ = ["be_verbose", "error", "event", "help_too", "one_line", "prepare_streams", "result", "say", "shell", "table"]

_verbosity = 0
_ODD = "bridge.odd"
"""Name of our way to print what an encoding lacks."""


def be_verbose(level: int) -> int:
    """Set how much errors say, as an option's callback: 1 adds their cause, 2 the traceback. Returns `level`."""
    global _verbosity
    _verbosity = level
    return level


def prepare_streams() -> None:
    """Make every name printable whatever the terminal's encoding, and printing harmless where a stream is closed."""
    codecs.register_error(_ODD, _odd_characters)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nowhere())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ODD if name == "stdout" else "backslashreplace")


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _odd_characters(exc: UnicodeError) -> tuple[bytes | str, int]:
    """Give the bytes of a name that are no text as they are, so that programs find the file; spell out the rest."""
    assert isinstance(exc, UnicodeEncodeError)
    character = exc.object[exc.start]
    if "\udc80" <= character <= "\udcff" and os.name != "nt":
        return bytes([ord(character) - 0xDC00]), exc.start + 1
    return character.encode("ascii", "backslashreplace"), exc.start + 1


def result(text: str) -> None:
    """Print a result to stdout; raises ConfigError when it cannot be written, BrokenPipeError when nobody reads."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise _unwritten(exc) from exc


@contextmanager
def help_too() -> Iterator[None]:
    """Let help, which typer prints by itself, end as `result` does where it cannot be written."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        if [frame.f_code.co_name for frame, _ in traceback.walk_tb(exc.__traceback__)][-1] != "echo":
            raise
        raise _unwritten(exc) from exc


def _unwritten(exc: OSError) -> ConfigError:
    # What could not be written would be tried again at every line, and at the end.
    sys.stdout = _nowhere()
    return ConfigError(
        f"Cannot write to stdout: {(exc.strerror or str(exc)).lower()}.",
        hint="Send the output elsewhere, or free some space there.",
    )


def say(text: str) -> None:
    """Print a message to stderr; where nobody can hear it, the work goes on."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def event(kind: str, /, **fields: object) -> None:
    """Print one event as a line of JSON to stdout; raises as `result` does."""
    result(json.dumps({"event": kind, **_finite(fields)}, ensure_ascii=True, allow_nan=False, default=str))


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows to stdout, columns aligned, the last one ragged."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        result("  ".join([*cells, row[-1]]).rstrip())


def error(exc: BridgeError, message: str = "") -> None:
    """Print what happened, or `message` for it, and what to do; with -v also the cause, with -vv the traceback."""
    if _verbosity >= 2:
        say("".join(traceback.format_exception(exc)).rstrip())
    say(f"error: {one_line(message or exc.message)}")
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
