"""Instruments that no SoundFont has: recorded ones (`fetch.py`) and synthesisers, each a random one of its kind."""

from __future__ import annotations

import functools
import random

import mido
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from pedalboard import Distortion, HighpassFilter, LowpassFilter, PeakFilter, Pedalboard
from scipy.ndimage import uniform_filter1d

from training.fetch import samples
from training.players import Note, Voice, notes, play
from training.sound import RATE, Sound

__all__ = ["ensemble"]

FAMILIES = (
    (range(8), ("piano",)), (range(8, 16), ("xylophone", "harp")), (range(16, 21), ("organ",)),
    (range(21, 24), ("harmonium",)), (range(24, 26), ("guitar-nylon", "guitar-acoustic")),
    (range(26, 32), ("guitar-electric",)), (range(32, 33), ("contrabass",)), (range(33, 38), ("bass-electric",)),
    (range(40, 42), ("violin",)), (range(42, 43), ("cello",)), (range(43, 44), ("contrabass",)),
    (range(44, 47), ("harp", "violin")), (range(48, 52), ("violin", "cello")), (range(56, 57), ("trumpet",)),
    (range(57, 58), ("trombone",)), (range(58, 59), ("tuba",)), (range(60, 61), ("french-horn",)),
    (range(61, 64), ("trumpet", "trombone")), (range(64, 68), ("saxophone",)), (range(70, 71), ("bassoon",)),
    (range(68, 72), ("clarinet",)), (range(72, 80), ("flute",)), (range(104, 108), ("guitar-acoustic", "harp")),
)  # fmt: skip
"""General MIDI programs to recorded instruments; all others are synthesised."""
GUITARS = range(24, 32)
SYNTHESISED = 0.25
"""How often a synthesiser plays what an instrument could."""
RELEASE_SECONDS = 0.12
TABLE = 2048


def ensemble(part: mido.MidiFile, role: str, rng: random.Random, start: float, seconds: float) -> Sound:
    """Play a part of `bass` or `other` on instruments of its programs: (frames, 2).

    Each channel is played by itself, because half of the electric guitars go through an amplifier as a whole.
    """
    out = np.zeros((round(seconds * RATE), 2), np.float32)
    every = notes(part)
    for channel in sorted({note.channel for note in every}):
        own = [note for note in every if note.channel == channel]
        sound = play(own, lambda note: _voice(note, role, rng), rng, start, seconds, role == "other")
        if own[0].program in GUITARS and rng.random() < 0.5:
            sound = _amplified(sound, rng)
        out += sound
    return out


def _voice(note: Note, role: str, rng: random.Random) -> Voice:
    fitting = next((names for programs, names in FAMILIES if note.program in programs), ())
    if role == "bass" and not {"contrabass", "bass-electric"} & set(fitting):
        fitting = ()
    if not fitting or rng.random() < SYNTHESISED:
        return _synthesiser(rng, role == "bass")
    return _recorded(rng.choice(fitting), rng.uniform(0.8, 2.0), rng.uniform(0.05, 0.4))


def _recorded(instrument: str, touch: float, release: float) -> Voice:
    """Play samples; `touch` is how much velocity does."""
    files = samples(instrument)

    def voice(note: Note) -> npt.NDArray[np.float32]:
        pitch = note.pitch
        while pitch < min(files) - 7:
            pitch += 12
        while pitch > max(files) + 7:
            pitch -= 12
        sound = _pitched(instrument, pitch)
        sound = _released(sound, note.seconds, release) * np.float32(note.loud**touch)
        soft = np.float32(max(0.0, 0.8 - note.loud))
        return (1 - soft) * sound + soft * uniform_filter1d(sound, 9, axis=0)

    return voice


@functools.lru_cache(maxsize=400)
def _pitched(instrument: str, pitch: int) -> npt.NDArray[np.float32]:
    files = samples(instrument)
    nearest = min(files, key=lambda one: abs(one - pitch))
    sound, rate = soundfile.read(files[nearest], dtype="float32", always_2d=True)
    loud = np.abs(sound).max(axis=1)
    begin = int(np.argmax(loud > 0.02 * loud.max()))  # mp3 begins with silence
    mono = sound[max(0, begin - 50) :].mean(axis=1)
    mono = mono / max(float(np.abs(mono).max()), 1e-6)
    return np.asarray(soxr.resample(mono, rate * 2 ** ((pitch - nearest) / 12), RATE, quality="LQ"), np.float32)


