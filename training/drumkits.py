"""Recorded drum kits of Hydrogen: General MIDI drums to samples with velocity layers."""

from __future__ import annotations

import functools
import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from training.parts import KITS
from training.players import Note, Voice, notes, play
from training.sound import RATE, Sound

__all__ = ["kits", "read_kit", "recorded_drums"]

Layer = tuple[float, float, Path]
"""Velocity from, to, sample."""
KINDS = (
    (r"roll|redo|free|semi|click$|whistle|zap|fx", ()), (r"kick|bass ?drum|^bd|thump", (36, 35)),
    (r"stick|rim ?click", (37,)), (r"clap", (39,)), (r"snare|slap", (38, 40)), (r"pedal|foot", (44,)),
    (r"(hat|hh|hi-hat).*op|open ?(hh|hat)|side ohh", (46,)), (r"hat|hh", (42,)),
    (r"tom.*low|floor", (41, 43)), (r"tom.*mid", (45, 47)), (r"tom|drum", (48, 50)), (r"splash", (55,)),
    (r"china", (52,)), (r"ride.*(bell|cup)", (53,)), (r"ride", (51, 59)), (r"crash|cymbal", (49, 57)),
    (r"tamb", (54,)), (r"cowbell", (56,)), (r"bongo.*h", (60,)), (r"bongo", (61,)), (r"conga", (62, 63, 64)),
    (r"agogo.*h", (67,)), (r"agogo", (68,)), (r"maraca|shak|cabasa", (69, 70, 82)), (r"clave", (75,)),
    (r"wood.*h", (76,)), (r"wood", (77,)), (r"triangle", (80, 81)), (r"djembe|djun|udu|dum", (60, 61, 62, 63, 64)),
)  # fmt: skip
"""What an instrument's name says, first fit, and the notes that it plays."""
NEEDED = (36, 38, 42)
"""Kick, snare, closed hat: without them it is no kit."""
LOWEST_PERCUSSION = 54
INSTEAD = {
    37: 38, 39: 38, 44: 42, 46: 42, 53: 51, 59: 51, 51: 49, 49: 51, 55: 49, 52: 49, 57: 49, 41: 48, 45: 48, 48: 45
}  # fmt: skip
"""Who plays what the kit lacks."""


def recorded_drums(part: mido.MidiFile, _role: str, rng: random.Random, start: float, seconds: float) -> Sound:
    """Play a part on a random kit, its missing percussion on another: (frames, 2)."""
    every = kits()
    kit = dict(rng.choice([one for one in every if all(note in one for note in NEEDED)]))
    percussion = rng.choice(every)
    kit = {note: rng.choice(kit[note]) for note in sorted(kit)}
    for note, found in percussion.items():
        if note >= LOWEST_PERCUSSION:
            kit.setdefault(note, rng.choice(found))
    for note, other in INSTEAD.items():
        if other in kit:
            kit.setdefault(note, kit[other])
    tune, damp = 2 ** (rng.gauss(0, 1.5) / 12), rng.choice((4.0, 4.0, rng.uniform(0.15, 1.0)))
    return play(notes(part), lambda _: _drummer(kit, tune, damp, rng), rng, start, seconds, wide=False)


@functools.cache
def kits() -> tuple[dict[int, tuple[tuple[Layer, ...], ...]], ...]:
    """Return every kit: note to the instruments that can play it."""
    return tuple(read_kit(file) for file in sorted(KITS.glob("*/drumkit.xml")))


def read_kit(file: Path) -> dict[int, tuple[tuple[Layer, ...], ...]]:
    """Return what a drumkit.xml says: note to the instruments that can play it, those without samples left out."""
    text = re.sub(r'\sxmlns(:\w+)?="[^"]+"|\sxsi:\w+="[^"]+"', "", file.read_text(encoding="utf-8", errors="replace"))
    made: dict[int, list[tuple[Layer, ...]]] = {}
    for one in ET.fromstring(text).iter("instrument"):
        name = (one.findtext("name") or "").lower()
        layers = [
            (float(layer.findtext("min") or 0), float(layer.findtext("max") or 1), file.parent / sample)
            for layer in (*one.iter("layer"), one)
            if (sample := layer.findtext("filename")) and "empty" not in sample and (file.parent / sample).is_file()
        ]
        for note in next((found for pattern, found in KINDS if re.search(pattern, name)), ()) if layers else ():
            made.setdefault(note, []).append(tuple(layers))
    return {note: tuple(found) for note, found in made.items()}


def _drummer(kit: dict[int, tuple[Layer, ...]], tune: float, damp: float, rng: random.Random) -> Voice:
    def voice(note: Note) -> npt.NDArray[np.float32]:
        layers = kit.get(note.pitch)
        if layers is None:
            return np.zeros(1, np.float32)
        loud = min(1.0, max(0.01, note.loud + rng.gauss(0, 0.04)))
        fitting = [file for low, high, file in layers if low <= loud <= high] or [layers[-1][2]]
        sound = _hit(rng.choice(fitting), round(tune, 4))
        fade = np.exp(-np.arange(len(sound), dtype=np.float32) / (damp * RATE))[:, None]
        return np.asarray(sound * fade * np.float32(loud**1.3), np.float32)

    return voice


@functools.lru_cache(maxsize=300)
def _hit(file: Path, tune: float) -> npt.NDArray[np.float32]:
    sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
    sound = np.repeat(sound, 2, axis=1) if sound.shape[1] == 1 else sound[:, :2]
    return np.asarray(soxr.resample(sound[: 5 * rate], rate * tune, RATE, quality="LQ"), np.float32)
