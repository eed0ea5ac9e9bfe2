"""The tempo of a project over a render: which bar and beat a second is, and how long a note value lasts there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

__all__ = ["TempoChange", "TempoMap"]


@dataclass(frozen=True)
class TempoChange:
    """From here on, until the next change, this tempo and time signature."""

    seconds: float
    """From the start of the render; the first change of a map lies at or before 0, so it may be negative."""
    bpm: float
    """Quarter notes a minute, whatever the denominator; 1..960."""
    numerator: int = 4
    """1..255."""
    denominator: int = 4
    """A power of two, 1..64."""
    is_ramp: bool = False
    """The tempo moves in a straight line over time to that of the next change."""


@dataclass(frozen=True)
class TempoMap:
    """Every change that matters to a render, in order of time; at least one."""

    changes: tuple[TempoChange, ...]
    source: Literal["sidecar", "midi", "setting", "estimated"]
    """Who said so: the DAW's script, a .mid beside the render, the user (--bpm), or the drums stem."""
    other_bpm: float | None = None
    """Of an estimated tempo that is doubtful: the next likely one."""

    @classmethod
    def of(cls, changes: Iterable[TempoChange], source: Literal["sidecar", "midi", "setting", "estimated"]) -> Self:
        """Make a map of at least one change, in any order.

        Of two at one time the later wins; the first one's tempo holds from the start of the render, at the latest.
        """
        ordered = sorted({one.seconds: one for one in changes}.values(), key=lambda one: one.seconds)
        if ordered[0].seconds > 0.0:
            ordered.insert(0, replace(ordered[0], seconds=0.0, is_ramp=False))
        return cls(tuple(ordered), source)

    def since(self, seconds: float) -> tuple[TempoChange, ...]:
        """Return the map as counted from a time of the render: nothing earlier is left, the first change is at 0."""
        shifted = [replace(one, seconds=one.seconds - seconds) for one in self.changes]
        later = [one for one in shifted if one.seconds > 0.0]
        first = next((one for one in reversed(shifted) if one.seconds <= 0.0), None)
        if first is None:
            return (replace(shifted[0], seconds=0.0, is_ramp=False), *later)
        if first.is_ramp and later:
            done = first.seconds / (first.seconds - later[0].seconds)
            first = replace(first, bpm=first.bpm + (later[0].bpm - first.bpm) * done)
        return (replace(first, seconds=0.0), *later)

    def at(self, seconds: float) -> TempoChange:
        """Return the change in force at a time of the render; the first one for times before it."""
        return next((one for one in reversed(self.changes) if one.seconds <= seconds), self.changes[0])
