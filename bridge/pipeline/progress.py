"""Reports stages and progress of one job, keeps their times, and stops the job when it is taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from bridge.domain.events import Notice, Progress, Report, Stage, StageStarted
from bridge.domain.stems import StemBlock
from bridge.errors import Cancelled

__all__ = ["Cancel", "Watch"]

Cancel = Callable[[], bool]
"""Says whether the job was taken back; asked between blocks."""

_REPORT_EVERY_SECONDS = 0.1


class Watch:
    """One job's clock and voice."""

    def __init__(self, report: Report, cancel: Cancel, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._cancel = cancel
        self._clock = clock
        self._last = 0.0
        self.notices: list[str] = []
        self.seconds: dict[str, float] = {}
        """Time spent per stage."""

    def notice(self, message: str) -> None:
        """Tell the user something once and keep it for the manifest."""
        if message not in self.notices:
            self.notices.append(message)
            self._report(Notice(message))

    @contextmanager
    def stage(self, stage: Stage, total_seconds: float) -> Iterator[Callable[[float], None]]:
        """Time a stage; the value is called with the seconds of audio done so far. Raises Cancelled between calls."""
        begun = self._clock()
        self._report(StageStarted(stage, total_seconds))

        def done(seconds: float) -> None:
            if self._cancel():
                raise Cancelled
            now = self._clock()
            if seconds < total_seconds and now - self._last >= _REPORT_EVERY_SECONDS:
                self._last = now
                self._report(Progress(stage, min(seconds, total_seconds), total_seconds))

        done(0.0)
        yield done
        self._report(Progress(stage, total_seconds, total_seconds))
        self.seconds[stage] = self._clock() - begun

    def blocks(
        self, blocks: Iterable[StemBlock], stage: Stage, sample_rate: int, total_seconds: float
    ) -> Iterator[StemBlock]:
        """Pass blocks through as one stage."""
        with self.stage(stage, total_seconds) as done:
            for block in blocks:
                yield block
                done((block.start + block.frames) / sample_rate)
