"""Has a file stopped changing? A pure table of what was seen when; time that was slept through counts for little."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bridge.domain.render import FileIdentity

__all__ = ["SAMPLES", "Settling"]

SAMPLES = 3
"""How often a file must look the same, evenly spread over the settle time, the first look included."""


@dataclass
class _Seen:
    identity: FileIdentity
    since: float
    last: float
    """When the last look that counts was taken."""
    looks: int = 1


class Settling:
    """Which files of one or more inboxes hold still; one thread."""

    def __init__(self, settle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._step_seconds = settle_seconds / (SAMPLES - 1)
        self._clock = clock
        self._seen: dict[Path, _Seen] = {}

    def observe(self, path: Path, identity: FileIdentity, wake: bool = False) -> bool:
        """Take a look; True once the file looked the same `SAMPLES` times, spread over at least the settle time.

        `wake` says that something touched the file since the last look, although it looks the same: the looks are
        counted anew. A look sooner than due counts for nothing, and a late one (the machine slept) counts as one.
        """
        now = self._clock()
        seen = self._seen.get(path)
        if seen is None or seen.identity != identity or now < seen.last:
            self._seen[path] = seen = _Seen(identity, now, now)
        elif wake:
            seen.last, seen.looks = now, 1
        elif seen.looks < SAMPLES and now - seen.last >= self._step_seconds:
            seen.last, seen.looks = now, seen.looks + 1
        return seen.looks >= SAMPLES or self._step_seconds <= 0.0

    def quiet_seconds(self, path: Path) -> float:
        """Say for how long the file has looked the same; 0 for one never seen."""
        seen = self._seen.get(path)
        return 0.0 if seen is None else max(0.0, self._clock() - seen.since)

    def forget(self, path: Path) -> None:
        """Drop a file that is gone or taken; quiet when it is unknown."""
        self._seen.pop(path, None)

    def next_due(self) -> float | None:
        """Say when the next look would count, on the clock's scale; None when nothing is settling."""
        dues = (seen.last + self._step_seconds for seen in self._seen.values() if seen.looks < SAMPLES)
        return min(dues, default=None)
