"""The tempo of a render as its drums tell it, where nobody says it: one number for the whole render.

Onset strength is the spectral flux of log magnitudes; its autocorrelation, summed over multiples of a lag and weighted
towards 120 BPM, gives the beat (after Ellis, "Beat Tracking by Dynamic Programming", 2007); ever longer multiples then
sharpen it. Half and double tempo can be mistaken for each other, as by people.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.errors import EffectError

__all__ = ["heard_tempo"]

LONGEST_SECONDS = 600.0
"""More than this is not listened to."""
_RATE_HZ = 200.0
_WINDOW_SECONDS = 0.023
_CHUNK_HOPS = 1024
_SLOWEST_BPM, _FASTEST_BPM = 50.0, 210.0
_STEP_BPM = 0.25
_MULTIPLES = np.array([0.5, 1, 2, 4, 8, 16])
"""Beats after which half beats and bars repeat, and those of no other tempo do."""
_USUAL_BPM = 120.0
_SPREAD_OCTAVES = 0.9
_LEAST_CORRELATION = 0.1
"""Below this, nothing repeats."""
_WHOLE_BPM = 0.05
"""A tempo this near to a whole number is one: tempos are typed in."""


class _Readable(Protocol):
    @property
    def frames(self) -> int: ...
    @property
    def sample_rate(self) -> int: ...

    def read(self, stem: str, start: int, frames: int) -> FloatArray: ...


def heard_tempo(dry: _Readable, stem: str) -> TempoMap:
    """Estimate one tempo, 50..210 BPM, from a stem; deterministic. Raises EffectError where nothing repeats."""
    hop = round(dry.sample_rate / _RATE_HZ)
    onsets = _onsets(dry, stem, hop)
    bpm = _tempo(onsets, dry.sample_rate / hop) if onsets.size else None
    if bpm is None:
        raise EffectError(
            f"The preset has note values, and no steady tempo can be heard in the {stem}.",
            hint="Say the tempo with --bpm, or put a .mid with the tempo beside the render.",
        )
    return TempoMap((TempoChange(0.0, bpm),), "estimated")


def _onsets(dry: _Readable, stem: str, hop: int) -> npt.NDArray[np.float64]:
    """Return onset strength, (hops,), one value every `hop` frames; its mean over a second is taken out."""
    size = 1 << round(math.log2(dry.sample_rate * _WINDOW_SECONDS))
    window = np.hanning(size)
    frames = min(dry.frames, round(LONGEST_SECONDS * dry.sample_rate))
    found: list[npt.NDArray[np.float64]] = []
    before = np.zeros(size // 2 + 1)
    for start in range(0, frames - size, hop * _CHUNK_HOPS):
        sound = dry.read(stem, start, min(hop * (_CHUNK_HOPS - 1) + size, frames - start)).mean(axis=0)
        pieces = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]  # (hops, size)
        loud = np.log1p(100.0 * np.abs(np.fft.rfft(pieces * window, axis=1)))  # (hops, bins)
        rises = np.maximum(np.diff(loud, axis=0, prepend=before[np.newaxis]), 0.0)
        found.append(rises.mean(axis=1))
        before = loud[-1]
    if not found:
        return np.zeros(0)
    onsets = np.concatenate(found)
    second = min(round(_RATE_HZ), onsets.size)
    return np.asarray(onsets - np.convolve(onsets, np.full(second, 1.0 / second), mode="same"))


def _tempo(onsets: npt.NDArray[np.float64], rate: float) -> float | None:
    """Return BPM; None where nothing repeats."""
    size = 1 << (2 * onsets.size - 1).bit_length()
    spectrum = np.fft.rfft(onsets, size)
    similar = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[: onsets.size]
    if similar[0] <= 0.0:
        return None
    similar /= similar[0] * np.maximum(1.0 - np.arange(onsets.size) / onsets.size, 0.05)
    tempos = np.arange(_SLOWEST_BPM, _FASTEST_BPM, _STEP_BPM)
    lags = 60.0 * rate / tempos
    reach = lags[:, np.newaxis] * _MULTIPLES  # (tempos, multiples)
    inside = reach < onsets.size / 2
    level = np.where(inside, np.interp(reach, np.arange(onsets.size), similar), 0.0)
    score = level.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    score = score * np.exp(-0.5 * (np.log2(tempos / _USUAL_BPM) / _SPREAD_OCTAVES) ** 2)
    best = int(score.argmax())
    if not inside[best].any() or level[best].max() < _LEAST_CORRELATION:
        return None
    bpm = 60.0 * rate / _sharpened(float(lags[best]), similar)
    return float(round(bpm)) if abs(bpm - round(bpm)) < _WHOLE_BPM else bpm


def _sharpened(lag: float, similar: npt.NDArray[np.float64]) -> float:
    """Find the peak near the lag and its multiples, each time twice as far, where the same error is half as large."""
    times = 1
    while (times + 1) * lag < similar.size / 2:
        middle, width = round(times * lag), max(2, round(lag / 8))
        begin = max(middle - width, 1)
        part = similar[begin : middle + width + 1]
        peak = int(part.argmax())
        if part[peak] < _LEAST_CORRELATION:
            break
        offset = 0.0
        if 0 < peak < part.size - 1:
            left, top, right = part[peak - 1 : peak + 2]
            offset = 0.5 * (left - right) / (left - 2.0 * top + right)
            lag = (begin + peak + offset) / times
        times *= 2
    return lag
