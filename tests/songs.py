"""Short multitracks with known stems, made of nothing but numpy: a band that plays the same song for the same seed.

Drums are kick, snare, hat and crash with velocities and a room; the bass plays eighths on the root; `other` is a
detuned pad and plucked arpeggios; the voice is sung harmonics under moving vowel formants with vibrato, glides, breath
and consonants. It is material for laws (sum, shape, alignment, determinism), with the levels and the crest of a record,
and real enough that a separation network hears instruments in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["STEMS", "mix_of", "multitrack"]

Sound = npt.NDArray[np.float32]
Mono = npt.NDArray[np.floating]
"""(frames,)"""
Field = npt.NDArray[np.floating]
"""(channels, frames)"""

STEMS = ("drums", "bass", "other", "vocals")
STEP = 2.0**-22
"""Every sample is a multiple of this, so stems add up without rounding in float32 and fit a 24-bit file."""
PEAK = 0.89
LEVELS_DB = {"drums": -16.0, "bass": -18.5, "other": -20.5, "vocals": -17.5}
"""Root mean square of each stem before the common gain that sets the peak of the mix."""

PROGRESSIONS = ((0, 5, 3, 4), (0, 4, 5, 3), (5, 3, 0, 4), (0, 3, 5, 4))
"""Roots of four bars, as degrees of the major scale."""
SCALE = (0, 2, 4, 5, 7, 9, 11)
VOWELS = {  # formant frequencies in Hz and their levels in dB, after Peterson & Barney (1952), rounded
    "a": ((730, 0), (1090, -4), (2440, -16), (3400, -20)),
    "e": ((530, 0), (1840, -9), (2480, -13), (3500, -19)),
    "i": ((290, 0), (2250, -13), (2950, -15), (3600, -19)),
    "o": ((480, 0), (900, -6), (2410, -22), (3300, -26)),
    "u": ((320, 0), (870, -10), (2240, -28), (3200, -30)),
}


@dataclass(frozen=True)
class Score:
    """What all players read: tempo, key, chords and a common clock."""

    sample_rate: int
    frames: int
    beat_seconds: float
    key: int
    """MIDI number of the tonic, in the octave below middle C."""
    roots: tuple[int, ...]
    rng: np.random.Generator

    def frame(self, beat: float) -> int:
        return round(beat * self.beat_seconds * self.sample_rate)

    @property
    def beats(self) -> int:
        return int(self.frames / self.sample_rate / self.beat_seconds) + 1

    def root(self, beat: float) -> int:
        """Degree of the chord that sounds at `beat`."""
        return self.roots[int(beat // 4) % len(self.roots)]

    def hz(self, degree: int, octave: int = 0) -> float:
        return float(440.0 * 2.0 ** ((self.key + SCALE[degree % 7] + 12 * (degree // 7 + octave) - 69) / 12))


def multitrack(seconds: float = 8.0, sample_rate: int = 44100, channels: int = 2, seed: int = 0) -> dict[str, Sound]:
    """Play a song: stem name to float32 (channels, frames); the same arguments give the same samples.

    The mix (see `mix_of`) peaks at 0.89; every sample is a multiple of 2**-22. Players sit between the first and the
    last channel as in a stereo picture; in mono all are in the middle.
    """
    frames = round(seconds * sample_rate)
    rng = np.random.default_rng([seed, 2024])
    tempo = float(rng.uniform(96.0, 124.0))
    roots = PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
    score = Score(sample_rate, frames, 60.0 / tempo, 48 + int(rng.integers(-3, 6)), roots, rng)
    played = {
        "drums": _drums(score, channels),
        "bass": _placed(np.tanh(0.8 * _bass(score)), 0.0, channels),
        "other": _other(score, channels),
        "vocals": _vocals(score, channels),
    }
    for stem, sound in played.items():
        sound *= 10 ** (LEVELS_DB[stem] / 20) / max(np.sqrt(np.mean(sound**2)), 1e-9)
    gain = PEAK / max(np.abs(sum(played.values())).max(initial=0.0), 1e-9)
    return {stem: (np.rint(played[stem] * gain / STEP) * STEP).astype(np.float32) for stem in STEMS}


def mix_of(stems: Mapping[str, Sound]) -> Sound:
    """Add stems up: float32 (channels, frames), without any rounding for stems of `multitrack`."""
    return np.sum(list(stems.values()), axis=0, dtype=np.float32)


def _drums(score: Score, channels: int) -> Field:
    """Kick, snare, hats and a crash, each in its place, with a room behind them, through a bus that saturates."""
    kit = {name: np.zeros(score.frames) for name in ("kick", "snare", "hat", "crash")}
    hits = [("crash", 0.0, 0.7)]
    for beat in range(score.beats):
        if beat % 4 in (0, 2):
            hits += [("kick", beat, 1.0), ("kick", beat + float(score.rng.choice([0.5, 0.75, 1.5])), 0.7)]
        else:
            hits.append(("snare", beat, 1.0))
        if score.rng.random() < 0.25:
            hits.append(("snare", beat + 0.75, 0.25))
        hits += [("hat", beat + eighth, 0.9 - 0.5 * eighth) for eighth in (0.0, 0.5)]
    for name, beat, accent in hits:
        late = score.rng.normal(0.0, 0.004) / score.beat_seconds
        velocity = accent * score.rng.uniform(0.8, 1.0)
        _strike(kit[name], score.frame(max(0.0, beat + late)), velocity * _drum(name, score))
    dry = sum(_placed(kit[name], pan, channels) for name, pan in zip(kit, (0.0, 0.1, -0.35, 0.5), strict=True))
    return np.tanh(dry + 0.5 * _reverb(kit["snare"] + 0.3 * kit["hat"] + 0.2 * kit["crash"], 0.4, score, channels))


def _drum(name: str, score: Score) -> Mono:
    """One hit of one drum, peak about 1."""
    length = {"kick": 0.35, "snare": 0.25, "hat": 0.08, "crash": 1.6}[name]
    t = np.arange(int(length * score.sample_rate)) / score.sample_rate
    noise = score.rng.standard_normal(t.size)
    bright = np.diff(noise, 2, prepend=(0.0, 0.0)) * 0.35
    if name == "kick":
        sweep = np.sin(2 * np.pi * (48.0 * t + 4.2 * (1 - np.exp(-t / 0.028))))
        return sweep * np.exp(-t / 0.11) + 0.3 * noise * np.exp(-t / 0.003)
    if name == "snare":
        shell = np.sin(2 * np.pi * 188 * t) + 0.6 * np.sin(2 * np.pi * 331 * t)
        return 0.5 * shell * np.exp(-t / 0.05) + 0.4 * (0.5 * noise + bright) * np.exp(-t / 0.07)
    if name == "hat":
        return 0.3 * bright * np.exp(-t / 0.022)
    return 0.4 * bright * np.exp(-t / 0.45)


def _bass(score: Score) -> Mono:
    """Eighths on the root, now and then the fifth or the octave."""
    line = np.zeros(score.frames)
    for eighth in range(2 * score.beats):
        beat = eighth / 2
        if score.rng.random() < 0.12 and beat % 4:
            continue
        step = 4 if score.rng.random() < 0.1 else 7 if score.rng.random() < 0.15 else 0
        _strike(line, score.frame(beat), _pluck(score, score.hz(score.root(beat) + step, -1), 0.46, 0.35, 14))
    return line


def _other(score: Score, channels: int) -> Field:
    """A pad that holds the chords, left and right detuned, and arpeggios in a room."""
    pads = np.zeros((2, score.frames))
    arpeggio = np.zeros(score.frames)
    bar = score.frame(4)
    fade = np.minimum(1.0, np.minimum(np.arange(bar), np.arange(bar)[::-1]) / (0.06 * score.sample_rate))
    for first in range(0, score.beats, 4):
        root = score.root(first)
        for degree in (root, root + 2, root + 4):
            for side, cents in enumerate((-6.0, 6.0)):
                hz = score.hz(degree, 1) * 2 ** (cents / 1200)
                _strike(pads[side], score.frame(first), fade * _harmonics(score, hz, bar, 1.6, 8))
        for sixteenth in range(16):
            if score.rng.random() < 0.7:
                note = score.hz(root + int(score.rng.choice([0, 2, 4, 7])), 2)
                _strike(arpeggio, score.frame(first + sixteenth / 4), 1.6 * _pluck(score, note, 0.5, 0.22, 10))
    placed = _placed(pads[0], -0.7, channels) + _placed(pads[1], 0.7, channels) + _placed(arpeggio, 0.35, channels)
    return placed + 0.3 * _reverb(arpeggio, 0.9, score, channels)


def _vocals(score: Score, channels: int) -> Field:
    """Phrases of two bars with a breath between them, in the middle, with a hall behind."""
    line = np.zeros(score.frames)
    degree = score.root(0) + 7
    hz = score.hz(degree)
    beat = 0.5
    while beat < score.beats:
        length = float(score.rng.choice([0.5, 0.5, 1.0, 1.5]))
        if beat % 8 > 6.5:
            beat, length = 8 * (beat // 8 + 1) + 0.25, 0.5
        chord = score.root(beat)
        degree = int(np.clip(degree + score.rng.integers(-2, 3), 3, 11))
        if beat % 1 == 0 and (degree - chord) % 7 not in (0, 2, 4):
            degree += 1
        last, hz = hz, score.hz(degree)
        _strike(line, score.frame(beat), _syllable(score, last, hz, length * score.beat_seconds * 0.94))
        beat += length
    return _placed(line, 0.0, channels) + 0.35 * _reverb(line, 1.2, score, channels)


def _syllable(score: Score, last_hz: float, hz: float, seconds: float) -> Mono:
    """A consonant, then a note that glides from the last pitch and moves from one vowel to another."""
    count = int(seconds * score.sample_rate)
    t = np.arange(count) / score.sample_rate
    glide = np.exp(-t / 0.03) * np.log2(last_hz / hz)
    vibrato = 0.022 * np.clip((t - 0.18) / 0.25, 0.0, 1.0) * np.sin(2 * np.pi * 5.4 * t)
    turn = np.exp(2j * np.pi * np.cumsum(hz * 2 ** (glide + vibrato)) / score.sample_rate)
    partials = hz * np.arange(1, max(2, int(min(7000.0, 0.45 * score.sample_rate) / hz)))
    first, second = (_formants(partials, VOWELS[str(v)]) for v in score.rng.choice(list(VOWELS), 2))
    wave = turn.copy()
    here, there = first[0] * wave.imag, second[0] * wave.imag
    for gain, other_gain in zip(first[1:], second[1:], strict=True):
        wave *= turn
        here += gain * wave.imag
        there += other_gain * wave.imag
    move = np.clip(t / max(seconds, 1e-9), 0.0, 1.0)
    breath = 0.02 * score.rng.standard_normal(count)
    shape: Mono = np.minimum(1.0, t / 0.03) * np.minimum(1.0, t[::-1] / 0.06) * (0.85 + 0.15 * move)
    consonant = np.diff(score.rng.standard_normal(count), prepend=0.0) * np.exp(-(((t - 0.02) / 0.02) ** 2))
    return shape * (here * (1 - move) + there * move + breath) + score.rng.uniform(0.02, 0.12) * consonant


def _formants(hz: Mono, vowel: tuple[tuple[int, int], ...]) -> Mono:
    """Gain of each partial under a vowel's resonances, on the slope of the glottis."""
    resonances = sum(10 ** (db / 20) / (1 + ((hz - centre) / (40 + 0.05 * centre)) ** 2) for centre, db in vowel)
    gains = (np.asarray(resonances) + 0.01) * (hz[0] / hz) ** 0.5
    return gains / np.sqrt(np.sum(gains**2))


