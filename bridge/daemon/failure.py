"""What becomes of a work that failed: a table by branch of the error, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.errors import (
    BridgeError,
    DestinationError,
    NoSpaceError,
    RenderChangedError,
    RenderError,
    SetupError,
    WorkerError,
)

__all__ = ["Verdict", "judge"]

_FIRST_WAIT_SECONDS = 15.0
_LONGEST_WAIT_SECONDS = 600.0
_DEATH_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Verdict:
    """What to do with the work, and with its outbox."""

    state: Literal["waiting", "retry", "parked"]
    wait_seconds: float = 0.0
    """Before a retry."""
    pauses_outbox: bool = False
    """Nothing else goes there until it can be written to again."""


def judge(error: BridgeError, *, attempts: int, deaths: int, limit: int, rescan_seconds: float, luck: float) -> Verdict:
    """Decide by the branch of the error.

    `attempts` of this work so far, >= 1. `deaths`: how many of them killed their worker, or us; `limit`: how many may.
    `luck` in 0..1 spreads the waits, so that works that failed together do not come back together.

    The render changed: it settles again. The user must change something: looked at again with every rescan. The render
    itself is at fault: parked at once. It killed its worker `limit` times: parked. The outbox is full or gone: waits
    for it, however long. Anything else that may pass: again, later and later.
    """
    spread = 0.75 + 0.5 * luck
    if isinstance(error, RenderChangedError):
        return Verdict("waiting")
    if isinstance(error, SetupError):
        return Verdict("retry", rescan_seconds)
    if isinstance(error, WorkerError):
        if deaths >= limit:
            return Verdict("parked")
        return Verdict("retry", _DEATH_WAIT_SECONDS * 2 ** max(0, min(deaths, 8) - 1) * spread)
    if isinstance(error, RenderError):
        return Verdict("parked")
    if isinstance(error, NoSpaceError | DestinationError):
        return Verdict("retry", pauses_outbox=True)
    growing = _FIRST_WAIT_SECONDS * 2 ** min(max(attempts, 1) - 1, 10)
    return Verdict("retry", min(growing, _LONGEST_WAIT_SECONDS) * spread)
