"""From model-rate blocks to estimates, one forward at a time, in memory that the length of the song cannot grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bridge.domain.stems import FloatArray
from bridge.errors import SeparationError
from bridge.separation.layout import Layout
from bridge.separation.overlap import Grid, Lane, Window

__all__ = ["Forward", "Normaliser", "count_windows", "estimate_stream", "find_normaliser"]


_LEAST_SCALE = 2.0**-120


class Forward(Protocol):
    """The network of one model, bag or single, for the stems that are wanted."""

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Turn normalised windows (B, 2, frames) into estimates (B, wanted stems, 2, frames)."""
        ...


@dataclass(frozen=True)
class Normaliser:
    """Level of a whole render as the network should see it: (x - mean) / scale in, estimate * scale out."""

    mean: float
    scale: float


def find_normaliser(mean: float, std: float, peak: float) -> Normaliser:
    """Quantise a render's statistics, so that a small edit elsewhere in the song leaves every segment's input alone.

    The scale is the standard deviation of the channel mean rounded to a quarter octave, but never below 1/32 of the
    peak (side-only signals, single frames) nor 2^-120, where float32 would run out. The mean is 0 unless it exceeds
    1/32 of the scale; then it is rounded to 1/64 of the scale. It reaches the network only: DC comes back through the
    residual, never into a stem.
    """
    scale = float(2.0 ** (round(4 * np.log2(max(std, peak / 32, _LEAST_SCALE))) / 4)) if peak > 0 else 1.0
    return Normaliser(round(64 * mean / scale) / 64 * scale if abs(mean) > scale / 32 else 0.0, scale)


def count_windows(*, length: int, layout: Layout, grid: Grid, leads_frames: Sequence[int] = (0,)) -> int:
    """Return how many windows `estimate_stream` gives the network at the most: silent ones count too."""
    return len(layout.passes) * sum(sum(1 for _ in grid.offsets(length + lead)) for lead in leads_frames)


def estimate_stream(
    blocks: Iterable[FloatArray],
    forward: Forward,
    *,
    rows: int,
    length: int,
    channels: int,
    layout: Layout,
    grid: Grid,
    normaliser: Normaliser,
    leads_frames: Sequence[int] = (0,),
    batch: int = 1,
) -> Iterator[FloatArray]:
    """Run the network over a signal and yield its estimates, consecutive and gapless.

    Args:
        blocks: the signal at the model's rate, (channels, any frames) each, `length` frames in all.
        rows: how many stems `forward` returns.
        layout: how channels become stereo passes; channels that no pass hears come out as zeros.
        leads_frames: one run for each, delayed by so much silence; the runs are averaged.
        batch: windows per forward; results may differ by rounding between batch sizes.

    Yields (rows, channels, frames) float32. Exact silence gives exact zeros without a forward.
    Raises SeparationError when the network returns something that is not finite.
    """
    lanes = [[Lane(grid, length=length, rows=rows, lead_frames=lead) for lead in leads_frames] for _ in layout.passes]
    outputs = [[np.zeros((rows, 2, 0), np.float32) for _ in leads_frames] for _ in layout.passes]
    pending: list[Window] = []
    mean, scale = np.float32(normaliser.mean), np.float32(normaliser.scale)
    for block in blocks:
        level = (block - mean) / scale  # (C, T)
        for one, runs in zip(layout.passes, lanes, strict=True):
            stereo = level[[one.left, one.right]]  # (2, T)
            for lane in runs:
                pending += lane.feed(stereo)
        for windows in _batches(pending, batch, flush=False):
            _run(windows, forward)
            yield from _assemble(lanes, outputs, layout, channels, scale)
    for windows in _batches(pending, batch, flush=True):
        _run(windows, forward)
        yield from _assemble(lanes, outputs, layout, channels, scale)


def _batches(pending: list[Window], batch: int, *, flush: bool) -> Iterator[list[Window]]:
    """Take windows of equal length off the queue, full batches only unless flushing; order is kept."""
    while pending and (flush or len(pending) >= batch):
        width = pending[0].samples.shape[1]
        count = next(
            (i for i, w in enumerate(pending[:batch]) if w.samples.shape[1] != width), min(batch, len(pending))
        )
        yield [pending.pop(0) for _ in range(count)]


def _run(windows: list[Window], forward: Forward) -> None:
    """Give every window's estimate to its lane; silent ones cost no forward."""
    sounding = []
    for window in windows:
        if window.samples.any():
            sounding.append(window)
        else:
            window.lane.accept(window, None)
    if not sounding:
        return
    stack = np.stack([window.samples for window in sounding])  # (B, 2, T)
    estimates = forward(stack)  # (B, R, 2, T)
    if not np.isfinite(estimates).all():
        raise SeparationError(
            "The network returned values that are not numbers.",
            hint="Check the weights with: stem-bridge models verify",
        )
    for window, estimate in zip(sounding, estimates, strict=True):
        own = estimate[:, :, window.skip : window.skip + window.frames]  # (R, 2, T)
        window.lane.accept(window, own)


def _assemble(
    lanes: list[list[Lane]], outputs: list[list[FloatArray]], layout: Layout, channels: int, scale: np.float32
) -> Iterator[FloatArray]:
    """Yield the frames that every pass and every run has finished, at the render's level and on its channels."""
    for runs, made in zip(lanes, outputs, strict=True):
        for index, lane in enumerate(runs):
            made[index] = np.concatenate([made[index], lane.ready()], axis=2)  # (R, 2, T)
    count = min(out.shape[2] for made in outputs for out in made)
    if count == 0:
        return
    rows = outputs[0][0].shape[0]
    block = np.zeros((rows, channels, count), np.float32)
    for one, made in zip(layout.passes, outputs, strict=True):
        stereo = sum((out[:, :, :count] for out in made[1:]), made[0][:, :, :count]) * (scale / len(made))
        if one.is_mono:
            block[:, one.left] = (stereo[:, 0] + stereo[:, 1]) / 2  # (R, T)
        else:
            block[:, one.left], block[:, one.right] = stereo[:, 0], stereo[:, 1]
        made[:] = [out[:, :, count:] for out in made]
    yield block
