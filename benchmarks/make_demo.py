"""Make the bundled demo song: four true stems of a pop-rock song, from freely licensed parts, as Ogg Vorbis.

    apt-get install mma fluidsynth fluid-soundfont-gm musescore-general-soundfont-small flite
    pip install pyworld pyloudnorm "setuptools<81"        (beside stem-bridge itself)
    python benchmarks/make_demo.py OUT [--groove BasicRock] [--font fluid]

MMA plays a groove on our chords, fluidsynth renders it by role (drums, bass, the rest), and our words are sung on our
melody: flite speaks a line, its vowels are stretched to the notes, and the WORLD vocoder (Morise et al., 2016) gives it
the pitch. Then each stem gets the treatment it would get in a mix, and one gain curve, found on the mix, limits all
four alike, so that the stems still add up to the master. The decoded Ogg files are the truth by definition.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import pyloudnorm
import pyworld
import soundfile
import soxr
from pedalboard import (
    Chorus,
    Compressor,
    Delay,
    Distortion,
    Gain,
    HighpassFilter,
    HighShelfFilter,
    LowpassFilter,
    LowShelfFilter,
    PeakFilter,
    Pedalboard,
    Reverb,
)
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

Sound = npt.NDArray[np.float32]
"""(channels, frames)"""

RATE = 44100
TEMPO = 108.0
BEAT = 60.0 / TEMPO
CHORDS = ("D", "D", "A", "Bm", "G", "D", "A", "G", "A", "D")
"""One a bar; the voice enters at the end of the first."""
SECONDS = 4 * len(CHORDS) * BEAT + 0.6
FONTS = {
    "fluid": "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "musescore": "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
}
STEM_LUFS = {"drums": -18.5, "bass": -20.5, "other": -19.0, "vocals": -18.5}
"""Balance before the master gain."""
MASTER_LUFS = -14.5
CEILING_DB = -1.0
OGG_LEVEL = 0.6
"""libsndfile's compression level: 0 best, 1 smallest."""
VOWELS = frozenset(["aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"])
SPEECH_RATE = 16000
FRAME_SECONDS = 0.005


@dataclass(frozen=True)
class Line:
    """One sung line: a note for each vowel."""

    text: str
    bar: int
    """The bar whose first beat is beat 0."""
    beats: tuple[float, ...]
    """Onset of each vowel."""
    notes: tuple[int, ...]
    """MIDI numbers."""
    end: float
    """Beat at which the last vowel ends."""


LINES = (
    Line(
        "the city sleeps and we are wide awake",
        1,
        (-0.5, 0, 0.5, 1, 2, 2.5, 3, 3.5, 4.5, 5),
        (62, 66, 66, 69, 66, 69, 69, 71, 69, 64),
        6.75,
    ),
    Line(
        "the radio is playing that old song",
        3,
        (-0.5, 0, 0.5, 1, 1.5, 2, 3, 3.5, 4.5, 5),
        (66, 71, 71, 69, 66, 66, 69, 67, 67, 62),
        6.5,
    ),
    Line(
        "so hold on to the night before it breaks",
        5,
        (-0.5, 0, 1, 1.5, 2, 2.5, 3.5, 4, 4.5, 5),
        (69, 74, 74, 73, 71, 69, 66, 69, 71, 73),
        6.75,
    ),
    Line(
        "and sing it till the morning comes along",
        7,
        (-0.5, 0, 1, 1.5, 2.5, 3, 4, 5, 7, 8),
        (71, 74, 74, 71, 69, 71, 69, 66, 64, 62),
        10.5,
    ),
)


def accompaniment(groove: str, folder: Path) -> mido.MidiFile:
    """Let MMA play the chords: an intro bar, eight bars of groove, and its ending."""
    bars = [f"Groove {groove}"] + [f"{number + 1} {chord}" for number, chord in enumerate(CHORDS[:-1])]
    bars += [f"Groove {groove}End", f"{len(CHORDS)} {CHORDS[-1]}"]
    source = folder / "song.mma"
    source.write_text("\n".join([f"Tempo {TEMPO:g}", "SeqRnd Off", "RndSeed 1", *bars]) + "\n", encoding="utf-8")
    subprocess.run(["mma", str(source), "-f", str(folder / "song.mid")], check=True, capture_output=True)
    return mido.MidiFile(folder / "song.mid")


