"""What the descriptions of the shipped presets promise, each as a measure of a dry and a printed stem.

The words of a promise stand in the description, so that neither changes without the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bridge.domain.preset import Preset
from bridge.domain.stems import FloatArray
from tests.effects.array_stems import levels

__all__ = ["BANDS", "PROMISES", "Promise", "band_change_db", "crest_db", "evenness_db", "stated", "width"]

RATE = 44100
BANDS = {
    "sub": (0, 60),
    "low": (60, 250),
    "mud": (250, 600),
    "mid": (600, 2e3),
    "presence": (2e3, 6e3),
    "air": (6e3, 2e4),
}
"""Hz."""


@dataclass(frozen=True)
class Promise:
    """One clause of a description."""

    words: str
    stem: str
    holds: Callable[[FloatArray, FloatArray], bool]
    """Told the dry stem and as much of the printed one, both (2, T)."""


def stated(preset: Preset) -> dict[str, tuple[float, float]]:
    """Return the loudness changes that a description says, by stem: least and most, in LU."""
    told = preset.description.partition("Loudness change:")[2]
    number = r"([+-]\d+\.\d)"
    found = re.findall(rf"(\w+) {number}(?: to {number})?", told)
    return {stem: (float(least), float(most or least)) for stem, least, most in found}


def crest_db(sound: FloatArray) -> float:
    """Return how far the highest sample stands above the root mean square."""
    found = levels(sound, RATE)
    return float(20 * np.log10(found.peak)) - found.rms_db


def band_change_db(dry: FloatArray, wet: FloatArray, low: float, high: float) -> float:
    """Return how much louder a band is within its sound: what the loudness of all does is left out."""
    before, after = _share(dry, low, high), _share(wet, low, high)
    return float(10 * np.log10(after / before))


def _share(sound: FloatArray, low: float, high: float) -> float:
    size = 8192
    sound = np.pad(sound, ((0, 0), (0, -sound.shape[1] % size)))
    pieces = sound.reshape(sound.shape[0], -1, size) * np.hanning(size).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(pieces))).sum(axis=(0, 1))
    hz = np.fft.rfftfreq(size, 1 / RATE)
    return float(power[(hz >= low) & (hz < high)].sum() / power.sum()) + 1e-9


def width(sound: FloatArray) -> float:
    """Return the difference of left and right as a share of their sum."""
    return float(np.diff(sound, axis=0).std() / max(float(sound.sum(axis=0).std()), 1e-9))


def evenness_db(sound: FloatArray) -> float:
    """Return how far the loud pieces of 50 ms stand above the middling ones; pauses are left out."""
    found = 10 * np.log10(_pieces(sound) + 1e-12)
    found = found[found > found.max() - 30]
    return float(np.percentile(found, 95) - np.percentile(found, 25))


def _pieces(sound: FloatArray) -> FloatArray:
    size = RATE // 20
    return np.square(sound[:, : sound.shape[1] // size * size]).reshape(2, -1, size).mean(axis=(0, 2))  # (pieces,)


def _gains_db(dry: FloatArray, wet: FloatArray, floor_db: float = -30.0) -> FloatArray:
    """Return the gain of every piece that is not far below the loudest."""
    before, after = _pieces(dry), _pieces(wet)
    return (10 * np.log10((after + 1e-12) / (before + 1e-12)))[before > before.max() * 10 ** (floor_db / 10)]


def swing_db(dry: FloatArray, wet: FloatArray) -> float:
    """Return how far the gain moves."""
    gains = _gains_db(dry, wet)
    return float(np.percentile(gains, 95) - np.percentile(gains, 5))


def _closes(dry: FloatArray, wet: FloatArray) -> bool:
    """Is what is 50 dB below the loudest turned down further than what is loud?"""
    before = 10 * np.log10(_pieces(dry) + 1e-12)
    gains = 10 * np.log10(_pieces(wet) + 1e-12) - before
    loud, faint = before > before.max() - 15, (before < before.max() - 48) & (before > before.max() - 75)
    return not faint.any() or bool(np.median(gains[faint]) < np.median(gains[loud]) - 3)


def _band(name: str, low: float, high: float) -> Callable[[FloatArray, FloatArray], bool]:
    return lambda dry, wet: low <= band_change_db(dry, wet, *BANDS[name]) <= high


def _harmonics(dry: FloatArray, wet: FloatArray) -> bool:
    """Are there more overtones than in the middle of the dry sound?"""
    return band_change_db(dry.mean(axis=0, keepdims=True), wet, 250, 6e3) > 0.5


def _even(dry: FloatArray, wet: FloatArray) -> bool:
    return evenness_db(wet) < max(evenness_db(dry), 5.0)


def _mono(_: FloatArray, wet: FloatArray) -> bool:
    return float(np.abs(np.diff(wet, axis=0)).max()) < 1e-4


def _same_mono_sum(dry: FloatArray, wet: FloatArray) -> bool:
    return bool(np.allclose(dry.sum(axis=0), wet.sum(axis=0), atol=4e-6))


def _softened(dry: FloatArray, wet: FloatArray) -> bool:
    return crest_db(wet) < crest_db(dry) + 0.1


def _more_even(dry: FloatArray, wet: FloatArray) -> bool:
    return evenness_db(wet) < evenness_db(dry)


def _uncompressed(dry: FloatArray, wet: FloatArray) -> bool:
    return abs(evenness_db(wet) - evenness_db(dry)) < 1.5


def _steps_back(least: float, most: float) -> Callable[[FloatArray, FloatArray], bool]:
    return lambda dry, wet: -most - 0.1 <= np.percentile(_gains_db(dry, wet), 5) <= -least


def _all_of(*held: Callable[[FloatArray, FloatArray], bool]) -> Callable[[FloatArray, FloatArray], bool]:
    return lambda dry, wet: all(one(dry, wet) for one in held)


def _untouched(dry: FloatArray, wet: FloatArray) -> bool:
    return dry is wet or bool(np.array_equal(dry, wet))


def _wider(factor: float) -> Callable[[FloatArray, FloatArray], bool]:
    return lambda dry, wet: width(dry) < 1e-3 or width(wet) > width(dry) * factor


def _adds_a_wide_space(dry: FloatArray, wet: FloatArray) -> bool:
    return width(wet) > width(dry) + 0.01


def _less_sub(dry: FloatArray, wet: FloatArray) -> bool:
    return band_change_db(dry, wet, *BANDS["sub"]) < -1 or _share(wet, *BANDS["sub"]) < 1e-3


PROMISES: Mapping[str, tuple[Promise, ...]] = {
    "acoustic": (
        Promise("hardly any compression", "vocals", lambda dry, wet: abs(crest_db(wet) - crest_db(dry)) < 3),
        Promise("hardly any compression", "other", _uncompressed),
        Promise("mud out", "other", _band("mud", -4, 0)),
        Promise("a little air", "vocals", _band("air", 0.3, 4)),
        Promise("one short room", "vocals", _adds_a_wide_space),
        Promise("all but the bass", "bass", _untouched),
    ),
    "bass-tight": (
        Promise("mono", "bass", _mono),
        Promise("even", "bass", _even),
        Promise("harmonics from a saturated copy", "bass", _harmonics),
        Promise("Everything else dry", "other", _untouched),
    ),
    "clean": tuple(Promise("Nothing is printed", stem, _untouched) for stem in ("drums", "bass", "other", "vocals")),
    "drum-punch": (
        Promise("a crushed copy below fills between", "drums", lambda dry, wet: _fills(dry, wet) > 0.5),
        Promise("weight", "drums", lambda dry, wet: band_change_db(dry, wet, 40, 150) > -0.5),
        Promise("Everything else dry", "vocals", _untouched),
    ),
    "dub": (
        Promise("bass deep", "bass", _all_of(_band("presence", -90, -3), _band("low", -1, 6))),
        Promise("drums dry with their highs softened", "drums", _all_of(_band("air", -4, -0.5), _uncompressed)),
        Promise("echo and a dark spring behind vocals", "vocals", _adds_a_wide_space),
    ),
    "electronic": (
        Promise("bass and synths breathe", "bass", lambda dry, wet: swing_db(dry, wet) > 2),
        Promise("bass and synths breathe", "other", lambda dry, wet: swing_db(dry, wet) > 2),
        Promise("low end mono", "bass", _mono),
        Promise("highs wide", "other", _wider(1.05)),
        Promise("drums with more edge", "drums", _band("air", 0.2, 4)),
    ),
    "hip-hop": (
        Promise("bass saturated", "bass", _harmonics),
        Promise("drums clipped hard", "drums", _softened),
        Promise("close and bright", "vocals", _all_of(_band("air", 0.5, 9), _more_even)),
        Promise("samples out of both their ways", "other", _less_sub),
    ),
    "karaoke": (Promise("the backing is dry", "other", _untouched),),
    "lo-fi": (
        Promise("narrow band", "drums", _all_of(_band("air", -90, -6), _less_sub)),
        Promise("narrow band", "vocals", _all_of(_band("air", -90, -6), _less_sub)),
        Promise("narrow band", "bass", _band("air", -90, 0)),
    ),
    "mastering-prep": (
        Promise("bass in mono", "bass", _mono),
        Promise("no dynamics printed", "vocals", _uncompressed),
        Promise("no dynamics printed", "drums", _uncompressed),
    ),
    "mix-ready": (
        Promise("rumble out", "vocals", _less_sub),
        Promise("mud down", "vocals", _band("mud", -6, 0.2)),
        Promise("gentle linked compression", "vocals", _more_even),
        Promise("gentle linked compression", "bass", _more_even),
    ),
    "podcast-voice": (
        Promise("even and clear", "vocals", _all_of(_more_even, _band("presence", -0.5, 9))),
        Promise("rumble out", "vocals", _less_sub),
        Promise("never wider than mono", "vocals", _mono),
        Promise("steps back by up to 9 dB", "other", _steps_back(6, 9)),
        Promise("steps back by up to 9 dB", "drums", _steps_back(6, 9)),
    ),
    "rock": (
        Promise("compressed in parallel", "drums", lambda dry, wet: _fills(dry, wet) > 0.5),
        Promise("grit above its notes", "bass", _harmonics),
        Promise("a steady vocal", "vocals", _more_even),
        Promise("a little wider", "other", _wider(1.1)),
        Promise("out of the vocal's way", "other", _band("presence", -3, -0.2)),
    ),
    "stem-cleanup": (
        Promise("the range it cannot have", "vocals", _less_sub),
        Promise("closes softly where only bleed is", "vocals", _closes),
    ),
    "submix-prep": tuple(Promise("Nothing is processed", stem, _untouched) for stem in ("drums", "bass", "vocals")),
    "vocal-air": (
        Promise("bright", "vocals", _band("air", 0.8, 12)),
        Promise("close", "vocals", _more_even),
        Promise("everything else dry", "other", _untouched),
    ),
    "vocal-echo": (
        Promise("dotted eighths to both sides", "vocals", _adds_a_wide_space),
        Promise("Everything else dry", "drums", _untouched),
    ),
    "vocal-forward": (
        Promise("without touching the singer", "vocals", _untouched),
        Promise("the music steps back a little", "other", _steps_back(1, 4)),
    ),
    "vocal-space": (
        Promise("a warm plate", "vocals", _adds_a_wide_space),
        Promise("compression", "vocals", lambda dry, wet: crest_db(wet) < crest_db(dry) + 3),
        Promise("Everything else dry", "bass", _untouched),
    ),
    "wide-music": (
        Promise("Music wide", "other", _wider(1.1)),
        Promise("bass in the middle", "bass", _mono),
        Promise("voice and drums untouched", "vocals", _untouched),
        Promise("The mono sum of every", "other", _same_mono_sum),
    ),
}


def _fills(dry: FloatArray, wet: FloatArray) -> float:
    """Return how much further pieces 15 to 30 dB below the loudest are raised than these."""
    before = 10 * np.log10(_pieces(dry) + 1e-12)
    gains = 10 * np.log10(_pieces(wet) + 1e-12) - before
    loud, faint = before > before.max() - 4, (before < before.max() - 12) & (before > before.max() - 30)
    return float(np.median(gains[faint]) - np.median(gains[loud])) if faint.any() else 99.0