def _released(sound: npt.NDArray[np.float32], seconds: float, release: float) -> npt.NDArray[np.float32]:
    held = int(seconds * RATE)
    fade = int(release * RATE)
    sound = sound[: held + fade].copy()
    if len(sound) > held:
        sound[held:] *= np.linspace(1, 0, fade, dtype=np.float32)[: len(sound) - held] ** 2
    return sound


def _amplified(sound: Sound, rng: random.Random) -> Sound:
    """Send guitar through drive and a cabinet."""
    peak = max(float(np.abs(sound).max()), 1e-6)
    chain = Pedalboard(
        [
            HighpassFilter(rng.uniform(60, 160)),
            Distortion(rng.uniform(10, 36)),
            PeakFilter(rng.uniform(1500, 3500), rng.uniform(0, 8), 1.0),
            LowpassFilter(rng.uniform(3500, 6500)),
            LowpassFilter(rng.uniform(4500, 8000)),
        ]
    )
    driven = chain(np.ascontiguousarray(sound.T / peak), RATE).T
    return np.asarray(driven * (0.5 * peak), np.float32)


def _synthesiser(rng: random.Random, low: bool) -> Voice:
    """Make a patch: detuned oscillators of a random spectrum that gets duller as the note goes on."""
    slope, dull = rng.uniform(0.8, 2.0) if low else rng.uniform(0.5, 1.6), rng.uniform(0.6, 3.0)
    odd = rng.random() < 0.3
    noise = np.random.default_rng(rng.randrange(2**32))
    bumps = 10 ** (noise.normal(0, rng.uniform(0, 7), 96) / 20)
    angles = noise.uniform(0, 2 * np.pi, 96)
    filter_s, decay_s = rng.uniform(0.03, 1.5), rng.uniform(0.15, 3.0)
    sustain = rng.choice((0.0, 0.0, rng.uniform(0.2, 1.0)))
    attack_s = rng.uniform(0.002, 0.02) if low or rng.random() < 0.7 else rng.uniform(0.02, 0.4)
    release = rng.uniform(0.02, 0.1 if low else 0.5)
    detunes = [0.0] if low or rng.random() < 0.4 else [rng.uniform(-12, 12) for _ in range(rng.choice((2, 3)))]
    vibrato = rng.uniform(0, 0.004) if rng.random() < 0.3 else 0.0

    @functools.lru_cache(maxsize=128)
    def tables(pitch: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        count = max(1, min(96, int(17000 / hertz)))
        number = np.arange(1, count + 1)
        made = []
        for power in (slope, slope + dull):
            spectrum = np.zeros(TABLE // 2 + 1, complex)
            height = number**-power * bumps[:count] * np.where(odd & (number % 2 == 0), 0.02, 1.0)
            spectrum[1 : count + 1] = height * np.exp(1j * angles[:count]) / np.sqrt(np.sum(height**2))
            wave = np.fft.irfft(spectrum) * TABLE / 2
            made.append(np.append(wave, wave[0]))
        return made[0], made[1]

    def voice(note: Note) -> npt.NDArray[np.float32]:
        bright, muffled = tables(note.pitch)
        t = np.arange(int((note.seconds + release) * RATE)) / RATE
        hertz = 440 * 2 ** ((note.pitch - 69) / 12)
        opening = np.exp(-t / filter_s) * (0.3 + 0.7 * note.loud)
        sound = np.zeros(len(t))
        for number, cents in enumerate(detunes):
            turns = hertz * 2 ** (cents / 1200) * (t + vibrato / (2 * np.pi * 5) * np.sin(2 * np.pi * 5 * t))
            at = (turns + 0.37 * number) % 1 * TABLE
            places = np.arange(TABLE + 1)
            sound += opening * np.interp(at, places, bright) + (1 - opening) * np.interp(at, places, muffled)
        envelope = np.minimum(1, t / attack_s) * (sustain + (1 - sustain) * np.exp(-t / decay_s))
        loud = note.loud**1.3 / len(detunes) ** 0.5 * 0.3
        return _released((sound * envelope * loud).astype(np.float32), note.seconds, release)

    return voice
