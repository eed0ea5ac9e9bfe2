"""The daemon in a terminal: the queue, the job in hand, the last drops; above it, what happened stays readable."""

from __future__ import annotations

import json
import os
import textwrap
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bridge.cli import output
from bridge.cli.progress import Feedback
from bridge.domain.drop import Drop
from bridge.errors import BridgeError
from bridge.units import format_duration

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

__all__ = ["Screen", "lines_of"]

_BAR = 24
_LAST = 3
_WORDS = {
    "ready": "ready",
    "waiting": "settling",
    "stalled": "unfinished",
    "retry": "to be tried again",
    "publishing": "about to appear",
}
"""States of works, in words; in this order."""


class Screen(Feedback):
    """A few lines that are kept up to date from our own status file; everything else is printed above them."""

    def __init__(self, status: Path) -> None:
        """`status` is the daemon's status.json."""
        super().__init__()
        self._status = status
        self._read: Mapping[str, Any] = {}
        self._live = self._lines()

    def _lines(self) -> Live:
        """Make the lines; they are made anew after each pause, since old ones would clear what was printed below."""
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        return Live(
            console=console,
            get_renderable=lambda: self._text(console.width),
            refresh_per_second=2,
            transient=True,
            redirect_stdout=False,  # results go to stdout, also where only stderr is a terminal
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def start(self, render: Path, number: int, of: int) -> None:
        with self._aside():
            super().start(render, 1, 1)

    def say(self, text: str) -> None:
        with self._aside():
            super().say(text)

    def done(self, render: Path, drop: Drop) -> None:
        with self._aside():
            super().done(render, drop)

    def failed(self, render: Path | None, error: BridgeError) -> None:
        with self._aside():
            super().failed(render, error)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Take the lines away while something is printed."""
        shown = self._live.is_started
        self._live.stop()
        try:
            yield
        finally:
            if shown:
                self._live = self._lines()
                self._live.start(refresh=True)

    def _text(self, width: int) -> Text:
        from rich.text import Text

        # Not written yet, or just being replaced (Windows): what was read last is shown.
        with suppress(OSError, ValueError):
            self._read = json.loads(self._status.read_bytes())
        status = self._read
        if status.get("pid") != os.getpid() or status.get("state") == "stopped":
            # Left by an earlier run, or the last word of this one.
            return Text("")
        lines = lines_of(status, time.time(), width - 1)
        # Below them the cursor has a line of its own: what is typed, such as ^C, would push them out of place.
        return Text("\n".join([*lines, ""]), no_wrap=True, overflow="ellipsis")


def lines_of(status: Mapping[str, Any], now: float, width: int) -> list[str]:
    """Write a status for people: the queue, what is waited for, the job in hand, the last drops, what is wrong.

    No line is wider than `width`: names are cut short, and sentences go on in the next line.
    """
    counts = status.get("counts", {})
    queue = [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts.get(state)]
    state = "" if status.get("state") == "running" else f" ({status.get('state')})"
    lines = [f"Watching{state}: {', '.join(queue) or 'nothing to do'}.  Ctrl-C stops."]
    if status.get("paused_by"):
        lines.append(f"  paused: {status['paused_by']}")
    lines += [_held(one) for one in status.get("held", ())[:_LAST]]
    if current := status.get("current"):
        lines.append(_line_of(current))
    lines += [f"  last: {Path(one['drop']).name}, {_ago(now - one['when'])}" for one in status.get("last", ())[:_LAST]]
    lines += [f"  note: {problem}" for problem in status.get("problems", ())]
    return [part for line in lines for part in _folded(output.one_line(line), width)]


def _held(one: Mapping[str, Any]) -> str:
    name, reason = Path(one["render"]).name, one.get("reason", "")
    what = reason if name in reason else f"{name}: {reason}" if reason else name
    return f"  {_WORDS.get(one['state'], one['state'])}: {what}"


def _folded(line: str, width: int) -> list[str]:
    """Break a line between words; what goes on is indented."""
    width = max(width, 20)
    lines = [""]
    for most in range(width, width // 2 - 1, -1):  # fewer characters where some take the room of two
        lines = textwrap.wrap(line, most, subsequent_indent="    ", break_on_hyphens=False) or [""]
        if max(map(_room, lines)) <= width:
            break
    return lines


def _room(text: str) -> int:
    """Return how many places a text takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _line_of(current: Mapping[str, Any]) -> str:
    percent = current.get("percent", 0)
    full = round(percent * _BAR / 100)
    bar = "#" * full + "." * (_BAR - full)
    left = current.get("seconds_left")
    rest = f", {format_duration(left)} left" if left else ""
    again = f" (attempt {current['attempt']})" if current.get("attempt", 1) > 1 else ""
    return f"  {Path(current['render']).name}{again}  {current.get('stage') or 'begins'} [{bar}] {percent} %{rest}"


def _ago(seconds: float) -> str:
    return "just now" if seconds < 60 else f"{format_duration(seconds)} ago"
