"""Streaming overlap-add: windows out of a signal that arrives in blocks, estimates back in, bounded memory.

The grid, the triangular weight and the placing of a short last window are those of Demucs (`demucs.apply`,
Defossez et al., MIT), so that the result equals `apply_model` to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bridge.domain.stems import FloatArray

__all__ = ["Grid", "Lane", "Window"]


@dataclass(frozen=True)
class Grid:
    """Where windows lie on a signal."""

    segment_frames: int
    """Length of a window."""
    stride_frames: int
    """From one window to the next; 1..segment_frames."""
    pads: bool
    """A short window is centred in a full one with real neighbours (HTDemucs); else it runs at its own length."""
    exact_tail: bool = False
    """Compute windows that the one before already covers, as upstream does."""

    def offsets(self, length: int) -> Iterator[int]:
        """Yield the first frame of every window of a signal of `length` frames."""
        for offset in range(0, length, self.stride_frames):
            yield offset
            if not self.exact_tail and offset + self.segment_frames >= length:
                return

    def weight(self) -> FloatArray:
        """Return the triangle that blends windows, (segment_frames,), largest 1."""
        half = self.segment_frames // 2
        rise = np.arange(1, half + 1, dtype=np.float32)
        fall = np.arange(self.segment_frames - half, 0, -1, dtype=np.float32)
        triangle = np.concatenate([rise, fall])
        return np.asarray(triangle / triangle.max(), dtype=np.float32)


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """One piece of a lane's signal, ready for the network."""

    lane: Lane
    offset: int
    samples: FloatArray
    """(2, frames)"""
    skip: int
    """Frames of context before the window's own part."""
    frames: int
    """Length of the window's own part."""


class Lane:
    """One stereo signal on its way through the network.

    `feed` takes the next input frames and returns the windows that became complete; `accept` takes a window's
    estimate; `ready` returns the output frames that no later window can change. `lead_frames` of silence go before the
    signal and are cut from the output (the shift trick).
    """

    def __init__(self, grid: Grid, *, length: int, rows: int, lead_frames: int = 0) -> None:
        self._grid = grid
        self._length = length + lead_frames
        self._lead = lead_frames
        self._offsets = list(grid.offsets(self._length))
        self._next = 0
        self._weight = grid.weight()
        self._input = np.zeros((2, lead_frames), np.float32)
        self._input_start = 0
        self._sum = np.zeros((rows, 2, 0), np.float32)
        self._sum_weight = np.zeros(0, np.float32)
        self._sum_start = 0
        self._accepted = 0

    def feed(self, block: FloatArray) -> list[Window]:
        """Take the next input, (2, frames), and return the windows that are now complete."""
        self._input = np.concatenate([self._input, block], axis=1)  # (2, T)
        received = self._input_start + self._input.shape[1]
        found: list[Window] = []
        while self._next < len(self._offsets):
            offset = self._offsets[self._next]
            if received < min(offset + self._grid.segment_frames, self._length):
                break
            found.append(self._window(offset))
            self._next += 1
        if self._next < len(self._offsets):
            # A short last window may look back by up to half a segment.
            keep = max(0, self._offsets[self._next] - self._grid.segment_frames)
            self._input = self._input[:, max(0, keep - self._input_start) :]
            self._input_start = max(self._input_start, keep)
        return found

    def _window(self, offset: int) -> Window:
        size = self._grid.segment_frames
        own = min(size, self._length - offset)
        width = size if self._grid.pads else own
        start = offset - (width - own) // 2
        samples = np.zeros((2, width), np.float32)
        first, last = max(0, start), min(self._length, start + width)
        samples[:, first - start : last - start] = self._input[:, first - self._input_start : last - self._input_start]
        return Window(self, offset, samples, offset - start, own)

    def accept(self, window: Window, estimate: FloatArray | None) -> None:
        """Add a window's estimate, (rows, 2, frames of the window's own part); None stands for silence."""
        end = window.offset + window.frames - self._sum_start
        if end > self._sum_weight.size:
            more = end - self._sum_weight.size
            self._sum = np.pad(self._sum, ((0, 0), (0, 0), (0, more)))  # (R, 2, T)
            self._sum_weight = np.pad(self._sum_weight, (0, more))
        place = slice(window.offset - self._sum_start, end)
        weight = self._weight[: window.frames]
        if estimate is not None:
            self._sum[:, :, place] += weight * estimate
        self._sum_weight[place] += weight
        self._accepted += 1

    def ready(self) -> FloatArray:
        """Return the next finished output frames, (rows, 2, frames), the lead already cut; may be empty."""
        done = self._accepted == len(self._offsets)
        until = self._length if done else self._offsets[self._accepted]
        count = until - self._sum_start
        finished: npt.NDArray[np.float32] = self._sum[:, :, :count] / self._sum_weight[:count]
        self._sum = self._sum[:, :, count:].copy()
        self._sum_weight = self._sum_weight[count:].copy()
        cut = min(count, max(0, self._lead - self._sum_start))
        self._sum_start = until
        return finished[:, :, cut:]
