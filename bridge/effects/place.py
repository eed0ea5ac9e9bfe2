"""Where a chain runs, and the words for what flows through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoMap
from bridge.effects.plugins.rack import Rack
from bridge.effects.shared import Blocks
from bridge.errors import PresetError

__all__ = ["BLOCK", "BUFFER", "Place", "Process"]

BLOCK = 32768
"""Frames of every block: 0.74 s at 44.1 kHz."""

BUFFER = 8192
"""Frames that Pedalboard works on at once; divides BLOCK, so its inner blocks are equal too."""

Process = Callable[[FloatArray], FloatArray]
"""(C, n) to (C, m), m <= n: what is missing comes with later calls. One-shot effects give m = n."""


def _hears_nobody(stem: str) -> Blocks:
    raise PresetError(f"'{stem}' cannot be heard here.", hint="Use Ducker in the chain of a stem or a bus.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain runs: for error messages, the size of things, and what can be heard from there."""

    stem: str
    """Name of the stem or bus, for people."""
    sample_rate: int
    channels: int
    frames: int
    """Length of the render."""
    limit_frames: int
    """Nothing after this frame is delivered: render plus longest tail."""
    tempo: TempoMap | None = None
    listen: Callable[[str], Blocks] = _hears_nobody
    """Gives another stem's stream at this place's level, from its first frame; to be called before anything flows."""
    rack: Rack = field(default_factory=Rack)
    """Runs the user's own plugins."""
