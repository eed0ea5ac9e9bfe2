"""What is kept of a render that was put aside: why, and the last words of its worker. The render itself stays put."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from bridge.domain.work import Work

__all__ = ["PARKED", "forget_reason", "keep_reason"]

PARKED = "parked"
"""Folder inside the state folder; one folder in it for each work."""


def keep_reason(state_folder: Path, work: Work, log_tail: str) -> None:
    """Write `reason.json` and the log's tail; what cannot be written is passed over, for the journal has the reason."""
    folder = state_folder / PARKED / work.id
    reason = {
        "work": work.id,
        "render": str(work.path),
        "attempts": work.attempts,
        "error": work.error,
        "reason": work.reason,
        "hint": work.hint,
    }
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if log_tail:
            (folder / "log.txt").write_text(log_tail, encoding="utf-8", errors="backslashreplace")
        part = folder / ".reason.json.part"
        part.write_text(json.dumps(reason, indent=2) + "\n", encoding="utf-8")
        part.replace(folder / "reason.json")


def forget_reason(state_folder: Path, work: Work) -> None:
    """Remove what was kept of a work that is tried again."""
    shutil.rmtree(state_folder / PARKED / work.id, ignore_errors=True)