def _pluck(score: Score, hz: float, seconds: float, decay_seconds: float, partials: int) -> Mono:
    """A plucked string: every partial dies away faster than the one below it."""
    t = np.arange(int(seconds * score.sample_rate)) / score.sample_rate
    tone = np.zeros(t.size)
    for number in range(1, partials + 1):
        if number * hz < 0.45 * score.sample_rate:
            tone += np.sin(2 * np.pi * number * hz * t) * np.exp(-t * number**0.7 / decay_seconds) / number
    return tone * np.minimum(1.0, t / 0.002) * np.minimum(1.0, t[::-1] / 0.01)


def _harmonics(score: Score, hz: float, count: int, slope: float, partials: int) -> Mono:
    """A steady tone whose partials fall off with `slope`."""
    turn = np.exp(2j * np.pi * hz * np.arange(count) / score.sample_rate + 1j * score.rng.uniform(0.0, 6.28))
    wave = np.ones_like(turn)
    tone = np.zeros(count)
    for number in range(1, partials + 1):
        wave *= turn
        if number * hz < 0.45 * score.sample_rate:
            tone += wave.imag / number**slope
    return tone


def _strike(line: Mono, start: int, sound: Mono) -> None:
    """Add a sound to a line at a frame; what lies past the end falls away."""
    end = min(line.size, start + sound.size)
    if end > start:
        line[start:end] += sound[: end - start]


def _placed(sound: Mono, pan: float, channels: int) -> Field:
    """Put a mono sound between the first (-1) and the last (1) channel at equal power: (channels, frames)."""
    spot = (pan + 1) / 2 * (channels - 1)
    away = np.clip(np.abs(np.arange(channels) - spot), 0.0, 1.0)
    return np.cos(away * np.pi / 2)[:, None] * sound


def _reverb(sound: Mono, seconds: float, score: Score, channels: int) -> Field:
    """A room of decaying noise, another for each channel: (channels, frames)."""
    t = np.arange(max(2, int(seconds * score.sample_rate))) / score.sample_rate
    size = 1 << (sound.size + t.size).bit_length()
    tail = score.rng.standard_normal((channels, t.size)) * np.exp(-6.9 * t / seconds) * (t > 0.008)
    tail /= np.sqrt(np.sum(tail**2, axis=1, keepdims=True)) + 1e-9
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[:, : sound.size]
