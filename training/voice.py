"""The singer: speech, recorded or synthesised, sung on a melody by the WORLD vocoder (Morise et al., 2016), full band.

WORLD keeps the vowels and consonants and takes a new pitch. Telephone speech ends at 8 kHz, so everything above is
rebuilt as noise that follows the loudness of the sibilants below, as in bandwidth extension.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyworld
import soundfile
import soxr
from scipy.signal import butter, sosfilt, sosfiltfilt

from training import parts
from training.sound import RATE, Sound

__all__ = ["SPEECH_RATE", "Speak", "sing", "speaker"]

SPEECH_RATE = 16000
FRAME_SECONDS = 0.005
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9, 12, 14))
WORDS = (
    "love", "night", "fire", "away", "heart", "dream", "light", "tonight", "forever", "river", "shadow", "golden",
    "morning", "falling", "alone", "baby", "summer", "believe", "again", "never", "time", "road", "home", "sky",
    "ocean", "dancing", "you", "me",
)  # fmt: skip
SPEAKERS = ("en+f2", "en+m3", "en-us+f4", "en-us", "en+f5", "en+m7", "es+f3", "it", "fr+f2", "de+f3", "pt+m2")
SIBILANTS = butter(4, [4000, 7500], "bandpass", fs=RATE, output="sos")
AIR = butter(4, [7600, 16000], "bandpass", fs=RATE, output="sos")
SMOOTH = butter(2, 25, fs=RATE, output="sos")


Speak = Callable[[], np.ndarray]
"""Gives a phrase of speech, (frames,) at 16 kHz."""


def speaker(rng: random.Random) -> Speak:
    """Choose a voice: recorded prompts of any language, or a synthesised one."""
    pool = rng.sample(parts.prompts(), 8) if rng.random() < 0.6 else []
    return lambda: _recorded(rng.choice(pool)) if pool else _spoken(rng)


def sing(rng: random.Random, seconds: float, key: int, tempo_bpm: float, speak: Speak) -> Sound:
    """Sing phrases with rests on a random melody in the key: (frames, 2)."""
    beat = 60.0 / tempo_bpm
    out = np.zeros((int(seconds * RATE), 2), np.float32)
    lowest = rng.choice((41, 43, 45, 47, 50, 52, 54, 56))
    base = lowest + (key - lowest) % 12
    scale, degree = rng.choice(SCALES), rng.randint(0, 6)
    doubled = rng.random() < 0.25
    noise = np.random.default_rng(rng.randrange(2**32))
    position = rng.choice((0, 1, 2, 4)) * beat
    while position < seconds - 2:
        speech = speak()
        if not SPEECH_RATE // 3 < len(speech) < 6 * SPEECH_RATE:
            position += beat
            continue
        stretch = rng.uniform(1.0, 2.4)
        melody = _Melody(rng, beat, base, scale, degree)
        phrase = _sung(speech, stretch, melody, rng, noise)
        degree = melody.degree
        _place(out, phrase, position, 0.5 if rng.random() < 0.8 else rng.uniform(0.3, 0.7))
        if doubled:
            again = _sung(speech, stretch * rng.uniform(0.99, 1.01), melody, rng, noise)
            _place(out, 0.6 * again, position + rng.uniform(0.01, 0.03), rng.uniform(0.0, 1.0))
        position += len(phrase) / RATE + beat * rng.choice((0, 0.5, 1, 1, 2, 4, 8))
    return np.clip(out, -1.5, 1.5)


class _Melody:
    """Notes that a phrase walks along; asking again gives the same ones."""

    def __init__(self, rng: random.Random, beat: float, base: int, scale: tuple[int, ...], degree: int) -> None:
        self.degree = degree
        self.notes: list[tuple[float, int]] = []
        at = 0.0
        while at < 16:
            self.degree = max(-3, min(11, self.degree + rng.choice((-2, -1, -1, 0, 1, 1, 2, 3))))
            octave, place = divmod(self.degree, len(scale))
            self.notes.append((at, base + 12 * octave + scale[place]))
            at += beat * rng.choice((0.5, 0.5, 1, 1, 2))

    def at(self, times: np.ndarray) -> np.ndarray:
        """MIDI pitch with short glides, (frames,)."""
        starts = np.array([at for at, _ in self.notes])
        pitch = np.array([note for _, note in self.notes], float)[np.searchsorted(starts, times, side="right") - 1]
        window = np.hanning(17)
        return np.convolve(np.pad(pitch, 8, mode="edge"), window / window.sum(), "valid")


def _recorded(path: Path) -> np.ndarray:
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-f", "f32le", "-ac", "1", "-ar", str(SPEECH_RATE), "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.float32)


def _spoken(rng: random.Random) -> np.ndarray:
    words = " ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 8)))
    with tempfile.TemporaryDirectory() as name:
        wav = Path(name) / "speech.wav"
        command = ["espeak-ng", "-v", rng.choice(SPEAKERS), "-s", str(rng.randint(110, 170)), "-w", str(wav), words]
        subprocess.run(command, check=True, capture_output=True)
        sound, rate = soundfile.read(wav, dtype="float32")
    return soxr.resample(sound, rate, SPEECH_RATE)


def _sung(
    speech: np.ndarray, stretch: float, melody: _Melody, rng: random.Random, noise: np.random.Generator
) -> np.ndarray:
    """Sing one phrase: (frames,), RMS 0.2."""
    sound = speech.astype(np.float64)
    pitch, clock = pyworld.dio(sound, SPEECH_RATE, frame_period=1000 * FRAME_SECONDS)
    pitch = pyworld.stonemask(sound, pitch, clock, SPEECH_RATE)
    envelope = pyworld.cheaptrick(sound, pitch, clock, SPEECH_RATE)
    breath = pyworld.d4c(sound, pitch, clock, SPEECH_RATE)
    source = np.minimum((np.arange(int(len(pitch) * stretch)) / stretch).astype(int), len(pitch) - 1)
    times = np.arange(len(source)) * FRAME_SECONDS
    vibrato = rng.uniform(0, 0.4) * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * times)
    hz = 440 * 2 ** ((melody.at(times) + vibrato - 69) / 12)
    formants = rng.uniform(0.92, 1.1)
    bins = np.minimum((np.arange(envelope.shape[1]) / formants).astype(int), envelope.shape[1] - 1)
    voice = pyworld.synthesize(
        np.where(pitch[source] > 0, hz, 0.0),
        np.ascontiguousarray(envelope[source][:, bins]),
        np.ascontiguousarray(breath[source]),
        SPEECH_RATE,
        1000 * FRAME_SECONDS,
    )
    wide = soxr.resample(voice, SPEECH_RATE, RATE)
    follow = np.sqrt(np.maximum(sosfiltfilt(SMOOTH, sosfilt(SIBILANTS, wide) ** 2), 0))
    air = sosfilt(AIR, noise.standard_normal(len(wide)))
    wide = wide + rng.uniform(0.3, 1.2) * follow * air
    return wide * (0.2 / (np.sqrt(np.mean(wide**2)) + 1e-6))


def _place(out: Sound, phrase: np.ndarray, seconds: float, pan: float) -> None:
    at = int(seconds * RATE)
    end = min(len(out), at + len(phrase))
    sides = np.array([np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2)]) * np.sqrt(2)
    out[at:end] += (phrase[: end - at, None] * sides).astype(np.float32)
