"""Drums from nothing: synthesised electronic kits on patterns with accents, ghost notes and fills."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfilt

from training.sound import RATE, Sound

__all__ = ["electronic_drums"]

STEPS = 16
PATTERNS = (  # kick, snare, hat of one bar in sixteenths; digits are loudness
    ("9000900090009000", "0000900000009000", "0060006000600060"),
    ("9000000090500000", "0000900000009002", "7050705070507050"),
    ("9005000090000500", "0000900200209000", "7373737373737373"),
    ("9000000000900000", "0000000090000000", "5050505050505550"),
    ("9000009000900000", "0000900000009030", "6363636363636363"),
    ("9009009000900900", "0000900000009000", "0070007000700070"),
)
Voice = Callable[[float], np.ndarray]


def electronic_drums(rng: np.random.Generator, tempo_bpm: float, seconds: float) -> Sound:
    """Play a random kit and pattern for `seconds`: (frames, 2)."""
    kick, snare, hat = _kick(rng), _snare(rng), _hat(rng)
    clap = _clap(rng) if rng.random() < 0.5 else None
    step = 60.0 / tempo_bpm / 4
    swing = rng.uniform(0, 0.25) if rng.random() < 0.3 else 0.0
    total = int(seconds * RATE)
    out = np.zeros((total + RATE, 2), np.float32)
    rows = PATTERNS[rng.integers(len(PATTERNS))]
    pans = {0: 0.5, 1: 0.5 + rng.uniform(-0.05, 0.05), 2: 0.5 + rng.uniform(-0.3, 0.3)}
    for number in range(int(seconds / step)):
        bar, place = divmod(number, STEPS)
        at = int((number + (swing if number % 2 else 0.0)) * step * RATE)
        filling = bar % 4 == 3 and place >= 12 and rng.random() < 0.7
        for row, play in enumerate((kick, snare, hat)):
            level = 6 if filling and row == 1 else int(rows[row][place])
            if level == 0 or rng.random() < 0.02:
                continue
            loud = (level / 9) ** 1.5 * rng.uniform(0.85, 1.1)
            _add(out, play(loud), at, loud, pans[row])
            if row == 1 and clap is not None and level > 5:
                _add(out, clap(loud), at, 0.6 * loud, 0.5)
    return out[:total]


def _add(out: Sound, hit: np.ndarray, at: int, level: float, pan: float) -> None:
    end = min(len(out), at + len(hit))
    if end > at:
        sides = np.array([np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2)]) * level * np.sqrt(2)
        out[at:end] += (hit[: end - at, None] * sides).astype(np.float32)


def _kick(rng: np.random.Generator) -> Voice:
    low, high = rng.uniform(42, 62), rng.uniform(140, 420)
    fall, ring = rng.uniform(0.02, 0.07), rng.uniform(0.12, 0.5)
    drive, click = rng.uniform(1, 5), rng.uniform(0, 0.4)

    def play(loud: float) -> np.ndarray:
        t = np.arange(int(ring * 4 * RATE)) / RATE
        sweep = np.cumsum(low + (high - low) * np.exp(-t / fall)) / RATE
        body = np.tanh(drive * np.sin(2 * np.pi * sweep) * np.exp(-t / ring)) / np.tanh(drive)
        return 0.9 * body + click * rng.standard_normal(len(t)) * np.exp(-t / 0.002)

    return play


def _snare(rng: np.random.Generator) -> Voice:
    tone, ring, hiss = rng.uniform(150, 260), rng.uniform(0.04, 0.14), rng.uniform(0.06, 0.25)
    band = butter(2, [rng.uniform(400, 1800), rng.uniform(7000, 15000)], "bandpass", fs=RATE, output="sos")
    share = rng.uniform(0.3, 0.7)

    def play(loud: float) -> np.ndarray:
        t = np.arange(int(0.6 * RATE)) / RATE
        body = np.sin(2 * np.pi * tone * t) + 0.5 * np.sin(2 * np.pi * tone * 1.6 * t)
        noise = sosfilt(band, rng.standard_normal(len(t))) * np.exp(-t / hiss)
        return 0.7 * share * body * np.exp(-t / ring) + (1 - share) * noise

    return play


def _hat(rng: np.random.Generator) -> Voice:
    short, long = rng.uniform(0.015, 0.05), rng.uniform(0.12, 0.35)
    band = butter(4, rng.uniform(5500, 9000), "highpass", fs=RATE, output="sos")
    metal = rng.uniform(300, 800) * np.array([1.0, 1.34, 1.57, 1.81, 2.14, 2.67])

    def play(loud: float) -> np.ndarray:
        t = np.arange(int(0.5 * RATE)) / RATE
        square = np.sign(np.sin(2 * np.pi * metal[:, None] * t)).sum(axis=0) / 6
        ring = long if rng.random() < 0.08 else short
        return 0.5 * sosfilt(band, square + 0.5 * rng.standard_normal(len(t))) * np.exp(-t / ring)

    return play


def _clap(rng: np.random.Generator) -> Voice:
    band = butter(2, [900, rng.uniform(2500, 6000)], "bandpass", fs=RATE, output="sos")

    def play(loud: float) -> np.ndarray:
        t = np.arange(int(0.4 * RATE)) / RATE
        envelope = sum(np.exp(-np.clip(t - late, 0, None) / 0.008) * (t >= late) for late in (0, 0.011, 0.022))
        return 0.8 * sosfilt(band, rng.standard_normal(len(t))) * (envelope + 0.5 * np.exp(-t / 0.1))

    return play
