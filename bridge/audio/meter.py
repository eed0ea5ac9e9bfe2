"""Streaming peak, RMS and integrated loudness; how the sound is cut into blocks changes no digit.

Loudness after ITU-R BS.1770-4: K-weighting, 400 ms blocks that overlap by 75 %, gates at -70 LUFS and 10 LU below the
ungated mean. The filters for every sample rate are the bilinear transforms of the two analogue prototypes behind the
48 kHz coefficients of the recommendation, with the parameters of libebur128 (found by Brecht De Man).
"""

from __future__ import annotations

import math
from array import array

import numpy as np
import numpy.typing as npt

from bridge.audio.cascade import cascade
from bridge.domain.render import Levels
from bridge.domain.stems import FloatArray

__all__ = ["Meter", "channel_weights"]

_SURROUND = 1.41
_LOW_FREQUENCY = 0x8
_BACK = 0x10 | 0x20
_SIDE = 0x200 | 0x400
_HOPS = 4
"""Hops of 100 ms in a gating block."""
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0


def channel_weights(channels: int, channel_mask: int) -> npt.NDArray[np.float64]:
    """Return the BS.1770-4 weight of every channel, (channels,): 1.41 for the surrounds, 0 for the LFE, else 1.

    Without a mask nothing is guessed: every channel counts 1. Where a mask has sides and backs (7.1), the sides are the
    surrounds.
    """
    surrounds = _SIDE if channel_mask & _SIDE else _BACK
    weights = [1.0] * channels
    bits = [1 << index for index in range(32) if channel_mask >> index & 1]
    for index, bit in enumerate(bits[:channels]):
        if bit == _LOW_FREQUENCY:
            weights[index] = 0.0
        elif bit & surrounds:
            weights[index] = _SURROUND
    return np.array(weights)


class Meter:
    """Measures a stream of sound. Memory: 8 bytes per 100 ms."""

    def __init__(self, sample_rate: int, channels: int, channel_mask: int = 0) -> None:
        self._sections = _k_weighting(sample_rate)
        self._state = np.zeros((2, channels, 2))  # (section, C, 2)
        self._weights = channel_weights(channels, channel_mask)
        self._hop_frames = round(sample_rate / 10)
        self._rest: npt.NDArray[np.float64] = np.zeros((channels, 0))
        self._hops = array("d")
        self._squares = 0.0
        self._frames = 0
        self._peak = 0.0

    def add(self, block: FloatArray) -> None:
        """Take in the next samples, (channels, frames)."""
        waiting = np.concatenate([self._rest, block], axis=1)  # (C, T) float64
        whole = waiting.shape[1] // self._hop_frames * self._hop_frames
        self._rest = waiting[:, whole:]
        self._frames += block.shape[1]
        if block.size:
            self._peak = max(self._peak, float(np.abs(block).max()))
        if whole:
            self._add_hops(waiting[:, :whole])

    def levels(self) -> Levels:
        """Return the levels of all that was added; loudness is -inf for silence and below 400 ms."""
        count = self._frames * self._weights.size
        mean_square = (self._squares + float(np.square(self._rest).sum())) / count if count else 0.0
        rms_db = 10.0 * math.log10(mean_square) if mean_square > 0.0 else -math.inf
        return Levels(self._peak, rms_db, _integrated(np.array(self._hops)))

    def _add_hops(self, sound: npt.NDArray[np.float64]) -> None:
        channels = sound.shape[0]
        heard = cascade(self._sections, sound, self._state)  # (C, T)
        squares = np.square(heard, out=heard).reshape(channels, -1, self._hop_frames).mean(axis=2)  # (C, hops)
        self._hops.extend((self._weights @ squares).tolist())
        for hop in np.square(sound).reshape(channels, -1, self._hop_frames).sum(axis=(0, 2)):
            self._squares += float(hop)


def _integrated(hops: npt.NDArray[np.float64]) -> float:
    if hops.size < _HOPS:
        return -math.inf
    blocks = np.convolve(hops, np.full(_HOPS, 1.0 / _HOPS), mode="valid")
    heard = blocks[blocks > _energy(_ABSOLUTE_GATE_LUFS)]
    if not heard.size:
        return -math.inf
    heard = heard[heard > heard.mean() * 10.0 ** (_RELATIVE_GATE_LU / 10.0)]
    return -0.691 + 10.0 * math.log10(float(heard.mean()))


def _energy(lufs: float) -> float:
    return float(10.0 ** ((lufs + 0.691) / 10.0))


def _k_weighting(sample_rate: int) -> npt.NDArray[np.float64]:
    """Return the shelf and the high-pass as second-order sections, (2, 6)."""
    k = math.tan(math.pi * 1681.974450955533 / sample_rate)
    quality, high = 0.7071752369554196, 10.0 ** (3.999843853973347 / 20.0)
    middle = high**0.4996667741545416
    a0 = 1.0 + k / quality + k * k
    shelf = [
        (high + middle * k / quality + k * k) / a0,
        2.0 * (k * k - high) / a0,
        (high - middle * k / quality + k * k) / a0,
        1.0,
        2.0 * (k * k - 1.0) / a0,
        (1.0 - k / quality + k * k) / a0,
    ]
    k = math.tan(math.pi * 38.13547087602444 / sample_rate)
    quality = 0.5003270373238773
    a0 = 1.0 + k / quality + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / quality + k * k) / a0]
    return np.array([shelf, high_pass])
