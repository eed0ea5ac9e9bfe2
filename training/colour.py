"""What a mixing engineer does to one stem: equaliser, compressor, drive, space; random, the kinds that fit the stem."""

from __future__ import annotations

import random

import numpy as np
from pedalboard import (
    Chorus,
    Clipping,
    Compressor,
    Delay,
    Distortion,
    HighpassFilter,
    HighShelfFilter,
    LowpassFilter,
    LowShelfFilter,
    PeakFilter,
    Pedalboard,
    Plugin,
    Reverb,
)

from training.sound import RATE, Sound

__all__ = ["coloured"]

WIDENED = {"drums": 0.3, "bass": 0.0, "other": 0.5, "vocals": 0.2}
"""How often a stem is spread over the sides; records have the bass in the middle."""


def coloured(sound: Sound, stem: str, rng: random.Random) -> Sound:
    """Return the stem as it would sit in a mix: (frames, 2)."""
    chain = {"vocals": _vocals, "bass": _bass, "drums": _drums, "other": _other}[stem](rng)
    if rng.random() < 0.6:
        chain.append(PeakFilter(float(np.exp(rng.uniform(np.log(150), np.log(8000)))), rng.uniform(-6, 6), 1.0))
    if rng.random() < 0.4:
        chain.append(HighShelfFilter(rng.uniform(4000, 9000), rng.uniform(-5, 6)))
    made = Pedalboard(chain)(np.ascontiguousarray(sound.T), RATE).T if chain else sound
    return _widened(made, rng.uniform(0.006, 0.02), rng.uniform(0.2, 0.9)) if rng.random() < WIDENED[stem] else made


def _widened(sound: Sound, seconds: float, width: float) -> Sound:
    """Add a late copy to one side and take it from the other: wide, and the same as before in mono."""
    late = np.roll(sound.mean(axis=1), round(seconds * RATE))
    late[: round(seconds * RATE)] = 0.0
    side = width * Pedalboard([HighpassFilter(200)])(late.astype(np.float32), RATE)
    return sound + np.stack([side, -side], axis=1)


def _reverb(rng: random.Random, room: tuple[float, float], wet: tuple[float, float]) -> Plugin:
    return Reverb(rng.uniform(*room), rng.uniform(0.2, 0.8), rng.uniform(*wet), 0.75, rng.uniform(0.6, 1.0))


def _vocals(rng: random.Random) -> list[Plugin]:
    low = rng.uniform(60, 150)
    chain: list[Plugin] = [HighpassFilter(low), HighpassFilter(low)]
    if rng.random() < 0.7:
        chain.append(Compressor(-22, rng.uniform(2, 5), 5, 120))
    if rng.random() < 0.25:
        chain.append(Delay(rng.uniform(0.12, 0.5), rng.uniform(0.1, 0.35), rng.uniform(0.05, 0.25)))
    if rng.random() < 0.75:
        chain.append(_reverb(rng, (0.1, 0.85), (0.03, 0.25)))
    return chain


def _bass(rng: random.Random) -> list[Plugin]:
    chain: list[Plugin] = []
    if rng.random() < 0.3:
        chain.append(Distortion(rng.uniform(3, 15)))
    if rng.random() < 0.5:
        chain.append(LowpassFilter(rng.uniform(800, 6000)))
    if rng.random() < 0.5:
        chain.append(LowShelfFilter(rng.uniform(70, 140), rng.uniform(-2, 7)))
    if rng.random() < 0.5:
        chain.append(Compressor(-20, 4, 10, 100))
    return chain


def _drums(rng: random.Random) -> list[Plugin]:
    chain: list[Plugin] = []
    if rng.random() < 0.6:
        chain.append(Compressor(-24, rng.uniform(3, 8), rng.uniform(1, 15), 80))
    if rng.random() < 0.4:
        chain.append(LowShelfFilter(rng.uniform(60, 120), rng.uniform(0, 7)))
    if rng.random() < 0.5:
        chain.append(Clipping(-rng.uniform(6, 14)))
    if rng.random() < 0.3:
        chain.append(_reverb(rng, (0.1, 0.5), (0.03, 0.15)))
    return chain


def _other(rng: random.Random) -> list[Plugin]:
    chain: list[Plugin] = []
    if rng.random() < 0.3:
        chain.append(Chorus())
    if rng.random() < 0.15:
        chain.append(Distortion(rng.uniform(5, 20)))
    if rng.random() < 0.3:
        chain.append(HighpassFilter(rng.uniform(80, 250)))
    else:
        chain.append(LowShelfFilter(rng.uniform(120, 300), rng.uniform(0, 7)))
    if rng.random() < 0.5:  # sampled banks end early; records do not
        chain.append(HighShelfFilter(rng.uniform(2500, 6000), rng.uniform(2, 10)))
    if rng.random() < 0.5:
        chain.append(_reverb(rng, (0.1, 0.7), (0.05, 0.25)))
    return chain
