"""A network of pure arithmetic behind the real stream: it counts its forwards, and is quick."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bridge.audio.read import Scan, Sound
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.separation.overlap import Grid
from bridge.separation.store import Store
from bridge.separation.stream import Listener, stream_estimates

STEMS = ("drums", "bass", "other", "vocals")
RATE = 44100


@dataclass
class CountingSeparator:
    """Each stem is a share of the mix that its neighbours in time decide; one forward a window."""

    segment_frames: int = RATE
    beside: bool = False
    members: tuple[tuple[str, str], ...] = ()
    windows: list[int] = field(default_factory=list)
    """Windows of every forward."""
    stems = STEMS
    device = "none"
    left: str | None = None
    batch = 1
    backend = "torch"
    precision = "float32"

    def estimates(
        self, mix: Sound, scan: Scan, wanted: Sequence[str], options: SeparationOptions, store: Store | None = None
    ) -> Iterator[FloatArray]:
        rows = [STEMS.index(stem) for stem in wanted]
        grid = Grid(self.segment_frames, int(self.segment_frames * (1 - options.overlap)), pads=True)
        names = tuple(json.dumps(["counting", row]) for row in rows)
        listener = Listener(lambda windows: self.forward(windows, rows), names, grid, RATE, self.beside)
        return stream_estimates(listener, mix, scan, options, store)

    def forward(self, windows: FloatArray, rows: Sequence[int]) -> FloatArray:
        self.windows.append(len(windows))
        late = np.roll(windows, 7, axis=2) * np.float32(0.25)
        return np.stack([np.tanh(windows * np.float32(0.1 * (row + 1)) + late) for row in rows], axis=1)
