"""The tempo of a render as its drums tell it, where nobody says it: one number for the whole render.

Onset strength is the spectral flux of log magnitudes, of everything, of kick, snare and hats (after Ellis, "Beat
Tracking by Dynamic Programming", 2007); a fifth row, snare less kick, tells their turns from beat to beat (Goto and
Muraoka, "Music Understanding at the Beat Level", 1995). Their autocorrelations at parts and multiples of a beat are the
evidence for that beat. How much each of them weighs was learned from songs of known tempo, as a choice of one tempo out
of all (McFadden, "Conditional Logit Analysis of Qualitative Choice Behavior", 1973; `benchmarks/tempo_fit.py`). So
every tempo has a probability, and where the best one has little, or owes it to being usual, the next is named. Ever
longer multiples of the beat then sharpen it. It stays an estimate: half and double tempo can be mistaken for each
other, as by people.
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

Rows = npt.NDArray[np.float64]

LONGEST_SECONDS = 600.0
"""More than this is not listened to."""
_TEMPOS_BPM: Rows = 50.0 * 2.0 ** np.arange(0.0, math.log2(210 / 50), 0.01)
"""What can be heard, in steps of 0.7 %."""
_RATE_HZ = 200.0
_WINDOW_SECONDS = 0.023
_CHUNK_HOPS = 1024
_LEAST_SECONDS = 2.0
_BANDS_HZ = ((0.0, math.inf), (0.0, 130.0), (150.0, 600.0), (5000.0, math.inf))
"""Of all, kick, the body of the snare, and hats."""
_STROKE_SECONDS = 0.03
_TURN_SECONDS = 0.15
"""Strokes of one drum this near are one stroke."""
_BEATS = np.array([1 / 3, 1 / 2, 2 / 3, 1, 3 / 2, 2, 3, 4, 6, 8])
"""Parts and multiples of a beat after which something may repeat."""
_WEIGHTS = np.array(
    (
        (-0.40, 1.35, -0.08, 1.31, 0.31, 1.07, 0.57, 1.05, 0.38, 1.28),
        (-0.40, -0.35, 0.30, 0.63, -0.04, -0.50, 0.81, -0.10, 0.28, 0.66),
        (-0.24, -0.19, 0.03, 0.33, -0.09, 0.03, 0.54, -0.11, 0.69, 0.31),
        (-0.45, 0.42, 0.00, 0.26, 0.33, 0.10, 0.59, -0.05, 0.56, 0.43),
        (0.01, -0.51, 0.17, -1.04, -0.25, 0.85, -0.62, 1.19, -0.10, -0.05),
    )
)
"""What it says for a tempo that a row (all, kick, snare, hats, snare less kick) repeats after so many beats.

