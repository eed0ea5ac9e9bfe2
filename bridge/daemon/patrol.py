"""One inbox's round: what asks its disk runs beside the loop, what writes the journal in it, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from bridge.daemon.places import SILENT_SECONDS, no_answer
from bridge.errand import Errand

__all__ = ["Patrol", "Round"]

Round = Generator[Callable[[], Any], Any, None]
"""Yields what is to be asked of the disk, and is sent the answer."""


class Patrol:
    """The rounds of one inbox, one at a time."""

    def __init__(self, place: Path, late: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        """`late` is called, in another thread, when an answer came for which nobody waited any more."""
        self.place = place
        self.rounds = 0
        """How many came to their end."""
        self.problems: tuple[str, ...] = ()
        """Of the last round, in sentences."""
        self.away = False
        """The last round found that the inbox is not there, or is not what it was."""
        self.touched: set[Path] = set()
        """What events named since the last round began."""
        self._clock = clock
        self._errand: Errand[Any] = Errand(late, clock=clock)
        self._round: Round | None = None

    @property
    def is_out(self) -> bool:
        """Say whether a round is under way."""
        return self._round is not None

    @property
    def is_silent(self) -> bool:
        """Say whether the disk has not answered for long."""
        return self._errand.seconds_out >= SILENT_SECONDS

    def said(self) -> tuple[str, ...]:
        """Return what people should know."""
        return (no_answer(self.place).reason,) if self.is_silent else self.problems

    def begin(self, steps: Round) -> None:
        """Begin a round."""
        self._errand.begin(next(steps))
        self._round = steps

    def go_on(self, seconds: float) -> None:
        """Take the answers that come within so long in all, and go on to the next question, or to the end."""
        until = self._clock() + seconds
        while self._round is not None and self._errand.is_done(max(0.0, until - self._clock())):
            steps, self._round = self._round, None
            try:
                question = steps.send(self._errand.take())
            except StopIteration:
                self.rounds += 1
                return
            self._errand.begin(question)
            self._round = steps
