"""What the journal knows of one render in an inbox: where it stands, how often it was tried, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.domain.render import FileIdentity

__all__ = ["ACTIVE", "ENDED", "Identified", "State", "Work"]

State = Literal[
    "waiting",
    "stalled",
    "ready",
    "running",
    "publishing",
    "done",
    "retry",
    "parked",
    "cancelled",
    "recorded",
    "gone",
]
"""
waiting: seen, not settled yet. stalled: settled, but its container is unfinished; looked at again when it changes.
ready: may be worked on. running: a worker has it. publishing: complete in staging, about to be renamed. done: a drop
exists (or existed: a drop the user deleted is not rebuilt). retry: failed for a reason that passes; again at
`not_before`. parked: cannot be done, with its reason. cancelled: by the user. recorded: was there before the first
watch. gone: the file vanished before it was worked on.
"""

ACTIVE: frozenset[State] = frozenset({"waiting", "stalled", "ready", "running", "publishing", "retry"})
ENDED: frozenset[State] = frozenset({"done", "parked", "cancelled", "recorded", "gone"})
_CUTS_PER_ATTEMPT = 3


@dataclass(frozen=True)
class Identified:
    """What decides whether the same work was done before."""

    audio_key: str
    """Of the decoded sound, hex."""
    separation_key: str
    """Of the sound, the weights and every option that changes the dry stems, hex: same key, same dry stems."""
    drop_key: str
    """Of all that changes the drop, 16 hex digits: same key, same drop."""
    seconds: float
    """Length of the render."""


@dataclass(frozen=True)
class Work:
    """One render in an inbox, as the journal has it. A file whose identity changes after it ended is a new one."""

    id: str
    """32 hex digits; with the attempt, the job's id."""
    path: Path
    inbox: Path
    identity: FileIdentity
    state: State
    arrived: float
    """Wall time, seconds since the epoch; for people and for the order of the queue."""
    attempts: int = 0
    """Counted before the work starts, never set back; the token without which nothing may be published."""
    deaths: int = 0
    """Attempts that killed their worker, or may yet, since somebody last asked for it or it last got further than ever:
    counted before the work starts, taken back when the attempt ends otherwise. What the limit on attempts is held
    against: a full disk costs none."""
    cuts: int = 0
    """Attempts that ended with the whole program, over the same time: a kill, a power cut, a restart of the system."""
    reached: int = 0
    """The furthest place any attempt came to; only its order means something."""
    priority: int = 0
    """Higher goes first; from the sidecar."""
    not_before: float = 0.0
    """Wall time before which a retry does not start."""
    error: str = ""
    """Class name of the last error."""
    reason: str = ""
    """What happened, one sentence; empty when nothing did."""
    hint: str = ""
    """What to do, one sentence."""
    drop: Path | None = None
    keys: Identified | None = None

    def has_cut_off_too_often(self, attempts: int) -> bool:
        """Say whether, had the program ended in this attempt too, the render itself must be taken for the cause.

        A person or a power cut is the likelier one, so it may happen three times as often as a worker may die.
        """
        return self.cuts + 1 >= _CUTS_PER_ATTEMPT * attempts

    @property
    def job_id(self) -> str:
        """Name of this attempt's staging folder."""
        return f"{self.id}-{self.attempts}"
