"""What happened stays readable above the lines that `watch` keeps up to date, and in its log."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from bridge.cli.log import Logged
from bridge.cli.progress import Feedback
from bridge.cli.screen import Screen, lines_of
from bridge.errors import ConfigError

STATUS = {
    "version": 1,
    "state": "running",
    "pid": os.getpid(),
    "counts": {},
    "last": [{"drop": "/out/a", "when": 0.0}] * 3,
}


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


@pytest.mark.parametrize("news", [{"state": "stopped"}, {"pid": 0}], ids=["the last word", "of an earlier run"])
def test_a_status_that_is_not_of_now_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, news: dict[str, object]
) -> None:
    (tmp_path / "status.json").write_text(json.dumps(STATUS | news), encoding="utf-8")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Screen(tmp_path / "status.json") as screen:
        screen.say("message")
    assert "Watching" not in terminal.getvalue()


def test_what_is_typed_into_a_terminal_stands_below_the_lines_and_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "status.json").write_text(json.dumps(STATUS | {"problems": ["word " * 60]}), encoding="utf-8")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    with Screen(tmp_path / "status.json") as screen:
        screen.say("message")
        terminal.write("^C")
        assert [line for line in seen(terminal.getvalue()) if "^C" in line] == ["^C"]
    assert [line for line in seen(terminal.getvalue()) if line] == ["message"]


@pytest.mark.parametrize("width", [20, 39, 80])
@pytest.mark.parametrize(
    "name", ["\N{CJK UNIFIED IDEOGRAPH-65E5}" * 60, "a" * 200, "so long \N{HANGUL SYLLABLE GA}" * 20]
)
def test_no_line_is_wider_than_the_terminal_whatever_renders_are_called(width: int, name: str) -> None:
    current = {"render": f"/in/{name}.wav", "stage": "separate", "percent": 50}
    held = [{"render": f"/in/{name}.wav", "state": "stalled", "reason": f"{name}.wav is not finished."}]
    lines = lines_of(STATUS | {"current": current, "held": held, "last": []}, 0.0, width)
    assert max(map(cell_len, lines)) <= width
    text = "".join("".join(lines).split())
    assert text.count("".join(name.split())) == 2, "nothing of a name is cut off"


def test_while_the_status_cannot_be_read_the_last_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps(STATUS), encoding="utf-8")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Screen(file) as screen:
        file.unlink()
        file.mkdir()  # refuses to be read, as Windows does while it is replaced
        screen.say("message")
        assert any(line.startswith("Watching") for line in seen(terminal.getvalue()))


def test_a_log_that_cannot_be_made_is_told_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be made"):
        Logged(Feedback(), tmp_path / "file" / "logs")
