"""Filters made of second-order sections, run block by block; how the sound is cut into blocks changes no digit."""

from __future__ import annotations

from copy import copy
from typing import Literal

import numpy as np
import numpy.typing as npt

from bridge.audio.cascade import cascade
from bridge.domain.stems import FloatArray

__all__ = ["Butterworth"]


class Butterworth:
    """A Butterworth filter with its state: 3 dB down at the cutoff, flat in the pass band, 6 dB per octave and order.

    Digital by the bilinear transform, as cascaded second-order sections (scipy.signal.butter); computed in float64.
    """

    def __init__(
        self, kind: Literal["highpass", "lowpass"], order: int, cutoff_hz: float, sample_rate: int, channels: int
    ) -> None:
        # Takes most of a second to load, and few presets have such a filter.
        from scipy.signal import butter

        self._sections: npt.NDArray[np.float64] = butter(order, cutoff_hz, kind, fs=sample_rate, output="sos")
        self._state = np.zeros((self._sections.shape[0], channels, 2))

    def then(self, other: Butterworth) -> Butterworth:
        """Return this filter with another after it, for as many channels, as one cascade with fresh state.

        Up to four sections take as long as one: the loop waits for its own last sample, not for the processor.
        """
        both = copy(self)
        both._sections = np.concatenate([self._sections, other._sections])
        both._state = np.zeros((both._sections.shape[0], *self._state.shape[1:]))
        return both

    def process(self, block: FloatArray) -> FloatArray:
        """Filter the next block, (channels, frames), float32; any length. The given array is left as it is."""
        out: FloatArray = cascade(self._sections, block, self._state).astype(np.float32)  # (C, T)
        return out
