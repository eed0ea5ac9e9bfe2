"""Streaming sample-rate conversion that keeps length and alignment to the sample.

soxr at its very high quality is linear-phase, computes in double precision inside and takes its own delay out, so
frame 0 stays at time 0. float32 in and out is enough: double precision outside measures the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr

from bridge.domain.stems import FloatArray

__all__ = ["resample", "resampled_frames"]


def resampled_frames(frames: int, source_rate: int, target_rate: int) -> int:
    """Return the length after conversion: frames * target_rate / source_rate, rounded to nearest, halves up."""
    return (2 * frames * target_rate + source_rate) // (2 * source_rate)


def resample(
    blocks: Iterator[FloatArray],
    source_rate: int,
    target_rate: int,
    *,
    frames: int,
    target_frames: int | None = None,
) -> Iterator[FloatArray]:
    """Convert a stream of (channels, frames) blocks with `frames` frames in all.

    Yields exactly `target_frames` frames (default: `resampled_frames`); on the way back give the original length, since
    two roundings may miss it by one. Equal rates and lengths: the same arrays pass through. How the sound is cut into
    blocks changes no bit. Raises ValueError when the blocks do not have `frames` frames in all.
    """
    wanted = resampled_frames(frames, source_rate, target_rate) if target_frames is None else target_frames
    if source_rate == target_rate and wanted == frames:
        yield from blocks
        return
    stream: soxr.ResampleStream | None = None
    taken = given = channels = 0
    for block in blocks:
        if stream is None:
            channels = block.shape[0]
            stream = soxr.ResampleStream(source_rate, target_rate, channels, dtype="float32", quality="VHQ")
        taken += block.shape[1]
        made = stream.resample_chunk(np.ascontiguousarray(block.T, dtype=np.float32))[: wanted - given]  # (T, C)
        given += made.shape[0]
        if made.size:
            yield np.ascontiguousarray(made.T)  # (C, T)
    if taken != frames:
        raise ValueError(f"{taken} frames came, {frames} were announced")
    if stream is None:
        return
    last = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)[: wanted - given]  # (T, C)
    missing = np.zeros((wanted - given - last.shape[0], channels), np.float32)
    if wanted > given:
        yield np.ascontiguousarray(np.concatenate([last, missing]).T)  # (C, T)