These and the usual tempo below are what `python -m benchmarks.tempo_fit` prints; figures: benchmarks/README.md.
"""
_USUAL_BPM, _USUAL_SPREAD_OCTAVES = 126.0, 0.35
_SLACK_HOPS = 3
_STRONGEST_SECONDS = (0.2, 5.0)
"""Repetitions count in relation to the strongest one within these times."""
_FAINT = 0.05
_SURE, _STILL_SURE = 0.8, 0.7
"""A tempo with less probability may be another one, and so may one with less when usual tempos count less."""
_DOUBTED_PRIOR = 0.5
"""So much less. It doubts a tempo that is taken for twice or half as fast because that is more usual."""
_SAME_OCTAVES = 0.04
"""Tempos this near are one."""
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
    """Estimate one tempo, 50..210 BPM, from a stem, and where that is doubtful another one; deterministic.

    Raises EffectError where nothing repeats.
    """
    onsets, rate = _onset_strength(dry, stem)
    found = _tempo(onsets, rate) if len(onsets) >= _LEAST_SECONDS * rate else None
    if found is None:
        raise EffectError(
            f"The preset has note values, and no steady tempo can be heard in the {stem}.",
            hint="Say the tempo with --bpm, or put a .mid with the tempo beside the render.",
        )
    bpm, other = found
    return TempoMap((TempoChange(0.0, bpm),), "estimated", other)


def _onset_strength(dry: _Readable, stem: str) -> tuple[Rows, float]:
    """Return onset strength of all, kick, snare and hats, (hops, 4), without their mean, and the hops a second."""
    hop = round(dry.sample_rate / _RATE_HZ)
    size = 1 << round(math.log2(dry.sample_rate * _WINDOW_SECONDS))
    window = np.hanning(size)
    frames = min(dry.frames, round(LONGEST_SECONDS * dry.sample_rate))
    found = [np.zeros((0, len(_BANDS_HZ)))]
    before = np.zeros(size // 2 + 1)
    hz = np.fft.rfftfreq(size, 1.0 / dry.sample_rate)
    inside = np.stack([(hz >= low) & (hz < high) for low, high in _BANDS_HZ], axis=1).astype(np.float64)
    inside /= np.maximum(inside.sum(axis=0), 1.0)  # (bins, bands)
    for start in range(0, frames - size, hop * _CHUNK_HOPS):
        sound = dry.read(stem, start, min(hop * (_CHUNK_HOPS - 1) + size, frames - start)).mean(axis=0)
        pieces = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]  # (hops, size)
        loud = np.log1p(100.0 * np.abs(np.fft.rfft(pieces * window, axis=1)))  # (hops, bins)
        found.append(np.maximum(np.diff(loud, axis=0, prepend=before[np.newaxis]), 0.0) @ inside)
        before = loud[-1]
    onsets = np.concatenate(found)  # (hops, bands)
    if second := min(round(_RATE_HZ), len(onsets)):
        steady = [np.convolve(row, np.full(second, 1.0 / second), mode="same") for row in onsets.T]
        onsets -= np.stack(steady, axis=1)
    return onsets, dry.sample_rate / hop


def _evidence(onsets: Rows, rate: float) -> Rows:
    """Return what speaks for each tempo, (tempos, rows x beats): how much a row repeats, with the strongest as 1."""
    lags = 60.0 * rate / _TEMPOS_BPM[:, np.newaxis] * _BEATS  # (tempos, beats)
    strokes = [_smooth(row, _STROKE_SECONDS * rate) for row in onsets.T[1:]]
    found = []
    for similar in (*map(_similarity, (onsets[:, 0], *strokes)), _turns(onsets, rate)):
        peaks = np.lib.stride_tricks.sliding_window_view(np.pad(similar, _SLACK_HOPS), 2 * _SLACK_HOPS + 1).max(axis=1)
        begin, end = (round(seconds * rate) for seconds in _STRONGEST_SECONDS)
        strongest = max(float(similar[begin : min(end, similar.size // 2)].max(initial=0.0)), _FAINT)
        inside = lags < 0.75 * similar.size
        found.append(np.where(inside, np.interp(lags, np.arange(similar.size), peaks), 0.0) / strongest)
    return np.concatenate(found, axis=1)


def _tempo(onsets: Rows, rate: float) -> tuple[float, float | None] | None:
    """Return BPM, and another one where that is doubtful; None where nothing repeats."""
    similar = _similarity(onsets[:, 0])
    usual = -0.5 * (np.log2(_TEMPOS_BPM / _USUAL_BPM) / _USUAL_SPREAD_OCTAVES) ** 2
    said = _evidence(onsets, rate) @ _WEIGHTS.ravel()
    share, doubted = _shares(said + usual), _shares(said + _DOUBTED_PRIOR * usual)
    best = float(_TEMPOS_BPM[share.argmax()])
    beat = [
        similar[round(n * 60 * rate / best) - _SLACK_HOPS :][: 2 * _SLACK_HOPS + 1].max(initial=0) for n in (1, 2, 4)
    ]
    if max(beat) < _LEAST_CORRELATION:
        return None
    near = np.abs(np.log2(_TEMPOS_BPM / best)) < _SAME_OCTAVES
    other = float(_TEMPOS_BPM[np.where(near, 0.0, share).argmax()])
    is_sure = float(share[near].sum()) >= _SURE and float(doubted[near].sum()) >= _STILL_SURE
    return _exact(best, similar, rate), None if is_sure else _exact(other, similar, rate)


def _shares(score: Rows) -> Rows:
    """Return probabilities that add up to 1."""
    share = np.exp(score - score.max())
    return np.asarray(share / share.sum())


def _exact(bpm: float, similar: Rows, rate: float) -> float:
    found = 60.0 * rate / _sharpened(60.0 * rate / bpm, similar)
    return float(round(found)) if abs(found - round(found)) < _WHOLE_BPM else float(found)


def _similarity(strength: Rows) -> Rows:
    """Return the autocorrelation, 1 at lag 0, corrected for the shorter overlap; zeros of what never changes."""
    size = 1 << (2 * strength.size - 1).bit_length()
    spectrum = np.fft.rfft(strength, size)
    similar = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[: strength.size]
    if similar[0] <= 0.0:
        return np.zeros(strength.size)
    return np.asarray(similar / (similar[0] * np.maximum(1.0 - np.arange(strength.size) / strength.size, 0.05)))


def _turns(onsets: Rows, rate: float) -> Rows:
    """Return the autocorrelation of snare less kick: low after a beat and after three, high after two and four.

    It is less where both sound together, as in clicks and in kicks on every beat: what is left there says nothing.
    """
    kick, snare = (_smooth(onsets[:, number], _TURN_SECONDS * rate) for number in (1, 2))
    apart = snare / (snare.std() or 1.0) - kick / (kick.std() or 1.0)
    return _similarity(apart) * min(1.0, float(apart.var()))


def _smooth(row: Rows, width: float) -> Rows:
    return np.convolve(row, np.hanning(round(width) + 2)[1:-1], mode="same")


def _sharpened(lag: float, similar: Rows) -> float:
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
