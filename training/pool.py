"""Training examples from a folder of stems: songs as they were played, or stems of several songs mixed together."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.fft
import soxr
from scipy.ndimage import maximum_filter1d, uniform_filter1d

__all__ = ["STEMS", "Pool"]

Stems = npt.NDArray[np.float32]
"""(stems, 2, frames)"""
STEMS = ("drums", "bass", "other", "vocals")
LEVELS_DB = {"drums": (-3, 6), "bass": (-4, 6), "other": (-9, 5), "vocals": (-4, 6)}
"""Range of the level that each stem gets in a mix; stored stems all have the same RMS where they sound."""
BUS_FRAMES = 4411
"""How long the bus compressor listens: a tenth of a second."""
SILENT = {"drums": 0.08, "bass": 0.1, "other": 0.05, "vocals": 0.22}
"""How often a stem is left out."""

RESPEEDED, SPEEDS = 0.5, (0.84, 1.19)
"""How often a part plays faster or slower, higher or lower with it: three semitones at most."""
EQUALISED, EQUALISER_DB = 0.5, 4.0
"""How often a part is equalised, and how much (standard deviation, a gain each octave): other instruments."""
OCTAVES_HZ = 22050 / 2 ** np.arange(10, -1, -1.0)


class Pool:
    """All stems of a folder that `training.songs` fills; more may appear while training runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.songs: list[dict[str, npt.NDArray[np.int16]]] = []
        self._known: set[str] = set()
        self.look()

    def look(self) -> int:
        """Take in new songs; returns how many there are."""
        for file in sorted((self.folder / STEMS[-1]).glob("*.npy")):
            files = [self.folder / stem / file.name for stem in STEMS]
            if file.name not in self._known and all(one.exists() for one in files):
                self._known.add(file.name)
                self.songs.append({stem: np.load(one, mmap_mode="r") for stem, one in zip(STEMS, files, strict=True)})
        return len(self.songs)

    def example(self, rng: random.Random, frames: int) -> Stems:
        """Draw one example: true stems whose sum is the mix, (4, 2, frames), peak of the mix below 1."""
        together = rng.random() < 0.5
        song = rng.choice(self.songs)
        start = rng.random()
        speed = _speed(rng)
        out = np.zeros((len(STEMS), 2, frames), np.float32)
        for row, stem in enumerate(STEMS):
            if rng.random() < SILENT[stem]:
                continue
            part = song[stem] if together else rng.choice(self.songs)[stem]
            pace = speed if together else _speed(rng)
            heard = int(frames * pace) + 1
            at = int((start if together else rng.random()) * (len(part) - heard - 1))
            sound = part[at : at + heard].astype(np.float32) / 32767
            if pace != 1:
                sound = soxr.resample(sound, pace, 1.0, quality="MQ")
            sound = np.pad(sound[:frames], ((0, max(0, frames - len(sound))), (0, 0))).T
            if rng.random() < EQUALISED:
                sound = _equalised(sound, rng)
            out[row] = sound * 10 ** (rng.uniform(*LEVELS_DB[stem]) / 20) * rng.choice((1, -1))
            if rng.random() < 0.5:
                out[row] = out[row, ::-1].copy()
        return _mastered(out, rng)


def _speed(rng: random.Random) -> float:
    return rng.uniform(*SPEEDS) if rng.random() < RESPEEDED else 1.0


def _equalised(sound: npt.NDArray[np.float32], rng: random.Random) -> npt.NDArray[np.float32]:
    """Equalise (2, frames) at 44.1 kHz by a smooth curve, zero phase."""
    gains_db = [rng.gauss(0, EQUALISER_DB) for _ in OCTAVES_HZ]
    spectrum = scipy.fft.rfft(sound)
    at = np.log2(np.linspace(0, 22050, spectrum.shape[1]) + 1)
    curve = 10 ** (np.interp(at, np.log2(OCTAVES_HZ), gains_db) / 20)
    return scipy.fft.irfft(spectrum * curve.astype(np.float32), sound.shape[1])


def _glued(stems: Stems, rng: random.Random) -> Stems:
    """Compress as a mix bus does, slowly and a little: one gain curve for all stems, so that they still add up."""
    power = uniform_filter1d((stems.sum(axis=0) ** 2).mean(axis=0), BUS_FRAMES)
    threshold = float(power.mean()) * 10 ** (-rng.uniform(0, 8) / 10)
    ratio = rng.uniform(1.5, 4)
    gain = (np.maximum(power, threshold) / threshold) ** ((1 / ratio - 1) / 2)
    return stems * gain.astype(np.float32)


def _mastered(stems: Stems, rng: random.Random) -> Stems:
    """Compress and limit many of the mixes as a record is; never without one gain for all stems."""
    if float(np.abs(stems.sum(axis=0)).max()) < 1e-4:
        return stems
    if rng.random() < 0.4:
        stems = _glued(stems, rng)
    mix = np.abs(stems.sum(axis=0)).max(axis=0)
    peak = float(mix.max())
    if rng.random() < 0.6:
        ceiling = peak * 10 ** (-rng.uniform(2, 8) / 20)
        held = maximum_filter1d(mix, 301)
        gain = uniform_filter1d(np.minimum(1.0, ceiling / np.maximum(held, 1e-6)), 301)
        stems = stems * gain.astype(np.float32)
        peak = max(float(np.abs(stems.sum(axis=0)).max()), 1e-4)
    return stems * np.float32(0.95 / peak)
