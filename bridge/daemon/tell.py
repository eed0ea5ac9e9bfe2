"""Tells people and programs of what was done: a note on the desktop, and a program of the user's own. Never waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from bridge.config import Tell
from bridge.domain.drop import IMPORT_SCRIPT, Drop
from bridge.domain.events import Event
from bridge.errors import BridgeError
from bridge.programs import NO_WINDOW
from bridge.words import reason_of

__all__ = ["Messenger", "Note", "Told", "filled", "note_of"]

_MOST_AT_ONCE = 8
_LONGEST_SECONDS = 300.0


_TOAST = r"""
$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$page = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$lines = $page.GetElementsByTagName('text')
[void]$lines.Item(0).AppendChild($page.CreateTextNode($env:STEMS_TITLE))
[void]$lines.Item(1).AppendChild($page.CreateTextNode($env:STEMS_TEXT))
$sender = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\WindowsPowerShell\v1.0\powershell.exe'
$manager::CreateToastNotifier($sender).Show([Windows.UI.Notifications.ToastNotification]::new($page))
"""
"""For PowerShell, which every Windows has; the sender is its own, since only registered programs may show anything."""


class Note(NamedTuple):
    """A program that shows a notification."""

    command: Sequence[str]
    variables: Mapping[str, str] = MappingProxyType({})
    """Added to its environment."""


class _Started(NamedTuple):
    """A program that runs."""

    at: float
    process: subprocess.Popen[bytes]
    is_ours: bool
    """Else the user may be working in it, and it goes on without us."""


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


def note_of(title: str, text: str, platform: str = sys.platform) -> Note:
    """Return how to show a notification here; the text is an argument or a variable, never code."""
    if platform == "darwin":
        script = "on run words\ndisplay notification (item 2 of words) with title (item 1 of words)\nend run"
        return Note(("osascript", "-e", script, title, text))
    if platform == "linux":
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        return Note(("notify-send", "--app-name=Stem Bridge", "--", title, escaped))
    if platform == "win32":
        command = ("powershell", "-NoProfile", "-NonInteractive", "-WindowStyle", "Hidden", "-Command", _TOAST)
        return Note(command, {"STEMS_TITLE": title, "STEMS_TEXT": text})
    return Note(())


class Messenger:
    """Starts notifications and hooks, a few at a time, and ends those that hang."""

    def __init__(
        self,
        *,
        note: Callable[[str, str], Note] = note_of,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`say` is told once of each program of the user's that cannot be started."""
        self._say = say
        self._said: set[str] = set()
        self._note = note
        self._clock = clock
        self._running: list[_Started] = []

    def finished(self, tell: Tell, render: Path, drop: Path) -> None:
        """A drop is there."""
        if tell.reaper:
            self.bring_in(tell.reaper, drop)
        self._start(filled(tell.finished, {"render": str(render), "drop": str(drop)}), setting="tell.finished")
        if tell.desktop:
            self._start(*self._note("Stems are ready", drop.name))

    def failed(self, tell: Tell, render: Path, reason: str) -> None:
        """A render was put aside."""
        self._start(filled(tell.failed, {"render": str(render), "reason": reason}), setting="tell.failed")
        if tell.desktop:
            self._start(*self._note("A render was put aside", reason))

    def bring_in(self, reaper: Sequence[str], drop: Path) -> bool:
        """Let the REAPER that is open run a drop's import script; says whether its program was started.

        Where none is open the program becomes one, and is then the user's: it is never ended.
        """
        return self._start((*reaper, "-nonewinst", str(drop / IMPORT_SCRIPT)), setting="tell.reaper", is_ours=False)

    def tend(self) -> None:
        """Take note of those that ended, and end those that hang."""
        for one in self._running:
            if one.is_ours and self._clock() - one.at > _LONGEST_SECONDS:
                one.process.kill()
        self._running = [one for one in self._running if one.process.poll() is None]

    def close(self, grace_seconds: float = 5.0) -> None:
        """Give those that run a moment to end, then end them."""
        end = self._clock() + grace_seconds
        for one in self._running:
            try:
                one.process.wait(max(0.0, end - self._clock()))
            except subprocess.TimeoutExpired:
                if one.is_ours:
                    one.process.kill()
                    one.process.wait()
                else:
                    one.process.returncode = 0  # nobody waits for it any more
        self._running = []

    def _start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str] = MappingProxyType({}),
        *,
        setting: str = "",
        is_ours: bool = True,
    ) -> bool:
        """Start a program; no shell ever sees its arguments. One that cannot be started is passed over.

        That is said where a `setting` names the program; notifications are shown where the system has them.
        """
        self.tend()
        if not command or len(self._running) >= _MOST_AT_ONCE:
            return False
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **variables},
                creationflags=NO_WINDOW if is_ours else 0,
                start_new_session=not is_ours,  # a Ctrl+C for us is none for it
            )
        except (OSError, ValueError) as exc:
            # Not installed, or an argument that no program can be given (a NUL).
            if setting and setting not in self._said:
                self._said.add(setting)
                self._say(f"{command[0]} cannot be started: {reason_of(exc)}. Put {setting} right in bridge.yaml.")
            return False
        self._running.append(_Started(self._clock(), process, is_ours))
        return True


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
