"""The band: MMA plays a groove on random chords; drums, bass and the rest are played each by themselves."""

from __future__ import annotations

import random
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mido

from training.sound import Sound
from training.stage import played

__all__ = ["ROLES", "Score", "compose", "play"]

ROLES = ("drums", "bass", "other")
PROGRESSIONS = (
    "C G Am F", "Am F C G", "C Am F G", "Dm7 G7 CM7 Am7", "C F G F", "Am G F E7", "Em C G D", "C Eb Bb F",
    "Cm Ab Eb Bb", "Cm Fm G7 Cm", "C C7 F Fm", "Am Dm G C", "F G Em Am", "Bm G D A", "E A B A", "C D Em G",
    "Cm Bb Ab G7", "F Fm C A7", "Gm7 C7 FM7 Dm7", "C C C G", "Am Am F G", "E G A C",
)  # fmt: skip
BASSES = (32, 33, 33, 33, 34, 34, 35, 36, 37, 38, 38, 39, 39, 87)
KITS = (0, 0, 0, 8, 16, 24, 25, 32, 40)
OTHERS = (
    *range(8), *range(6), *range(11, 14), *range(16, 24), *range(24, 32), *range(24, 32), *range(40, 47),
    *range(48, 52), *range(56, 80), *range(80, 96), 104, 105, 106, 107,
)  # fmt: skip
"""General MIDI programs of everything that is neither drums nor bass nor a voice; pianos and guitars more often."""
PANS = (64, 64, 8, 20, 32, 44, 84, 96, 108, 120)
"""Where a track of `other` stands, 0 to 127 from left to right."""
PAN_CONTROL = 10
DRUMS_CHANNEL = 9
TAIL_SECONDS = 2.0


@dataclass(frozen=True)
class Score:
    """What the band plays and the singer must know."""

    tempo_bpm: int
    key: int
    """Semitones above C."""
    song: mido.MidiFile
    seconds: float


def compose(rng: random.Random, seconds: float, names: list[str]) -> Score | None:
    """Let MMA play two grooves on two progressions; None when this groove lacks drums, bass or the rest."""
    tempo, key = rng.randint(70, 165), rng.randint(-5, 6)
    bars = max(4, round(seconds * tempo / 240))
    chords = " ".join(rng.choice(PROGRESSIONS) for _ in range(2)).split()
    text = [f"Tempo {tempo}", f"Transpose {key}"]
    for number in range(bars):
        if number in (0, bars // 2):
            text.append(f"Groove {rng.choice(names)}")
        text.append(f"{number + 1} {chords[number % len(chords)]}")
    with tempfile.TemporaryDirectory() as name:
        source, midi = Path(name) / "song.mma", Path(name) / "song.mid"
        source.write_text("\n".join(text) + "\n", encoding="ascii")
        done = subprocess.run(["mma", str(source), "-f", str(midi)], capture_output=True, timeout=600, check=False)
        if done.returncode or not midi.is_file():
            return None
        song = mido.MidiFile(midi)
    if {_role(track) for track in song.tracks[1:]} != set(ROLES):
        return None
    return Score(tempo, key % 12, song, song.length)


def play(score: Score, role: str, rng: random.Random) -> Sound:
    """Play one role with random instruments and velocities: (frames, 2)."""
    tracks = [_recast(track, role, rng) for track in score.song.tracks[1:] if _role(track) == role]
    part = mido.MidiFile(ticks_per_beat=score.song.ticks_per_beat)
    part.tracks = [score.song.tracks[0], *tracks]
    return played(part, role, rng, 0.0, score.seconds + TAIL_SECONDS)


def _role(track: mido.MidiTrack) -> str:
    if any(getattr(message, "channel", None) == DRUMS_CHANNEL for message in track):
        return "drums"
    return "bass" if re.match("bass|walk", track.name, re.IGNORECASE) else "other"


def _recast(track: mido.MidiTrack, role: str, rng: random.Random) -> mido.MidiTrack:
    """Give a track another instrument (a third of `other` keeps MMA's), a place, and its notes a player's touch."""
    program = rng.choice({"drums": KITS, "bass": BASSES, "other": OTHERS}[role])
    keeps = role == "other" and rng.random() < 0.35
    accent, spread = rng.uniform(0.85, 1.25), rng.uniform(2, 12)
    out = mido.MidiTrack()
    channels = {message.channel for message in track if hasattr(message, "channel")} if role == "other" else set()
    place = rng.choice(PANS)
    out.extend(
        mido.Message("control_change", channel=one, control=PAN_CONTROL, value=place) for one in sorted(channels)
    )
    for message in track:
        if channels and message.is_cc(PAN_CONTROL):
            message = message.copy(value=place)
        if message.type == "program_change" and not keeps:
            message = message.copy(program=program)
        elif message.type == "note_on" and message.velocity:
            loud = min(127, max(1, round(message.velocity * accent + rng.gauss(0, spread))))
            message = message.copy(velocity=loud)
        out.append(message)
    return out
