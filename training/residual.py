"""Measures of sound: loudness, and what is wrong with an instrumental when voice and music are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from bridge.audio.meter import Meter

__all__ = ["level_db", "loudness", "residuals"]

RATE = 44100
BAND = butter(4, [200, 4000], "bandpass", fs=RATE, output="sos")
"""The vocal band: 200 Hz to 4 kHz."""
SECOND = RATE
SOUNDS_DB = -30.0
"""A second counts when the voice in it is not further below its loudest second."""
Sound = npt.NDArray[np.float32]
"""(2, frames)"""


def residuals(instrumental: Sound, music: Sound, voice: Sound) -> tuple[float, float]:
    """Return `voice left` and `all wrong`, both in dB against the mix, in the vocal band while the voice sounds.

    Every second of the instrumental is fitted by the true voice and the true music; the fitted share of the voice is
    what is left of it. All wrong is all that is not the true music: voice left, music lost and artefacts together.
    All three are (2, frames) at 44.1 kHz, a second at least, the voice not silent.
    """
    parts = [_seconds(sosfiltfilt(BAND, one)) for one in (instrumental, music, voice)]  # (seconds, samples)
    power = np.sum(parts[2] ** 2, axis=1)
    sings = power > power.max() * 10 ** (SOUNDS_DB / 10)
    left = wrong = whole = 0.0
    for heard, played, sung in zip(*(part[sings] for part in parts), strict=True):
        share = np.linalg.lstsq(np.stack([played, sung], axis=1), heard, rcond=None)[0][1]
        left += float(np.sum((share * sung) ** 2))
        wrong += float(np.sum((heard - played) ** 2))
        whole += float(np.sum((played + sung) ** 2))
    return level_db(left, whole), level_db(wrong, whole)


def loudness(sound: Sound) -> float:
    """Return the integrated loudness (BS.1770-4) in LUFS; -inf for silence."""
    meter = Meter(RATE, 2)
    meter.add(sound)
    return meter.levels().lufs


def level_db(power: float, against: float) -> float:
    """Return one power against another, in dB."""
    return 10 * float(np.log10((power + 1e-20) / (against + 1e-20)))


def _seconds(sound: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    whole = sound.shape[1] // SECOND
    return sound[:, : whole * SECOND].reshape(2, whole, SECOND).transpose(1, 0, 2).reshape(whole, -1)
