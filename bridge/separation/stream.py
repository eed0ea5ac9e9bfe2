"""A render of any rate through a network and back: the order of the steps, and which of them run beside each other.

    read, resample | cut segments, look for them | network | keep, overlap-add | resample back, what takes the estimates

Where the network runs on an accelerator, the parts between the bars run beside each other, so that the network waits
for no disk and no disk for the network. On a CPU they do not: the network keeps every core busy, and what could be
moved beside it takes less than 1 % of htdemucs' time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from bridge.audio.read import Scan, Sound
from bridge.audio.resample import resample, resampled_frames
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.separation.engine import Forward, ahead, count_windows, estimate_stream, find_normaliser
from bridge.separation.layout import plan_layout
from bridge.separation.overlap import Grid
from bridge.separation.store import Store

__all__ = ["Listener", "stream_estimates"]

_BLOCK_FRAMES = 65536
_LARGEST_SHIFT_SECONDS = 0.5


@dataclass(frozen=True)
class Listener:
    """A network bound to the stems that are wanted."""

    forward: Forward
    rows: tuple[str, ...]
    """For each stem that comes out, text that names all that decides it: weights, backend, precision."""
    grid: Grid
    sample_rate: int
    """What the network hears."""
    beside: bool
    """It leaves the CPU free, so that reading and writing pay beside it. Changes no bit."""
    rows_now: Callable[[], tuple[str, ...]] | None = None
    """Asked for `rows` around every forward, where it may leave its device for another."""
    batch: Callable[[], int] | None = None
    """Asked for the windows of every forward; None: as the options say, one where they do not."""


def stream_estimates(
    listener: Listener, mix: Sound, scan: Scan, options: SeparationOptions, store: Store | None = None
) -> Iterator[FloatArray]:
    """Yield raw estimates, (rows, channels, frames) float32, at the render's rate and as long in all as the render.

    The network hears the render at its own rate; what lies above that rate's half stays out of every estimate.
    Deterministic; memory does not grow with the length of the render. With a store, segments that are in it are not
    computed. Raises ReadError when the render breaks, SeparationError when the network does.
    """
    source, rate, rows = mix.format, listener.sample_rate, len(listener.rows)
    length = resampled_frames(source.frames, source.sample_rate, rate)
    layout = plan_layout(source.channels, source.channel_mask)
    leads = _leads(options.shifts, scan.audio_key, rate)
    memory = None
    if store is not None:
        memory = store.remembered(
            listener.rows,
            whole=scan.audio_key,
            windows=count_windows(length=length, layout=layout, grid=listener.grid, leads_frames=leads),
            window_bytes=rows * 2 * 4 * listener.grid.segment_frames,
            rows_now=listener.rows_now,
        )
    blocks = _read(mix, rate)
    with closing(ahead(blocks, _bytes, beside=listener.beside)) as incoming:
        heard = estimate_stream(
            incoming,
            listener.forward,
            rows=rows,
            length=length,
            channels=source.channels,
            layout=layout,
            grid=listener.grid,
            normaliser=find_normaliser(scan.mean, scan.std, scan.levels.peak),
            leads_frames=leads,
            batch=listener.batch or (lambda: options.batch or 1),
            memory=memory,
            beside=listener.beside,
        )
        with closing(ahead(heard, _bytes, beside=listener.beside)) as estimates:
            if rate == source.sample_rate:
                yield from estimates
                return
            flat = (block.reshape(-1, block.shape[2]) for block in estimates)  # (R * C, T)
            back = resample(flat, rate, source.sample_rate, frames=length, target_frames=source.frames)
            for block in back:
                yield np.ascontiguousarray(block.reshape(rows, source.channels, -1))  # (R, C, T)


def _read(mix: Sound, sample_rate: int) -> Generator[FloatArray]:
    """Yield the mix at another rate, (C, T) each."""
    source = mix.format
    yield from resample(mix.blocks(_BLOCK_FRAMES), source.sample_rate, sample_rate, frames=source.frames)


def _bytes(block: FloatArray) -> int:
    return block.nbytes


def _leads(shifts: int, audio_key: str, sample_rate: int) -> tuple[int, ...]:
    """Draw the delays of the shift trick from the audio itself: the same render always gets the same ones."""
    draw = random.Random(audio_key)
    return tuple(draw.randint(0, int(_LARGEST_SHIFT_SECONDS * sample_rate)) for _ in range(shifts)) or (0,)
