"""Half minutes of drums whose tempo is known, in two halves: weights are fitted on one and measured on the other.

Songs are General MIDI of OpenTTD, Planet Blupi and (where installed, see `training/parts.py`) Freedoom; the SHA-256 of
a song's bytes says which half it is in. Grooves are those of MMA in quarters, one at a time; the SHA-256 of the name of
its file does, so that a groove, its variants and its namesakes are in one half. Each is played at whole tempos drawn
around 115 BPM, two thirds within 0.4 octaves, 60 to 190. Drums of the half that is fitted on are played with other
SoundFonts than those of the half that is held out. A stretch whose drums do not lie on the beats that its own file says
is left out (it was played freely, its tempo is a default), and so is one with fewer than forty strokes.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.free_music import DRUM_CHANNEL, ROLES, played, unpacked
from training import band, parts, tunes

__all__ = ["RATE", "SECONDS", "Drums", "Piece", "pieces"]

RATE, SECONDS, LEAST_STROKES, ON_THE_BEAT = 44100, 30.0, 40, 0.5
STARTS = (20.0, 55.0, 0.0, 10.0, 40.0)
PLACES = {True: 1, False: 2}
"""How many stretches of a song are used, held out and not."""
TIMES_A_GROOVE = {True: 1, False: 3}
USUAL_BPM, SPREAD_OCTAVES, SLOWEST_BPM, FASTEST_BPM = 115.0, 0.4, 60, 190
QUARTERS = {"3", "4", "3/4", "4/4"}


@dataclass(frozen=True)
class Drums:
    """A sound that is read as the effects read a stem."""

    sound: npt.NDArray[np.float32]
    """(channels, frames)"""
    frames: int
    sample_rate: int = RATE

    def read(self, stem: str, start: int, frames: int) -> npt.NDArray[np.float32]:
        return self.sound[:, start : start + frames]


@dataclass(frozen=True)
class Piece:
    """Half a minute of one tempo of a song."""

    kind: str
    source: str
    """What may not be in both halves, nor in two folds."""
    song: mido.MidiFile
    start: float
    bpm: float
    font: Path

    def stems(self, roles: tuple[str, ...] = ROLES) -> dict[str, npt.NDArray[np.float32]]:
        with tempfile.TemporaryDirectory() as name:
            midi = Path(name) / "song.mid"
            self.song.save(midi)
            return played(midi, self.font, start=self.start, seconds=SECONDS, sample_rate=RATE, roles=roles)

    def drums(self, cache: Path) -> Drums:
        """Return the drums, mono, 16 bits; those played before are kept in the cache."""
        midi = io.BytesIO()
        self.song.save(file=midi)
        digest = hashlib.sha256(midi.getvalue() + f"{self.start} {self.font}".encode()).hexdigest()
        file = cache / "drums" / f"{digest}.flac"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, self.stems(("drums",))["drums"].mean(axis=0), RATE, subtype="PCM_16")
        sound = soundfile.read(file, dtype="float32")[0][np.newaxis]
        return Drums(sound, sound.shape[1])


def pieces(cache: Path, *, held_out: bool) -> Iterator[Piece]:
    """Yield the pieces of one half, songs first, always the same ones in the same order."""
    own = next(unpacked("timgm6mb-soundfont", cache).rglob("*.sf2"))
    fonts = [own] if held_out else [parts.FONTS[0], parts.FONTS[2]]
    number = 0
    for kind, source, song in itertools.chain(_songs(cache, held_out), _grooves(held_out)):
        places = PLACES[held_out] if kind == "songs" else 1
        for start, bpm in itertools.islice(_stretches(song), places):
            yield Piece(kind, source, song, start, bpm, fonts[number % len(fonts)])
            number += 1


def _is_held_out(said: bytes) -> bool:
    return hashlib.sha256(b"tempo" + said).digest()[0] % 2 == 1


def _songs(cache: Path, held_out: bool) -> Iterator[tuple[str, str, mido.MidiFile]]:
    folders = [unpacked(package, cache) for package in ("openttd-openmsx", "planetblupi-music-midi")]
    found = [file.read_bytes() for folder in folders for file in sorted(folder.rglob("*.mid"))]
    if all(wad.is_file() for wad in parts.WADS):
        found += tunes.of_freedoom()
    for data in found:
        if _is_held_out(data) == held_out:
            yield "songs", hashlib.sha256(data).hexdigest(), mido.MidiFile(file=io.BytesIO(data))


def _grooves(held_out: bool) -> Iterator[tuple[str, str, mido.MidiFile]]:
    for file in sorted(parts.GROOVES.rglob("*.mma")):
        text = file.read_text(encoding="latin-1")
        times = set(re.findall(r"^\s*Time\s+(\S+)", text, re.IGNORECASE | re.MULTILINE))
        names = re.findall(r"^\s*DefGroove\s+(\S+)", text, re.IGNORECASE | re.MULTILINE)
        names = [name for name in names if not re.search(r"(intro|end|ending|fill)\d*$", name, re.IGNORECASE)]
        family = file.stem.lower()
        if not names or not times or not times <= QUARTERS or _is_held_out(family.encode()) != held_out:
            continue
        rng = random.Random(f"{file.parent.name} {family}")
        for _ in range(TIMES_A_GROOVE[held_out]):
            if song := _played_by_mma(rng.choice(names), rng):
                yield "grooves", family, song


def _played_by_mma(groove: str, rng: random.Random) -> mido.MidiFile | None:
    bpm = 0
    while not SLOWEST_BPM <= bpm <= FASTEST_BPM:
        bpm = round(USUAL_BPM * 2.0 ** rng.gauss(0.0, SPREAD_OCTAVES))
    chords = rng.choice(band.PROGRESSIONS).split()
    bars = round((SECONDS + 4.0) * bpm / 180)  # of three quarters; longer ones last longer
    text = [f"RndSeed {rng.randrange(1000)}", f"Tempo {bpm}", f"Groove {groove}"]
    text += [f"{number + 1} {chords[number % len(chords)]}" for number in range(bars)]
    with tempfile.TemporaryDirectory() as name:
        midi = Path(name) / "song.mid"  # it names its source: without a folder, all runs are the same bytes
        (Path(name) / "song.mma").write_text("\n".join(text) + "\n", encoding="ascii")
        command = ["mma", "song.mma", "-f", midi.name]
        done = subprocess.run(command, cwd=name, capture_output=True, timeout=600, check=False)
        return mido.MidiFile(midi) if done.returncode == 0 and midi.is_file() else None


def _stretches(song: mido.MidiFile) -> Iterator[tuple[float, float]]:
    """Yield where half minutes of one tempo start, and that tempo in BPM, as far as it is to be trusted."""
    now, tempos, strokes = 0.0, [], []
    for message in song:
        now += message.time
        if message.type == "set_tempo":
            tempos.append((now, mido.tempo2bpm(message.tempo)))
        elif message.type == "note_on" and message.velocity and message.channel == DRUM_CHANNEL:
            strokes.append(now)
    for start in STARTS:
        inside = np.array([at for at in strokes if start <= at < start + SECONDS])
        before = [bpm for at, bpm in tempos if at <= start]
        steady = all(bpm == before[-1] for at, bpm in tempos if start < at < start + SECONDS) if before else False
        if steady and inside.size >= LEAST_STROKES and np.ptp(inside) > SECONDS - 5.0:
            turns = inside * before[-1] / 60.0
            if max(abs(np.exp(2j * np.pi * turns * part).mean()) for part in (2, 3, 4, 6)) >= ON_THE_BEAT:
                yield start, before[-1]
