"""What a running job reports, for terminals and for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["Event", "Notice", "Progress", "Report", "Stage", "StageStarted", "place_of"]

Stage = Literal["read", "separate", "copy", "effects", "write", "check"]
"""`copy`: the dry stems come from a drop instead of a separation."""


@dataclass(frozen=True)
class StageStarted:
    """A stage begins; stages come in this order, each at most once, those with nothing to do not at all.

    `copy` may be followed by `separate`: where the stems of a drop prove not to be what was delivered.
    """

    stage: Stage
    total_seconds: float
    """Seconds of audio this stage will work through."""


@dataclass(frozen=True)
class Progress:
    """A stage went on; never goes backwards within a stage."""

    stage: Stage
    done_seconds: float
    total_seconds: float


@dataclass(frozen=True)
class Notice:
    """Something the user should know; the job goes on."""

    message: str


Event = StageStarted | Progress | Notice
Report = Callable[[Event], None]
"""Called from the job's thread; must return at once."""


def place_of(event: Event) -> int:
    """Return how far a job is with this event, in whole percents of all its stages in turn; 0 where it does not say.

    Greater is further. At most 100 for each stage, so that a job cannot get further without end.
    """
    if isinstance(event, Notice):
        return 0
    before = 100 * get_args(Stage).index(event.stage)
    if isinstance(event, StageStarted) or event.total_seconds <= 0:
        return before
    return before + int(100 * min(1.0, max(0.0, event.done_seconds / event.total_seconds)))
