"""A good neighbour to a DAW: less urgent than it, not on all cores, quiet while it plays, and no sleep during a job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

__all__ = ["Awake", "Pace", "Transport", "are_hours", "in_hours", "lower_priority", "spare"]

Pace = Literal["full", "half", "stop"]
"""How fast a job goes: as it can, half the time, or not at all; heard between two blocks."""
_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
_NICER = 10
_BELOW_NORMAL = 0x4000
_SET_INFORMATION = 0x0200
_STAY_AWAKE = 0x80000001
_AS_USUAL = 0x80000000
"""SetThreadExecutionState: ES_CONTINUOUS, with and without ES_SYSTEM_REQUIRED."""


def lower_priority(pid: int) -> None:
    """Let every other program go first. What the system refuses is passed over: the work is done all the same."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        process = kernel.OpenProcess(_SET_INFORMATION, False, pid)
        if process:
            kernel.SetPriorityClass(process, _BELOW_NORMAL)
            kernel.CloseHandle(process)
    else:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _NICER)


def spare(cores_left: int, *, cores: int | None = None) -> int:
    """Return how many threads to compute with when so many cores are left to others; at least one."""
    return max(1, (cores or os.cpu_count() or 1) - cores_left)


def are_hours(text: str) -> bool:
    """Say whether a text is 'HH:MM-HH:MM', two times of day in 24 hours."""
    return _HOURS.fullmatch(text) is not None


def in_hours(hours: str, now: time.struct_time) -> bool:
    """Say whether the local time lies in 'HH:MM-HH:MM', which may pass midnight; '' is never."""
    if not hours:
        return False
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in hours.split("-"))
    minute = now.tm_hour * 60 + now.tm_min
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


class Transport:
    """What the DAW last said of its transport; forgotten when it is not said again in time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0

    def heard(self, rolling: bool, seconds: float) -> None:
        """The DAW plays or records, and says so again within `seconds`; or it has stopped."""
        self._until = self._clock() + seconds if rolling else 0.0

    @property
    def rolls(self) -> bool:
        return self._clock() < self._until

    def pace(self, while_playing: Literal["pause", "throttle", "ignore"]) -> Pace:
        """Return how fast a job may go."""
        if not self.rolls or while_playing == "ignore":
            return "full"
        return "stop" if while_playing == "pause" else "half"


class Awake:
    """Keeps the computer from falling asleep between `hold` and `let_go`, where it can; a context manager."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = _keeper() if command is None else command
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()

    def hold(self) -> None:
        """Stay awake."""
        if sys.platform == "win32":
            import ctypes

            ctypes.windll.kernel32.SetThreadExecutionState(_STAY_AWAKE)
        elif self._keeper is None and self._command:
            try:
                # It ends when its standard input does, so that it never outlives us.
                self._keeper = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:
                self._command = ()

    def let_go(self) -> None:
        """Sleep as usual."""
        if sys.platform == "win32":
            import ctypes

            ctypes.windll.kernel32.SetThreadExecutionState(_AS_USUAL)
        elif self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            with suppress(OSError):
                if keeper.stdin is not None:
                    keeper.stdin.close()
            keeper.terminate()
            keeper.wait()


def _keeper() -> tuple[str, ...]:
    """Return the program that keeps this system awake while it runs."""
    if sys.platform == "darwin":
        return ("caffeinate", "-i", "cat")
    elif sys.platform == "linux":  # noqa: RET505 - mypy takes what follows a platform's return for dead
        why = "--why=Stems are being separated"
        return ("systemd-inhibit", "--what=sleep:idle", "--who=Stem Bridge", why, "--mode=block", "cat")
    else:
        return ()
