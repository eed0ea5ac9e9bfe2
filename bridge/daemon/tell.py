"""Tells people and programs of what was done: a note on the desktop, and a program of the user's own. Never waits."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bridge.config import Tell
from bridge.domain.drop import Drop
from bridge.domain.events import Event
from bridge.errors import BridgeError

__all__ = ["Messenger", "Told", "filled"]

_MOST_AT_ONCE = 8
_LONGEST_SECONDS = 300.0


class Told(Protocol):
    """Who shows what happens: a terminal, a log, JSON lines. Must return at once."""

    def start(self, render: Path, number: int, of: int) -> None:
        """A render is begun, the `number`-th `of` all that are known."""

    def report(self, event: Event) -> None:
        """Something happened inside the job."""

    def say(self, text: str) -> None:
        """A person should know this."""

    def done(self, render: Path, drop: Drop) -> None:
        """A drop is there."""

    def failed(self, render: Path | None, error: BridgeError) -> None:
        """A render could not be done, now or ever; None when it is about no single one."""


class Messenger:
    """Starts notifications and hooks, a few at a time, and ends those that hang."""

    def __init__(
        self,
        *,
        note: Callable[[str, str], Sequence[str]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._note = note or _note
        self._clock = clock
        self._running: list[tuple[float, subprocess.Popen[bytes]]] = []

    def finished(self, tell: Tell, render: Path, drop: Path) -> None:
        """A drop is there."""
        self._start(filled(tell.finished, {"render": str(render), "drop": str(drop)}))
        if tell.desktop:
            self._start(self._note("Stems are ready", drop.name))

    def failed(self, tell: Tell, render: Path, reason: str) -> None:
        """A render was put aside."""
        self._start(filled(tell.failed, {"render": str(render), "reason": reason}))
        if tell.desktop:
            self._start(self._note("A render was put aside", reason))

    def tend(self) -> None:
        """Take note of those that ended, and end those that hang."""
        for started, process in self._running:
            if self._clock() - started > _LONGEST_SECONDS:
                process.kill()
        self._running = [(started, process) for started, process in self._running if process.poll() is None]

    def close(self, grace_seconds: float = 5.0) -> None:
        """Give those that run a moment to end, then end them."""
        end = self._clock() + grace_seconds
        for _, process in self._running:
            try:
                process.wait(max(0.0, end - self._clock()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running = []

    def _start(self, command: Sequence[str]) -> None:
        """Start a program; no shell ever sees its arguments. One that cannot be started is passed over."""
        self.tend()
        if not command or len(self._running) >= _MOST_AT_ONCE:
            return
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except (OSError, ValueError):
            # Not installed, or an argument that no program can be given (a NUL).
            return
        self._running.append((self._clock(), process))


def filled(command: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Put values for {render}, {drop} and {reason} into the arguments; what they hold is never looked at again."""

    def put(argument: str) -> str:
        pieces = argument.split("{")
        text = pieces[0]
        for piece in pieces[1:]:
            name, closed, rest = piece.partition("}")
            text += values[name] + rest if closed and name in values else "{" + piece
        return text

    return tuple(put(argument) for argument in command)


def _note(title: str, text: str) -> tuple[str, ...]:
    """Return the command that shows a notification here; the text is an argument, never code."""
    if sys.platform == "darwin":
        script = "on run words\ndisplay notification (item 2 of words) with title (item 1 of words)\nend run"
        return ("osascript", "-e", script, title, text)
    elif sys.platform == "linux":  # noqa: RET505 - mypy takes what follows a platform's return for dead
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        return ("notify-send", "--app-name=Stem Bridge", "--", title, escaped)
    else:
        return ()
