"""When a batch may work: between two times of day, and while nobody uses the computer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.errors import ConfigError
from bridge.idle import idle_seconds
from bridge.neighbour import are_hours, in_hours

__all__ = ["Gate", "check_hours"]

_LOOK_EVERY_SECONDS = 10.0


def check_hours(hours: str) -> str:
    """Return `hours` when it is 'HH:MM-HH:MM'; raises ConfigError. It may pass midnight; equal times are all day."""
    if not are_hours(hours):
        raise ConfigError(
            f"'{hours}' are no hours to work in.", hint="Give two times of day, such as 22:00-07:00, in 24 hours."
        )
    return hours


@dataclass
class Gate:
    """Open or closed; looks at the local time of day itself, so that a clock that is changed is followed at once."""

    hours: str = ""
    """'HH:MM-HH:MM'; '' is always."""
    idle_minutes: float = 0.0
    """Nobody may have touched keyboard or mouse for this long; 0 is whoever may sit there."""
    local_time: Callable[[], time.struct_time] = time.localtime
    idle: Callable[[], float | None] = idle_seconds
    clock: Callable[[], float] = time.monotonic
    is_blind: bool = field(default=False, init=False)
    """It is to look whether somebody is there, and the system does not say: then it is open."""
    _looked: float = field(default=float("-inf"), init=False)
    _answer: str = field(default="", init=False)

    @property
    def closed(self) -> str:
        """Say why no work is to be done now; '' = go on. Looks every ten seconds, as looking costs something."""
        if not self.hours and not self.idle_minutes:
            return ""
        if self.clock() - self._looked >= _LOOK_EVERY_SECONDS:
            self._answer = self._look()
            self._looked = self.clock()
        return self._answer

    def _look(self) -> str:
        if self.hours and not self._is_hour():
            return f"It is not {self.hours.replace('-', ' to ')}."
        seconds = self.idle() if self.idle_minutes else None
        self.is_blind = self.idle_minutes > 0 and seconds is None
        if seconds is not None and seconds < 60 * self.idle_minutes:
            return "Somebody uses this computer."
        return ""

    def _is_hour(self) -> bool:
        begin, _, end = self.hours.partition("-")
        return begin == end or in_hours(self.hours, self.local_time())