def rendered(song: mido.MidiFile, role: str, font: str, folder: Path) -> Sound:
    """Play the tracks of one role through a SoundFont, dry: (2, frames)."""
    part = mido.MidiFile(ticks_per_beat=song.ticks_per_beat)
    part.tracks = [song.tracks[0]] + [track for track in song.tracks[1:] if role_of(track) == role]
    midi, wav = folder / f"{role}.mid", folder / f"{role}.wav"
    part.save(midi)
    options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-r", str(RATE), "-O", "float", "-T", "wav"]
    subprocess.run(["fluidsynth", *options, "-F", str(wav), font, str(midi)], check=True, capture_output=True)
    sound, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    return fitted(sound.T)


def role_of(track: mido.MidiTrack) -> str:
    if any(getattr(message, "channel", None) == 9 for message in track):
        return "drums"
    return "bass" if re.match("bass|walk", track.name, re.IGNORECASE) else "other"


def sung(line: Line, seed: int) -> Sound:
    """Sing one line, over the whole song's length: (1, frames). The seed moves pitch and time as another take would."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "line.wav"
        said = subprocess.run(
            ["flite", "-voice", "slt", "-psdur", "-t", line.text, "-o", str(wav)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        speech, _ = soundfile.read(wav)
    spoken = [(phone, float(end)) for phone, end in (item.split(":") for item in said.split())]
    starts = [0.0] + [end for _, end in spoken]
    vowels = [(starts[i], end) for i, (phone, end) in enumerate(spoken) if phone in VOWELS]
    if len(vowels) != len(line.notes):
        raise ValueError(f"{line.text!r} has {len(vowels)} vowels and {len(line.notes)} notes")
    last_sound = max(end for phone, end in spoken if phone != "pau")
    onsets = [(beat + 4 * line.bar) * BEAT + rng.normal(0.0, 0.008) for beat in line.beats]
    heard, read = _time_map(vowels, onsets, (line.end + 4 * line.bar) * BEAT, spoken[0][1], last_sound)
    pitch, clock = pyworld.harvest(speech, SPEECH_RATE, frame_period=1000 * FRAME_SECONDS)
    envelope = np.log(pyworld.cheaptrick(speech, pitch, clock, SPEECH_RATE))
    breath = pyworld.d4c(speech, pitch, clock, SPEECH_RATE)
    count = int(SECONDS / FRAME_SECONDS)
    times = np.arange(count) * FRAME_SECONDS
    position = np.interp(times, heard, read) / FRAME_SECONDS
    voiced = pitch[np.clip(np.rint(position).astype(int), 0, len(pitch) - 1)] > 0
    singing = (times >= heard[0]) & (times <= heard[-1])
    hz = _melody(times, onsets, line.notes, rng) * (voiced & singing)
    voice = pyworld.synthesize(
        hz,
        np.exp(_frames_at(envelope, position)),
        np.ascontiguousarray(_frames_at(breath, position)),
        SPEECH_RATE,
        1000 * FRAME_SECONDS,
    )
    edge = gaussian_filter1d(singing.astype(float), 3)
    voice = voice[: len(times) * 80] * np.interp(
        np.arange(min(len(voice), len(times) * 80)) / 80, np.arange(count), edge
    )
    return fitted(soxr.resample(voice, SPEECH_RATE, RATE)[None])


def _time_map(
    vowels: list[tuple[float, float]], onsets: list[float], end: float, speech_start: float, speech_end: float
) -> tuple[list[float], list[float]]:
    """Song time to speech time: vowels begin on their notes and hold early, consonants keep their length."""
    first = min(vowels[0][0] - speech_start, 0.15)
    heard, read = [onsets[0] - first], [vowels[0][0] - first]
    for number, ((start, stop), onset) in enumerate(zip(vowels, onsets, strict=True)):
        if number + 1 < len(vowels):
            gap = onsets[number + 1] - onset
            stretch_end = onsets[number + 1] - min(vowels[number + 1][0] - stop, 0.5 * gap)
        else:
            stretch_end = end
        heard += [onset, onset + 0.75 * (stretch_end - onset), stretch_end]
        read += [start, start + 0.55 * (stop - start), stop]
    heard.append(end + speech_end - vowels[-1][1])
    read.append(speech_end)
    return heard, read


def _melody(
    times: npt.NDArray[np.float64], onsets: list[float], notes: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Pitch in Hz: notes joined by short glides, late vibrato on long ones, and the drift of a voice."""
    which = np.clip(np.searchsorted(np.array(onsets) - 0.03, times, side="right") - 1, 0, len(notes) - 1)
    held = times - np.array(onsets)[which]
    midi = gaussian_filter1d(np.array(notes, dtype=float)[which], 0.022 / FRAME_SECONDS)
    vibrato = 0.35 * np.clip((held - 0.3) / 0.4, 0.0, 1.0) * np.sin(2 * np.pi * 5.6 * times)
    drift = gaussian_filter1d(rng.standard_normal(len(times)), 0.08 / FRAME_SECONDS) * 0.5
    return 440.0 * 2.0 ** ((midi + vibrato + drift - 69) / 12)


