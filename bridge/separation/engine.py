"""From model-rate blocks to estimates, one forward at a time, in memory that the length of the song cannot grow."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from bridge.domain.stems import FloatArray
from bridge.errors import SeparationError
from bridge.prefetch import prefetch
from bridge.separation.layout import Layout
from bridge.separation.overlap import Grid, Lane, Window

__all__ = ["Forward", "Memory", "Normaliser", "ahead", "count_windows", "estimate_stream", "find_normaliser"]

_T = TypeVar("_T")

_AHEAD_BYTES = 64 << 20
"""What may wait between two stages: about a second of work for an accelerator."""
_LEAST_SCALE = 2.0**-120


class Forward(Protocol):
    """The network of one model, bag or single, for the stems that are wanted."""

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Turn normalised windows (B, 2, frames) into estimates (B, wanted stems, 2, frames)."""
        ...


class Memory(Protocol):
    """What was computed before, for the same stems. `find` and `keep` may be called from two threads."""

    def find(self, window: FloatArray) -> tuple[object, FloatArray | None]:
        """Look for a normalised window (2, frames): return a ticket to keep it by, and its estimate if it is there."""
        ...

    def maker(self) -> tuple[str, ...]:
        """Say who computed the forward that has just ended."""
        ...

    def keep(self, ticket: object, maker: tuple[str, ...], estimate: FloatArray) -> None:
        """Keep a new estimate, (wanted stems, 2, frames)."""
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
    batch: Callable[[], int] = lambda: 1,
    memory: Memory | None = None,
    beside: bool = False,
) -> Generator[FloatArray]:
    """Run the network over a signal and yield its estimates, consecutive and gapless.

    Args:
        blocks: the signal at the model's rate, (channels, any frames) each, `length` frames in all.
        rows: how many stems `forward` returns.
        layout: how channels become stereo passes; channels that no pass hears come out as zeros.
        leads_frames: one run for each, delayed by so much silence; the runs are averaged.
        batch: asked before every forward for its windows; results may differ by rounding between batch sizes.
        memory: what was computed before, and who wants to know what is.
        beside: windows are cut and looked for, computed, and kept and added up in a thread each. Changes no bit.

    Yields (rows, channels, frames) float32 after every batch. Exact silence gives exact zeros without a forward.
    Raises SeparationError when the network returns something that is not finite.
    """
    lanes = [[Lane(grid, length=length, rows=rows, lead_frames=lead) for lead in leads_frames] for _ in layout.passes]
    outputs = [[np.zeros((rows, 2, 0), np.float32) for _ in leads_frames] for _ in layout.passes]
    pieces = _cut(blocks, lanes, layout, normaliser, memory)
    with (
        closing(ahead(pieces, lambda piece: piece.window.samples.nbytes, beside=beside)) as known,
        closing(_heard(known, forward, batch, memory)) as made,
        closing(ahead(made, _estimated_bytes, beside=beside)) as heard,
    ):
        for batch_of_pieces in heard:
            _require_numbers(batch_of_pieces)
            for piece in batch_of_pieces:
                window, estimate = piece.window, piece.estimate
                if memory is not None and piece.maker is not None and estimate is not None:
                    memory.keep(piece.ticket, piece.maker, estimate)
                own = None if estimate is None else estimate[:, :, window.skip : window.skip + window.frames]
                window.lane.accept(window, own)  # (R, 2, T)
            yield from _assemble(lanes, outputs, layout, channels, np.float32(normaliser.scale))


def ahead(items: Generator[_T], bytes_of: Callable[[_T], int], *, beside: bool) -> Generator[_T]:
    """Return `items`, made in a thread of their own where work beside the network pays."""
    return prefetch(items, _AHEAD_BYTES, bytes_of) if beside else items


@dataclass(eq=False, slots=True)
class _Piece:
    """A window on its way through the network."""

    window: Window
    ticket: object = None
    """Under which the memory keeps it."""
    estimate: FloatArray | None = None
    """(R, 2, T); None where it is not known yet, and for silence."""
    maker: tuple[str, ...] | None = None
    """Who computed the estimate; None when nobody did now."""


def _cut(
    blocks: Iterable[FloatArray],
    lanes: Sequence[Sequence[Lane]],
    layout: Layout,
    normaliser: Normaliser,
    memory: Memory | None,
) -> Generator[_Piece]:
    """Cut the signal into windows, with what is known of them already."""
    mean, scale = np.float32(normaliser.mean), np.float32(normaliser.scale)
    for block in blocks:
        level = (block - mean) / scale  # (C, T)
        for one, runs in zip(layout.passes, lanes, strict=True):
            stereo = level[[one.left, one.right]]  # (2, T)
            for lane in runs:
                for window in lane.feed(stereo):
                    piece = _Piece(window)
                    if memory is not None and window.samples.any():
                        piece.ticket, piece.estimate = memory.find(window.samples)
                    yield piece


def _heard(
    pieces: Iterator[_Piece], forward: Forward, batch: Callable[[], int], memory: Memory | None
) -> Generator[list[_Piece]]:
    """Give every window its estimate, a batch of equally long ones at a time; order is kept."""
    group: list[_Piece] = []
    for piece in pieces:
        if group and group[0].window.samples.shape != piece.window.samples.shape:
            yield _computed(group, forward, memory)
            group = []
        group.append(piece)
        if len(group) >= batch():
            yield _computed(group, forward, memory)
            group = []
    if group:
        yield _computed(group, forward, memory)


def _computed(group: list[_Piece], forward: Forward, memory: Memory | None) -> list[_Piece]:
    """Let the network hear what is neither silent nor known."""
    todo = [piece for piece in group if piece.estimate is None and piece.window.samples.any()]
    if todo:
        estimates = forward(np.stack([piece.window.samples for piece in todo]))  # (B, R, 2, T)
        maker = () if memory is None else memory.maker()
        for piece, estimate in zip(todo, estimates, strict=True):
            piece.estimate, piece.maker = estimate, maker
    return group


def _estimated_bytes(group: Sequence[_Piece]) -> int:
    return sum(
        piece.window.samples.nbytes + (piece.estimate.nbytes if piece.estimate is not None else 0) for piece in group
    )


def _require_numbers(group: Sequence[_Piece]) -> None:
    for piece in group:
        if piece.maker is not None and piece.estimate is not None and not np.isfinite(piece.estimate).all():
            raise SeparationError(
                "The network returned values that are not numbers.",
                hint="Check the weights with: stem-bridge models verify",
            )


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
