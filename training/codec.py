"""What a song goes through on its way to a listener: MP3 or Ogg Vorbis, and conversion between 44.1 and 48 kHz.

The stems still add up to the mix. A codec hears the mix only, so its damage is shared out bin by bin of a short-time
Fourier transform: where the mix M came back as M', every stem S is scaled by the same real gain g = Re(M' M*) / |M|^2,
within 0 and 1 (what the codec dropped or made quieter, it did to all), and the rest M' - g M (what the codec added)
goes to the stems by their share of power. The sum is g M + M' - g M = M'; a band that the codec cut is silent in all
stems; a stem that is silent in a bin stays silent there. Rate conversion is linear, so each stem goes by itself.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from scipy.signal import istft, stft

from training.sound import RATE, Sound

__all__ = ["Release", "compressed", "draw", "published", "resampled"]

OTHER_RATE = 48000
PEAK = 0.9
"""Peak of the mix that the codec hears."""
WINDOW, HOP = 2048, 512
TINY = 1e-30
Spectra = npt.NDArray[np.complex64]
"""(channels, bins, windows)"""


@dataclass(frozen=True)
class Release:
    """How a song was published."""

    rate: int
    """44100, or 48000 Hz and back, in `quality` of soxr."""
    quality: str
    codec: str | None
    """None (lossless), MP3 or OGG."""
    strength: float
    """libsndfile's compression level, 0 (best, largest) to 1."""


def draw(rng: random.Random) -> Release:
    """Choose: four in ten lossless at 44.1 kHz, a third through 48 kHz, half through a codec."""
    rate = OTHER_RATE if rng.random() < 0.33 else RATE
    codec = rng.choice(("MP3", "OGG")) if rng.random() < 0.5 else None
    return Release(rate, rng.choice(("LQ", "MQ", "HQ", "VHQ")), codec, rng.uniform(0.05, 0.85))


def published(stems: dict[str, Sound], release: Release) -> dict[str, Sound]:
    """Return the stems, (frames, 2) at 44.1 kHz, as they sound in the published mix: same length, same sum rule."""
    frames = len(next(iter(stems.values())))
    there = {stem: resampled(sound, RATE, release.rate, release.quality) for stem, sound in stems.items()}
    if release.codec is not None:
        mix = np.sum(list(there.values()), axis=0)
        gain = PEAK / max(float(np.abs(mix).max()), 1e-6)
        heard = compressed(mix * gain, release.rate, release.codec, release.strength) / gain
        there = _shared(there, mix, heard)
    back = {stem: resampled(sound, release.rate, RATE, release.quality) for stem, sound in there.items()}
    return {stem: _long(sound, frames) for stem, sound in back.items()}


def resampled(sound: Sound, here: int, there: int, quality: str) -> Sound:
    """Convert (frames, 2) from one rate to the other; the same rate is the same sound."""
    return sound if here == there else np.asarray(soxr.resample(sound, here, there, quality), dtype=np.float32)


def compressed(mix: Sound, rate: int, codec: str, strength: float) -> Sound:
    """Encode and decode (frames, 2) in memory; as long as before, in time with it, and without clipping."""
    file = io.BytesIO()
    mode = {"bitrate_mode": "CONSTANT"} if codec == "MP3" else {}
    soundfile.write(file, mix, rate, format=codec, compression_level=strength, **mode)
    file.seek(0)
    heard, _ = soundfile.read(file, dtype="float32", always_2d=True)
    return _long(heard, len(mix))


def _shared(stems: dict[str, Sound], mix: Sound, heard: Sound) -> dict[str, Sound]:
    before, after = _spectra(mix), _spectra(heard)
    power = np.abs(before) ** 2
    gain = np.clip((after * before.conj()).real / np.maximum(power, TINY), 0.0, 1.0)
    added = after - gain * before
    parts = {stem: _spectra(sound) for stem, sound in stems.items()}
    weight = np.sum([np.abs(part) ** 2 for part in parts.values()], axis=0)
    share = added / np.maximum(weight, TINY)
    return {stem: _sound(gain * part + share * np.abs(part) ** 2, len(mix)) for stem, part in parts.items()}


def _spectra(sound: Sound) -> Spectra:
    return np.asarray(stft(sound.T, nperseg=WINDOW, noverlap=WINDOW - HOP)[2], dtype=np.complex64)


def _sound(spectra: Spectra, frames: int) -> Sound:
    return _long(np.asarray(istft(spectra, nperseg=WINDOW, noverlap=WINDOW - HOP)[1].T, dtype=np.float32), frames)


def _long(sound: Sound, frames: int) -> Sound:
    return np.pad(sound[:frames], ((0, max(0, frames - len(sound))), (0, 0)))
