"""What the daemon does with an inbox, in small: list, settle, judge; with a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bridge.intake.inbox import list_inbox
from bridge.intake.ready import readiness
from bridge.intake.settle import Settling
from bridge.intake.writer import WriterState, writer_state
from tests.audio.raw_files import chunk, fmt, riff

__all__ = ["Eyes", "wav"]


def wav(frames: int = 1000, *, seed: int = 1) -> bytes:
    """A whole 16-bit stereo WAV."""
    return riff(fmt(), chunk(b"data", bytes((seed + n) % 251 for n in range(frames * 4))))


class Eyes:
    """Looks at an inbox as often as the test says."""

    def __init__(self, inbox: Path, *, writer: Callable[[Path], WriterState] = writer_state) -> None:
        self.now = 100.0
        self.inbox = inbox
        self.writer = writer
        self.settling = Settling(3.0, lambda: self.now)

    def look(self, seconds: float = 1.5) -> dict[str, str]:
        """Let time pass and look once; say of each file 'settling' or its readiness."""
        self.now += seconds
        found: dict[str, str] = {}
        for one in list_inbox(self.inbox).files:
            name = one.path.relative_to(self.inbox).as_posix()
            if self.settling.observe(one.path, one.identity):
                quiet_seconds = self.settling.quiet_seconds(one.path)
                found[name] = readiness(one.path, quiet_seconds=quiet_seconds, writer=self.writer).state
            else:
                found[name] = "settling"
        return found

    def settle(self) -> dict[str, str]:
        """Look as often as a file that holds still needs."""
        for _ in range(3):
            found = self.look()
        return found
