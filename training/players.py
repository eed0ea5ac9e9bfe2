"""Players of notes: what a MIDI part says, and one voice for every channel, summed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import mido
import numpy as np
import numpy.typing as npt

from training.sound import RATE, Sound

__all__ = ["Note", "Voice", "notes", "play"]

Voice = Callable[["Note"], npt.NDArray[np.float32]]
"""Gives the sound of a note from its start, (frames,) or (frames, 2)."""
LONGEST_SECONDS = 8.0
PLACES = (0.5, 0.5, 0.1, 0.25, 0.35, 0.65, 0.75, 0.9)


@dataclass(frozen=True)
class Note:
    """One note; `loud` is 0 to 1."""

    start: float
    seconds: float
    pitch: int
    loud: float
    channel: int
    program: int


def notes(part: mido.MidiFile) -> list[Note]:
    """Return all notes of a part; one that never ends ends after 8 s."""
    programs = [0] * 16
    held: dict[tuple[int, int], tuple[float, int]] = {}
    found, now = [], 0.0
    for message in part:
        now += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        if message.type not in ("note_on", "note_off"):
            continue
        key = message.channel, message.note
        if key in held:
            start, velocity = held.pop(key)
            seconds = min(now - start, LONGEST_SECONDS)
            found.append(Note(start, seconds, message.note, velocity / 127, message.channel, programs[message.channel]))
        if message.type == "note_on" and message.velocity:
            held[key] = now, message.velocity
    for (channel, pitch), (start, velocity) in held.items():
        found.append(Note(start, LONGEST_SECONDS, pitch, velocity / 127, channel, programs[channel]))
    return sorted(found, key=lambda note: note.start)


def play(
    part: list[Note], voice: Callable[[Note], Voice], rng: random.Random, start: float, seconds: float, wide: bool
) -> Sound:
    """Play what sounds between `start` and `start + seconds`: (frames, 2).

    `voice` makes the voice of a channel from its first note. With `wide` every channel has a place of its own; without,
    all stand in the middle.
    """
    out = np.zeros((round(seconds * RATE), 2), np.float32)
    voices: dict[tuple[int, int], tuple[Voice, float]] = {}
    for note in part:
        if not start - LONGEST_SECONDS / 2 < note.start < start + seconds:
            continue
        one = note.channel, note.program
        if one not in voices:
            voices[one] = voice(note), rng.choice(PLACES) if wide else 0.5
        player, place = voices[one]
        sound = player(note)
        sides = np.sqrt(2) * np.array([np.cos(place * np.pi / 2), np.sin(place * np.pi / 2)], np.float32)
        stereo = (sound[:, None] if sound.ndim == 1 else sound) * sides
        at = round((note.start - start) * RATE)
        stereo = stereo[max(0, -at) : len(out) - at]
        at = max(0, at)
        out[at : at + len(stereo)] += stereo
    return out
