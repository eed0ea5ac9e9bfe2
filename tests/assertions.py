"""What tests say about sound, with the figure in the failure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["assert_audio_close", "assert_null", "error_db"]

Signal = npt.NDArray[np.floating]
"""(channels, frames)"""


def error_db(actual: Signal, expected: Signal) -> float:
    """Return the RMS of the difference in dB re the RMS of `expected` (re full scale where that is silent)."""
    difference = np.sqrt(np.mean(np.square(np.subtract(actual, expected, dtype=np.float64))))
    reference = np.sqrt(np.mean(np.square(expected.astype(np.float64)))) or 1.0
    return float(20.0 * np.log10(difference / reference)) if difference > 0.0 else -np.inf


def assert_null(mix: Signal, stems: Iterable[Signal], below_db: float = -120.0) -> None:
    """Stems summed in float64 leave at most `below_db` of the mix, as a peak re max(1, loudest sample of a stem)."""
    rest = mix.astype(np.float64)
    loudest = 1.0
    for stem in stems:
        assert stem.shape == mix.shape, f"stem {stem.shape}, mix {mix.shape}"
        rest -= stem
        loudest = max(loudest, float(np.abs(stem).max(initial=0.0)))
    worst = float(np.abs(rest).max(initial=0.0))
    depth_db = 20.0 * np.log10(worst / loudest) if worst > 0.0 else -np.inf
    frame = int(np.abs(rest).max(axis=0).argmax())
    assert depth_db <= below_db, f"the null is {depth_db:.1f} dB deep, not {below_db:.1f} (worst at frame {frame})"


def assert_audio_close(actual: Signal, expected: Signal, below_db: float = -100.0) -> None:
    """Same shape, finite, and an RMS error of at most `below_db` re `expected`."""
    assert actual.shape == expected.shape, f"{actual.shape} is not {expected.shape}"
    assert np.isfinite(actual).all(), "not every sample is finite"
    found_db = error_db(actual, expected)
    assert found_db <= below_db, f"the error is {found_db:.1f} dB, not {below_db:.1f}"