def _frames_at(frames: npt.NDArray[np.float64], position: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Read analysis frames at fractional positions."""
    low = np.clip(position.astype(int), 0, len(frames) - 2)
    part = np.clip(position - low, 0.0, 1.0)[:, None]
    return frames[low] * (1 - part) + frames[low + 1] * part


def fitted(sound: npt.NDArray[np.floating]) -> Sound:
    """Cut or pad to the song's length."""
    frames = round(SECONDS * RATE)
    padded = np.pad(sound, ((0, 0), (0, max(0, frames - sound.shape[1]))))
    return np.ascontiguousarray(padded[:, :frames], dtype=np.float32)


def treated(stem: str, sound: Sound) -> Sound:
    """Give a stem what a mix would give it: (2, frames)."""
    boards = {
        "drums": [
            HighpassFilter(30),
            Compressor(-18, 3, 4, 90),
            PeakFilter(65, 2.5, 1.0),
            HighShelfFilter(9000, 3.0),
            Distortion(9),
            Reverb(room_size=0.25, damping=0.5, wet_level=0.08, dry_level=0.9, width=1.0),
        ],
        "bass": [HighpassFilter(32), Compressor(-18, 4, 10, 150), Distortion(9), LowpassFilter(5500)],
        "other": [
            HighpassFilter(110),
            Compressor(-20, 2, 15, 150),
            Chorus(0.4, 0.15, 9, 0.0, 0.25),
            HighShelfFilter(7000, 2.0),
            Reverb(room_size=0.4, wet_level=0.1, dry_level=0.9, width=1.0),
        ],
        "vocals": [
            HighpassFilter(120),
            HighpassFilter(120),
            PeakFilter(2900, 2.5, 0.9),
            LowShelfFilter(220, -2.0),
            Compressor(-24, 3.5, 6, 110),
            Delay(0.75 * BEAT, 0.25, 0.12),
            Reverb(room_size=0.55, damping=0.4, wet_level=0.14, dry_level=0.86, width=1.0),
        ],
    }
    sound = at_loudness(sound, -18.0)
    stereo = sound if sound.shape[0] == 2 else np.repeat(sound, 2, axis=0)
    return Pedalboard(boards[stem])(stereo, RATE)


def voice() -> Sound:
    """A lead in the middle, two quieter takes at the sides, and the air that 16 kHz speech lacks: (2, frames)."""
    lead, left, right = (np.sum([sung(line, take * 100 + line.bar) for line in LINES], axis=0) for take in range(3))
    edge = Pedalboard([HighpassFilter(3500), HighpassFilter(3500), Gain(30), Distortion(12), HighpassFilter(7500)])
    lead = lead + 0.02 * edge(lead, RATE) * np.abs(lead).max()
    return np.concatenate([lead + 0.3 * left, lead + 0.3 * right])


def at_loudness(sound: Sound, lufs: float) -> Sound:
    now = pyloudnorm.Meter(RATE).integrated_loudness(sound.T.astype(np.float64))
    return (sound * 10 ** ((lufs - now) / 20)).astype(np.float32)


def limiter_gain(mix: Sound, ceiling: float) -> npt.NDArray[np.float64]:
    """Gain that keeps the mix below the ceiling: looks 3 ms ahead, and lets go over 60 ms. Shape (frames,)."""
    needed = np.minimum(1.0, ceiling / np.maximum(np.abs(mix).max(axis=0), 1e-9))
    ahead = round(0.003 * RATE)
    held = minimum_filter1d(needed, 2 * ahead + 1)
    release = math.exp(-1 / (0.06 * RATE))
    gain, now = np.empty_like(held), 1.0
    for frame, want in enumerate(held):
        now = want if want < now else 1.0 - (1.0 - now) * release if want > now else now
        now = min(now, want)
        gain[frame] = now
    window = np.hanning(2 * ahead + 1)
    return np.convolve(np.pad(gain, ahead, mode="edge"), window / window.sum(), "valid")


def mastered(stems: dict[str, Sound]) -> dict[str, Sound]:
    """Bring the mix to its loudness under the ceiling, with one gain curve for all stems; fade the end."""
    balanced = {stem: at_loudness(sound, STEM_LUFS[stem]) for stem, sound in stems.items()}
    tail = round(0.5 * RATE)
    fade = np.ones(round(SECONDS * RATE))
    fade[-tail:] = np.cos(np.linspace(0, np.pi / 2, tail)) ** 2
    ceiling = 10 ** (CEILING_DB / 20)
    drive = 1.0
    for _ in range(6):
        mix = drive * sum(balanced.values()) * fade
        gain = limiter_gain(mix, ceiling) * fade
        loud = pyloudnorm.Meter(RATE).integrated_loudness((mix * gain).T.astype(np.float64))
        drive *= 10 ** ((MASTER_LUFS - loud) / 20)
    return {stem: (drive * sound * gain).astype(np.float32) for stem, sound in balanced.items()}


def write_ogg(path: Path, sound: Sound) -> None:
    """Write in blocks: libsndfile's Vorbis encoder overflows its stack on long ones."""
    with soundfile.SoundFile(
        path, "w", RATE, sound.shape[0], "VORBIS", format="OGG", compression_level=OGG_LEVEL
    ) as out:
        for start in range(0, sound.shape[1], 4096):
            out.write(sound.T[start : start + 4096])


def report(folder: Path) -> None:
    """Print what was made, from the files as they decode."""
    stems = {path.stem: soundfile.read(path, dtype="float32")[0].T for path in sorted(folder.glob("*.ogg"))}
    for name, sound in {**stems, "mix": np.sum(list(stems.values()), axis=0)}.items():
        loud = pyloudnorm.Meter(RATE).integrated_loudness(sound.T.astype(np.float64))
        peak, rms = 20 * np.log10(np.abs(sound).max()), 10 * np.log10(np.mean(sound.astype(np.float64) ** 2))
        size = (folder / f"{name}.ogg").stat().st_size if name in stems else 0
        print(f"{name:7s} {loud:6.1f} LUFS  peak {peak:5.1f} dB  crest {peak - rms:4.1f} dB  {size:7d} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--groove", default="BasicRock")
    parser.add_argument("--font", choices=FONTS, default="fluid")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        song = accompaniment(options.groove, Path(name))
        played = {role: rendered(song, role, FONTS[options.font], Path(name)) for role in ("drums", "bass", "other")}
    stems = mastered({stem: treated(stem, sound) for stem, sound in {**played, "vocals": voice()}.items()})
    options.out.mkdir(parents=True, exist_ok=True)
    for stem, sound in stems.items():
        write_ogg(options.out / f"{stem}.ogg", sound)
    report(options.out)


if __name__ == "__main__":
    main()
