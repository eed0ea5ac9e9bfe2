"""What is reported about weight files: their state, and how far a pull is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.models.model import Member

__all__ = ["MemberStatus", "PullProgress"]


@dataclass(frozen=True)
class MemberStatus:
    """What is known about one weight file."""

    member: Member
    path: Path | None
    """Where it is, or should be; None when that is not known before the first pull."""
    state: Literal["ready", "missing", "wrong"]
    expected: str | None
    """SHA-256 of the pin, hex; None for own weights, and before the first pull of an unpinned model."""
    actual: str | None
    """SHA-256 of the file, hex; None when it is missing."""


@dataclass(frozen=True)
class PullProgress:
    """How far a pull is, over all files of the model."""

    model: str
    file: str
    done_bytes: int
    total_bytes: int
