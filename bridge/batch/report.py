"""What came of every render, as a table for spreadsheets or as data for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from bridge.disk import is_folder, rename
from bridge.domain.work import Work
from bridge.errors import ConfigError
from bridge.words import escaped, reason_of

__all__ = ["check_report", "report_text", "write_report"]

_COLUMNS = ("render", "state", "drop", "seconds", "attempts", "error", "reason", "hint")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets compute instead of showing."""
_KINDS = (".csv", ".json")


def check_report(path: Path) -> None:
    """Raise ConfigError when a report of such a name cannot be written."""
    if path.suffix.lower() not in _KINDS:
        raise ConfigError(f"A report ends in .csv or .json, not in '{path.suffix}'.", hint="Rename it.", path=path)
    if not is_folder(path.absolute().parent):
        raise ConfigError(
            f"The folder of the report is not there: {path.parent}.", hint="Make it, or choose another.", path=path
        )
    try:
        # Told now, not after a night's work.
        _part(path).touch()
        _part(path).unlink()
    except OSError as exc:
        raise _unwritten(path, exc) from exc


def report_text(works: Sequence[Work], kind: str) -> str:
    """Write all works as '.csv' or '.json'."""
    rows = [_row(work) for work in works]
    if kind == ".json":
        return json.dumps(rows, indent=2, ensure_ascii=True) + "\n"
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\r\n")
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def write_report(path: Path, works: Sequence[Work]) -> None:
    """Write a report, complete or not at all; raises ConfigError."""
    part = _part(path)
    text = report_text(works, path.suffix.lower())
    try:
        # The mark at the start lets spreadsheets read names in their own letters.
        part.write_text(text, encoding="utf-8-sig" if path.suffix.lower() == ".csv" else "utf-8", newline="")
        rename(part, path)
    except OSError as exc:
        raise _unwritten(path, exc) from exc


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _unwritten(path: Path, exc: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {reason_of(exc)}.", hint="Choose another place for the report.", path=path
    )


def _row(work: Work) -> dict[str, object]:
    return {
        "render": escaped(str(work.path)),
        "state": work.state,
        "drop": escaped(str(work.drop)) if work.drop else "",
        "seconds": round(work.keys.seconds, 3) if work.keys else "",
        "attempts": work.attempts,
        "error": work.error,
        "reason": work.reason,
        "hint": work.hint,
    }


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
