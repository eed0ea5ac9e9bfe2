"""The tempo of a render as its drums tell it, where nobody says it: one number for the whole render.

Onset strength is the spectral flux of log magnitudes; its autocorrelation, summed over multiples of a lag and weighted
towards 120 BPM, gives the pulse (after Ellis, "Beat Tracking by Dynamic Programming", 2007). Whether the beat is that
pulse, twice or half as fast is told by kick and snare, which take turns from beat to beat (after Goto and Muraoka,
"Music Understanding at the Beat Level", 1995: drum patterns decide between metrical levels). Ever longer multiples of
the beat then sharpen it. It stays an estimate: half and double tempo can be mistaken for each other, as by people.
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
_USUAL_SPREAD_OCTAVES = 0.9
_LEVELS = (0.5, 1.0, 2.0)
"""Beats that a pulse may stand for."""
_KICK_HZ = (0.0, 130.0)
_SNARE_HZ = (150.0, 600.0)
"""Its body: above, hats sound between the beats."""
_TURN_SECONDS = 0.15
"""Strokes this near are one stroke."""
_TURN_WEIGHT = 1.5
_SAME_OCTAVES = 0.03
"""Tempos this near are one."""
_SLACK_HOPS = 3
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
    bpm = _tempo(onsets, dry.sample_rate / hop) if len(onsets) else None
    if bpm is None:
        raise EffectError(
            f"The preset has note values, and no steady tempo can be heard in the {stem}.",
            hint="Say the tempo with --bpm, or put a .mid with the tempo beside the render.",
        )
    return TempoMap((TempoChange(0.0, bpm),), "estimated")


def _onsets(dry: _Readable, stem: str, hop: int) -> npt.NDArray[np.float64]:
    """Return onset strength of all, of kick and of snare, (hops, 3), a row every `hop` frames, without their mean."""
    size = 1 << round(math.log2(dry.sample_rate * _WINDOW_SECONDS))
    window = np.hanning(size)
    frames = min(dry.frames, round(LONGEST_SECONDS * dry.sample_rate))
    found: list[npt.NDArray[np.float64]] = []
    before = np.zeros(size // 2 + 1)
    hz = np.fft.rfftfreq(size, 1.0 / dry.sample_rate)
    bands = [(hz >= low) & (hz < high) for low, high in ((0.0, math.inf), _KICK_HZ, _SNARE_HZ)]
    for start in range(0, frames - size, hop * _CHUNK_HOPS):
        sound = dry.read(stem, start, min(hop * (_CHUNK_HOPS - 1) + size, frames - start)).mean(axis=0)
        pieces = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]  # (hops, size)
        loud = np.log1p(100.0 * np.abs(np.fft.rfft(pieces * window, axis=1)))  # (hops, bins)
        rises = np.maximum(np.diff(loud, axis=0, prepend=before[np.newaxis]), 0.0)
        found.append(np.stack([rises[:, band].mean(axis=1) for band in bands], axis=1))
        before = loud[-1]
    if not found:
        return np.zeros((0, len(bands)))
    onsets = np.concatenate(found)  # (hops, 3)
    second = min(round(_RATE_HZ), len(onsets))
    return np.stack([row - np.convolve(row, np.full(second, 1.0 / second), mode="same") for row in onsets.T], axis=1)


def _tempo(onsets: npt.NDArray[np.float64], rate: float) -> float | None:
    """Return BPM; None where nothing repeats."""
    similar = _similarity(onsets[:, 0])
    if similar is None:
        return None
    tempos = np.arange(_SLOWEST_BPM, _FASTEST_BPM, _STEP_BPM)
    reach = 60.0 * rate / tempos[:, np.newaxis] * _MULTIPLES  # (tempos, multiples)
    inside = reach < similar.size / 2
    level = np.where(inside, np.interp(reach, np.arange(similar.size), similar), 0.0)
    pulse = level.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    best = int((pulse * _usual(tempos)).argmax())
    if not inside[best].any() or level[best].max() < _LEAST_CORRELATION:
        return None
    beat = _beat(float(tempos[best]), tempos, pulse, _turns(onsets, rate), rate)
    bpm = 60.0 * rate / _sharpened(60.0 * rate / beat, similar)
    return float(round(bpm)) if abs(bpm - round(bpm)) < _WHOLE_BPM else bpm


def _usual(bpm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * (np.log2(bpm / _USUAL_BPM) / _USUAL_SPREAD_OCTAVES) ** 2))


def _similarity(strength: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Return the autocorrelation, 1 at lag 0, corrected for the shorter overlap; None of what never changes."""
    size = 1 << (2 * strength.size - 1).bit_length()
    spectrum = np.fft.rfft(strength, size)
    similar = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[: strength.size]
    if similar[0] <= 0.0:
        return None
    return np.asarray(similar / (similar[0] * np.maximum(1.0 - np.arange(strength.size) / strength.size, 0.05)))


def _turns(onsets: npt.NDArray[np.float64], rate: float) -> npt.NDArray[np.float64]:
    """Return the autocorrelation of snare less kick: low after a beat and after three, high after two and four.

    It is less where both sound together, as in clicks and in kicks on every beat: what is left there says nothing.
    """
    width = round(_TURN_SECONDS * rate)
    window = np.hanning(width + 2)[1:-1]
    kick, snare = (np.convolve(onsets[:, number], window, mode="same") for number in (1, 2))
    apart = snare / (snare.std() or 1.0) - kick / (kick.std() or 1.0)
    turns = _similarity(apart)
    return np.zeros(len(onsets)) if turns is None else turns * min(1.0, float(apart.var()))


def _beat(
    pulse_bpm: float,
    tempos: npt.NDArray[np.float64],
    pulse: npt.NDArray[np.float64],
    turns: npt.NDArray[np.float64],
    rate: float,
) -> float:
    """Choose the metrical level of the beat, as BPM: of a pulse, half of it and double, the likeliest."""
    found: list[tuple[float, float]] = []
    for level in _LEVELS:
        near = np.flatnonzero(np.abs(np.log2(tempos / (pulse_bpm * level))) < _SAME_OCTAVES)
        if not near.size:
            continue
        best = int(near[pulse[near].argmax()])
        after = [_highest(turns, beats * 60.0 * rate / float(tempos[best])) for beats in (1, 2, 3, 4)]
        turn = max(0.0, (after[1] + after[3] - after[0] - after[2]) / 4.0)
        usual = float(_usual(tempos[best : best + 1])[0])
        found.append((float(pulse[best]) * usual * (1.0 + _TURN_WEIGHT * turn), float(tempos[best])))
    return max(found)[1]


def _highest(turns: npt.NDArray[np.float64], lag: float) -> float:
    """Return the highest value around a lag; 0 beyond the end."""
    around = turns[max(round(lag) - _SLACK_HOPS, 1) : round(lag) + _SLACK_HOPS + 1]
    return float(around.max()) if around.size and lag < turns.size / 2 else 0.0


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
