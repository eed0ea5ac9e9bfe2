"""The log of the daemon: one JSON object a line, in files that are replaced when they have grown, whatever is shown."""

from __future__ import annotations

import json
import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.cli.progress import Feedback
from bridge.domain.drop import Drop
from bridge.domain.events import Event, Notice, Progress, StageStarted
from bridge.errors import BridgeError, ConfigError
from bridge.words import reason_of

__all__ = ["LOG", "Logged"]

LOG = "watch.log"
"""In the folder `logs` of the state folder."""
_MOST_BYTES = 2_000_000
_OLD_FILES = 5


class _Quiet(RotatingFileHandler):
    """A log that cannot be written must not end a job: a full disk is told elsewhere."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of logging
        """Pass over it."""


class Logged(Feedback):
    """Passes everything on to another feedback, and writes what matters to the log as well."""

    def __init__(self, shown: Feedback, folder: Path) -> None:
        super().__init__()
        self._shown = shown
        self._render = ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise ConfigError(
                f"The folder of the log cannot be made: {folder} ({reason_of(exc)}).",
                hint="Set STEM_BRIDGE_DATA to a folder on a local disk that you may write to.",
                path=folder,
            ) from exc
        self._file = _Quiet(folder / LOG, maxBytes=_MOST_BYTES, backupCount=_OLD_FILES, encoding="ascii", delay=True)

    def __enter__(self) -> Self:
        self._shown.__enter__()
        self._write("info", "began")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(value, BridgeError):
            self._write_failure(None, value)
        self._write("error" if kind else "info", "ended", error=kind.__name__ if kind else "")
        self._file.close()
        self._shown.__exit__(kind, value, trace)

    def start(self, render: Path, number: int, of: int) -> None:
        self._render = str(render)
        self._write("info", "started", render=render, number=number, of=of)
        self._shown.start(render, number, of)

    def report(self, event: Event) -> None:
        if isinstance(event, Notice):
            self._write("info", "notice", render=self._render, message=event.message)
        elif isinstance(event, StageStarted):
            self._write("info", "stage", render=self._render, stage=event.stage, total_seconds=event.total_seconds)
        self._shown.report(event)

    def progress(self, event: StageStarted | Progress) -> None:
        self._shown.progress(event)

    def say(self, text: str) -> None:
        self._write("info", "notice", message=text)
        self._shown.say(text)

    def done(self, render: Path, drop: Drop) -> None:
        self._write("info", "done", render=render, drop=drop.folder)
        self._shown.done(render, drop)

    def failed(self, render: Path | None, error: BridgeError) -> None:
        self._write_failure(render, error)
        self._shown.failed(render, error)

    def _write_failure(self, render: Path | None, error: BridgeError) -> None:
        fields = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        self._write("error", "failed", render=render, **fields)

    def _write(self, level: str, event: str, **fields: object) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        line = json.dumps({"time": now, "level": level, "event": event, **fields}, ensure_ascii=True, default=str)
        self._file.handle(logging.LogRecord("stem-bridge", logging.INFO, "", 0, line, None, None))
