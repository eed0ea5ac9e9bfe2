"""Seeded test signals: every call gives the same (channels, frames) float32 array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["impulses", "pink_noise", "silence", "sine", "sweep"]

Signal = npt.NDArray[np.float32]
"""(channels, frames)"""


def silence(*, sample_rate: int = 44100, channels: int = 2, seconds: float = 1.0) -> Signal:
    """All zeros."""
    return np.zeros((channels, round(seconds * sample_rate)), np.float32)


def sine(
    *,
    frequency_hz: float = 997.0,
    level_db: float = -12.0,
    sample_rate: int = 44100,
    channels: int = 2,
    seconds: float = 1.0,
) -> Signal:
    """One tone with its peak at `level_db`, in phase on every channel."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    tone = 10.0 ** (level_db / 20.0) * np.sin(2.0 * np.pi * frequency_hz * time)
    return np.tile(tone.astype(np.float32), (channels, 1))


def impulses(
    *, every_seconds: float = 0.1, level: float = 0.5, sample_rate: int = 44100, channels: int = 2, seconds: float = 1.0
) -> Signal:
    """Single samples of `level`, the first in the middle of the first interval."""
    signal = silence(sample_rate=sample_rate, channels=channels, seconds=seconds)
    every = round(every_seconds * sample_rate)
    signal[:, every // 2 :: every] = level
    return signal


def sweep(
    *,
    start_hz: float = 20.0,
    end_hz: float = 10_000.0,
    level_db: float = -12.0,
    sample_rate: int = 44100,
    channels: int = 2,
    seconds: float = 1.0,
) -> Signal:
    """An exponential sine sweep, faded in and out over a tenth of its length, so that it is band-limited."""
    frames = round(seconds * sample_rate)
    time = np.arange(frames) / sample_rate
    octaves = np.log(end_hz / start_hz)
    tone = np.sin(2.0 * np.pi * start_hz * seconds / octaves * np.expm1(time / seconds * octaves))
    edge = np.minimum(np.minimum(time, time[::-1]) / (0.1 * seconds), 1.0)
    tone *= 10.0 ** (level_db / 20.0) * np.sin(0.5 * np.pi * edge) ** 2
    return np.tile(tone.astype(np.float32), (channels, 1))


def pink_noise(
    *, level_db: float = -20.0, sample_rate: int = 44100, channels: int = 2, seconds: float = 1.0, seed: int = 1
) -> Signal:
    """Noise that falls by 3 dB per octave above 20 Hz, independent channels, each with an RMS of `level_db`."""
    frames = round(seconds * sample_rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((channels, frames)))
    frequency = np.fft.rfftfreq(frames, 1.0 / sample_rate)
    spectrum /= np.sqrt(np.maximum(frequency, 20.0))
    spectrum[:, 0] = 0.0
    noise = np.fft.irfft(spectrum, frames)
    noise *= 10.0 ** (level_db / 20.0) / np.sqrt(np.square(noise).mean(axis=1, keepdims=True))
    return noise.astype(np.float32)
