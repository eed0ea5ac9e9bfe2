"""The proof of the sum: the delivered dry stems, read back from disk, against the mix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bridge.audio.read import Sound, open_sound
from bridge.units import db_to_gain, gain_to_db

__all__ = ["null_depth_db"]

_BLOCK_FRAMES = 65536


def null_depth_db(
    mix: Sound,
    stems: Sequence[Path],
    work: Path,
    *,
    gain_db: float = 0.0,
    progress: Callable[[int], None] | None = None,
) -> float:
    """Return the largest |mix * gain - sum(stems)| in dB re max(1, loudest stem sample); -inf when nothing is left.

    Stems are summed in float64. `progress` gets the frames done so far.
    """
    gain = db_to_gain(gain_db)
    sounds = [open_sound(path, work) for path in stems]
    worst, loudest = 0.0, 1.0
    try:
        for start in range(0, mix.format.frames, _BLOCK_FRAMES):
            rest = mix.read(start, _BLOCK_FRAMES).astype(np.float64) * gain  # (C, T)
            for sound in sounds:
                samples = sound.read(start, _BLOCK_FRAMES)
                loudest = max(loudest, float(np.abs(samples).max()))
                rest -= samples
            worst = max(worst, float(np.abs(rest).max()))
            if progress is not None:
                progress(min(start + _BLOCK_FRAMES, mix.format.frames))
    finally:
        for sound in sounds:
            sound.close()
    return gain_to_db(worst / loudest)
