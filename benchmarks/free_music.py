"""Free music from Debian's archive, for the benchmarks: packages unpacked without installing, MIDI played by role.

Needs `apt-get` and `dpkg-deb` (any Debian or Ubuntu) and, for MIDI, `fluidsynth` (apt-get install fluidsynth).
Nothing of it is shipped.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import soundfile

__all__ = ["PACKAGES", "ROLES", "part_of", "played", "rendered", "unpacked"]

Sound = npt.NDArray[np.float32]
"""(channels, frames)"""

PACKAGES = {
    "singularity-music": "recorded and produced music as Ogg Vorbis at 48 kHz, CC BY-SA 3.0",
    "openttd-openmsx": "General MIDI songs, GPL-2",
    "planetblupi-music-midi": "General MIDI songs, GPL-3+",
    "timgm6mb-soundfont": "the SoundFont that plays them, GPL-2+",
}
ROLES = ("drums", "bass", "other")
DRUM_CHANNEL = 9
BASS_PROGRAMS = range(32, 40)
TICKS_A_SECOND = 960


def unpacked(package: str, cache: Path) -> Path:
    """Download a package into the cache and unpack it there; returns the folder that stands for '/'."""
    folder = cache / package
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=cache, check=True)
        archive = next(cache.glob(f"{package}_*.deb"))
        unfinished = cache / f"{package}.part"
        subprocess.run(["dpkg-deb", "-x", archive.name, unfinished.name], cwd=cache, check=True)
        unfinished.rename(folder)
        archive.unlink()
    return folder


def played(
    midi: Path,
    soundfont: Path,
    *,
    start: float,
    seconds: float,
    sample_rate: int = 44100,
    roles: tuple[str, ...] = ROLES,
) -> dict[str, Sound]:
    """Play a stretch of a General MIDI song, each role by itself: role to (2, frames), dry levels as the song has them.

    Channel 10 is the drums, programs 33 to 40 (counted from 1) are the bass, all else is `other`.
    """
    song = mido.MidiFile(midi)
    return {
        role: rendered(part_of(song, role, start + seconds), soundfont, start, seconds, sample_rate) for role in roles
    }


def part_of(song: mido.MidiFile, role: str, end: float) -> mido.MidiFile:
    """Keep the notes of one role, on a clock of fixed tempo; controllers and note-offs go to every role."""
    belongs = _roles(song)
    part = mido.MidiFile(ticks_per_beat=TICKS_A_SECOND // 2)
    track = mido.MidiTrack()
    now = written = 0.0
    for number, message in enumerate(song):
        now += message.time
        if now > end or message.is_meta or not belongs(number, role):
            continue
        ticks = max(0, round((now - written) * TICKS_A_SECOND))
        track.append(message.copy(time=ticks))
        written += ticks / TICKS_A_SECOND
    rest = max(0, round((end - written) * TICKS_A_SECOND))
    for channel in range(16):  # fluidsynth plays on until every note has ended
        track.append(mido.Message("control_change", channel=channel, control=120, time=0 if channel else rest))
    part.tracks.append(track)
    return part


def _roles(song: mido.MidiFile) -> Callable[[int, str], bool]:
    programs = [0] * 16
    starts: dict[int, str] = {}
    for number, message in enumerate(song):
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on" and message.velocity:
            drums, bass = message.channel == DRUM_CHANNEL, programs[message.channel] in BASS_PROGRAMS
            starts[number] = "drums" if drums else "bass" if bass else "other"
    return lambda number, role: starts.get(number, role) == role


def rendered(
    part: mido.MidiFile, soundfont: Path, start: float, seconds: float, rate: int = 44100, more: tuple[str, ...] = ()
) -> Sound:
    """Play a stretch of a part through a SoundFont: (2, frames). `more` are options of fluidsynth."""
    with tempfile.TemporaryDirectory() as name:
        midi, wav = Path(name) / "part.mid", Path(name) / "part.wav"
        part.save(midi)
        options = ["-ni", "-q", "-g", "0.6", "-r", str(rate), "-O", "float", "-T", "wav", "-F", str(wav), *more]
        subprocess.run(
            ["fluidsynth", *options, str(soundfont), str(midi)], check=True, capture_output=True, timeout=1800
        )
        sound, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    cut = sound[round(start * rate) : round((start + seconds) * rate)].T
    return np.ascontiguousarray(np.pad(cut, ((0, 0), (0, round(seconds * rate) - cut.shape[1]))))
