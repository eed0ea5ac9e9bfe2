"""Outboxes that are full or gone: nothing goes there until they can be written to again, which is tried by itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bridge.daemon.places import Trouble
from bridge.delivery.stage import open_stage
from bridge.errors import BridgeError, DestinationError, NoSpaceError

__all__ = ["Outboxes"]

_LONGEST_PAUSE_SECONDS = 60.0
_MORE_BYTES = 1 << 20
"""So much more must be free than when a disk was full."""
_TRY_ANYWAY_SECONDS = 900.0


@dataclass
class _Pause:
    error: BridgeError
    since: float
    free_bytes: int
    wait_seconds: float
    look_at: float


class Outboxes:
    """Which outboxes are paused."""

    def __init__(
        self,
        trouble: Callable[[Path], Trouble | None],
        *,
        first_pause_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trouble` says why a folder cannot be used; it must return soon."""
        self._trouble = trouble
        self._first_pause_seconds = first_pause_seconds
        self._clock = clock
        self._paused: dict[Path, _Pause] = {}

    def is_open(self, outbox: Path) -> bool:
        """Say whether a job may go there. One that is gone is paused here and now, and never made anew by us."""
        return self.lost(outbox) is None and outbox not in self._paused

    def lost(self, outbox: Path) -> DestinationError | None:
        """Return what to say of an outbox that is gone, and pause it; None of one that is there."""
        if (trouble := self._trouble(outbox)) is None:
            return None
        error = DestinationError(trouble.reason, hint=trouble.hint, path=outbox)
        self.pause(outbox, error)
        return error

    def pause(self, outbox: Path, error: BridgeError) -> None:
        """Let nothing go there for the reason given."""
        now = self._clock()
        if outbox not in self._paused:
            wait = self._first_pause_seconds
            free_bytes = _free_bytes(outbox) if isinstance(error, NoSpaceError) else 0
            self._paused[outbox] = _Pause(error, now, free_bytes, wait, now + wait)

    def tend(self) -> list[Path]:
        """Try those whose time has come; returns those that are open again."""
        now, opened = self._clock(), []
        for outbox, pause in list(self._paused.items()):
            if now < pause.look_at:
                continue
            if self._is_well(outbox, pause, now):
                del self._paused[outbox]
                opened.append(outbox)
            else:
                pause.wait_seconds = min(2 * pause.wait_seconds, _LONGEST_PAUSE_SECONDS)
                pause.look_at = now + pause.wait_seconds
        return opened

    def reasons(self) -> tuple[str, ...]:
        """Say why each paused outbox is paused."""
        return tuple(f"{outbox} is waited for: {pause.error.message}" for outbox, pause in self._paused.items())

    def next_due(self) -> float | None:
        """Say when to tend again; None when nothing is paused."""
        return min((pause.look_at for pause in self._paused.values()), default=None)

    def _is_well(self, outbox: Path, pause: _Pause, now: float) -> bool:
        if self._trouble(outbox) is not None:
            return False
        if isinstance(pause.error, NoSpaceError) and now - pause.since < _TRY_ANYWAY_SECONDS:
            return _free_bytes(outbox) > pause.free_bytes + _MORE_BYTES
        try:
            with open_stage(outbox, "probe") as stage:
                (stage.work / "probe").write_bytes(b"stem-bridge")
        except (BridgeError, OSError):
            return False
        return True


def _free_bytes(outbox: Path) -> int:
    try:
        return shutil.disk_usage(outbox).free
    except OSError:
        return 0
