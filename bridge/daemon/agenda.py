"""What is to be done when, by the steady clock."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Agenda"]


class Agenda:
    """Names and the times when they are due; a name has one time, the earliest asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}

    def by(self, name: str, when: float | None) -> None:
        """Do it at `when` at the latest; None asks for nothing."""
        if when is not None:
            self._due[name] = min(when, self._due.get(name, when))

    def within(self, name: str, seconds: float) -> None:
        """Do it within so many seconds."""
        self.by(name, self._clock() + seconds)

    def take(self, name: str) -> bool:
        """Say whether it is due, and if so forget it."""
        if name not in self._due or self._clock() < self._due[name]:
            return False
        del self._due[name]
        return True

    def forget(self, name: str) -> None:
        """It need not be done any more."""
        self._due.pop(name, None)

    def seconds_left(self) -> float:
        """Say how long nothing is due; 0 when something is."""
        return max(0.0, min(self._due.values(), default=self._clock() + 1.0) - self._clock())
