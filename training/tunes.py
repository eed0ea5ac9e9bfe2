"""Songs that people wrote: the music of Freedoom and Simutrans, in another key and tempo, through any bank."""

from __future__ import annotations

import io
import random
import struct
from collections import Counter
from dataclasses import dataclass

import mido
from mido.midifiles.meta import KeySignatureError

from benchmarks.free_music import BASS_PROGRAMS, DRUM_CHANNEL, ROLES, part_of
from training import parts
from training.sound import Sound
from training.stage import played

__all__ = ["Performance", "key_of", "lumps", "of_freedoom", "perform", "tunes"]

HEADER, ENTRY = struct.Struct("<4sii"), struct.Struct("<ii8s")
MAJOR = (0, 2, 4, 5, 7, 9, 11)
SHIFT = 5
"""Most semitones that a song is moved up or down."""
LATEST_SECONDS = 90.0
"""Everything before the start has to be played too."""


@dataclass(frozen=True)
class Performance:
    """What was played and what the singer must know."""

    stems: dict[str, Sound]
    tempo_bpm: float
    key: int
    """Semitones of the major scale's tonic above C."""


def tunes() -> list[bytes]:
    """Return the MIDI files of all songs that have drums, bass and something else, in order, none twice."""
    others = dict.fromkeys(file.read_bytes() for file in sorted(parts.SONGS.glob("*.mid")))
    return of_freedoom() + [one for one in others if _is_band(one)]


def of_freedoom() -> list[bytes]:
    """Return those of Freedoom."""
    found = dict.fromkeys(lump for wad in parts.WADS for lump in lumps(wad.read_bytes()) if lump.startswith(b"MThd"))
    return [one for one in found if _is_band(one)]


def lumps(wad: bytes) -> list[bytes]:
    """Return the contents of all entries of a WAD file (12 bytes of header, then a directory at its offset)."""
    _, count, at = HEADER.unpack_from(wad)
    places = (ENTRY.unpack_from(wad, at + ENTRY.size * number) for number in range(count))
    return [wad[start : start + size] for start, size, _ in places]


def perform(tune: bytes, seconds: float, rng: random.Random) -> Performance:
    """Play a stretch of a song, each role by itself, (frames, 2)."""
    song = mido.MidiFile(file=io.BytesIO(tune))
    shift, pace = rng.randint(-SHIFT, SHIFT), rng.uniform(0.88, 1.12)
    tempi = [mido.bpm2tempo(120)]
    for message in (one for track in song.tracks for one in track):
        if message.type in ("note_on", "note_off") and message.channel != DRUM_CHANNEL:
            message.note = min(127, max(0, message.note + shift))
        elif message.type == "set_tempo":
            message.tempo = round(message.tempo / pace)
            tempi.append(message.tempo)
    bar = 4 * tempi[-1] / 1e6
    start = rng.uniform(0, max(0.0, min(song.length - seconds, LATEST_SECONDS))) // bar * bar
    stems = {role: played(part_of(song, role, start + seconds), role, rng, start, seconds) for role in ROLES}
    return Performance(stems, mido.tempo2bpm(tempi[-1]), key_of(song))


def key_of(song: mido.MidiFile) -> int:
    """Return the tonic, 0 to 11 above C, of the major scale that holds most of the notes."""
    notes = Counter(
        one.note % 12
        for track in song.tracks
        for one in track
        if one.type == "note_on" and one.velocity and one.channel != DRUM_CHANNEL
    )
    return max(range(12), key=lambda tonic: sum(notes[(tonic + step) % 12] for step in MAJOR))


def _is_band(tune: bytes) -> bool:
    try:
        return _roles(mido.MidiFile(file=io.BytesIO(tune))) == set(ROLES)
    except (OSError, ValueError, KeySignatureError):
        return False  # some files of the nineties say what no reader takes


def _roles(song: mido.MidiFile) -> set[str]:
    programs, roles = [0] * 16, set()
    for message in song:
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on" and message.velocity:
            bass = programs[message.channel] in BASS_PROGRAMS
            roles.add("drums" if message.channel == DRUM_CHANNEL else "bass" if bass else "other")
    return roles
