"""What happened stays readable above the lines that `watch` keeps up to date, and in its log."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from bridge.cli.log import Logged
from bridge.cli.progress import Feedback
from bridge.cli.screen import Screen
from bridge.errors import ConfigError

STATUS = {"version": 1, "state": "running", "counts": {}, "last": [{"drop": "/out/a", "when": 0.0}] * 3}


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True


def seen(written: str) -> list[str]:
    """Return the lines that stand on a terminal after `written`."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif up := re.fullmatch(r"\x1b\[(\d*)A", part):
            row = max(0, row - int(up[1] or 1))
        elif part != "\r" and not part.startswith("\x1b"):
            lines[row] += part
    return lines


def test_the_lines_clear_themselves_and_nothing_that_was_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "status.json").write_text(json.dumps(STATUS), encoding="utf-8")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    told = [f"message {number}" for number in range(5)]
    with Screen(tmp_path / "status.json") as screen:
        for text in told:
            screen.say(text)
        during = seen(terminal.getvalue())
    assert [line for line in during if line.startswith("message")] == told
    assert sum(line.startswith("Watching") for line in during) == 1
    assert [line for line in seen(terminal.getvalue()) if line] == told


def test_a_log_that_cannot_be_made_is_told_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be made"):
        Logged(Feedback(), tmp_path / "file" / "logs")
