"""What every shipped preset does to the sound of songs of different genres, and whether its description is true.

    python -m benchmarks.presets [--seconds 20] [--cache FOLDER] [--write]

Four songs with true stems: rock, dance, folk and a voice that speaks over music. They are made as the training material
is, so its packages have to be installed (`training/parts.py`); once made they lie in the cache. Each mix is brought to
-14 LUFS, or to a peak of -3 dBFS where that is lower; presets hear the song's own tempo. Measured for each preset and
stem, as the mean of the songs: peak before and after (the highest of the songs), change of loudness (with its range),
of the crest factor, of six bands within the stem, and of the stereo width; for each preset the peak of all it prints
and leaves dry, added up. Exits 1 when a description is not true, a loudness is another than the one that is stated, or
a mix clips.

`--write` puts the tables into docs/presets.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile
import soxr

from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects.graph import bind
from bridge.presets.shelf import entries, find
from bridge.units import gain_to_db
from tests.effects.array_stems import ArrayStems, collect, levels
from tests.effects.promises import BANDS, PROMISES, RATE, band_change_db, crest_db, stated, width

STEMS = ("drums", "bass", "other", "vocals")
MIX_LUFS = -14.0
HEADROOM_DB = 3.0
"""No mix peaks above this below full scale: what a render should leave, and what a preset may take."""
BALANCE = {"drums": 0.10, "bass": 0.09, "other": 0.08, "vocals": 0.11}
"""Root mean square of each stem: the balance of a pop mix."""
GENRES = {
    "rock": (("BasicRock", "HeavyRock"), False, True),
    "dance": (("Dance1", "Dance2"), True, True),
    "folk": (("Folk", "BlueFolk"), False, True),
    "talk": (("Ballad", "FolkBallad"), False, False),
}
"""Grooves, whether the drums are electronic, and whether the voice sings."""
LOUDNESS_TOLERANCE_LU = 0.5
"""Where a chain keeps the loudness, what it is off by comes from the tail."""
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "presets.md"


@dataclass(frozen=True)
class Song:
    """True stems, (2, frames) at 44.1 kHz."""

    stems: dict[str, FloatArray]
    bpm: float


@dataclass(frozen=True)
class Change:
    """What a preset did to one stem of one song."""

    peak_before_db: float
    peak_after_db: float
    loudness_lu: float
    crest_db: float
    bands_db: dict[str, float]
    width: float


def songs(cache: Path, seconds: float) -> dict[str, Song]:
    """Return the songs by genre; what is not in the cache is made."""
    return {genre: _song(genre, cache / f"{genre}-{seconds:g}s", seconds) for genre in GENRES}


def _song(genre: str, folder: Path, seconds: float) -> Song:
    tempo = folder / "bpm.txt"
    if not tempo.exists():
        folder.mkdir(parents=True, exist_ok=True)
        stems, bpm = _made(genre, seconds)
        for stem, sound in stems.items():
            soundfile.write(folder / f"{stem}.wav", sound, RATE, "FLOAT")
        tempo.write_text(f"{bpm}\n", encoding="ascii")
    found = {stem: soundfile.read(folder / f"{stem}.wav", dtype="float32")[0].T for stem in STEMS}
    mix = levels(sum(found.values()), RATE)
    gain = min(10 ** ((MIX_LUFS - mix.lufs) / 20), 10 ** (-HEADROOM_DB / 20) / mix.peak)
    return Song(
        {stem: np.ascontiguousarray(sound * np.float32(gain)) for stem, sound in found.items()},
        float(tempo.read_text()),
    )


def _made(genre: str, seconds: float) -> tuple[dict[str, FloatArray], float]:
    """Play a song: stems (frames, 2) in the balance of a mix, and its tempo."""
    from training import parts
    from training.band import ROLES, compose, play
    from training.colour import coloured
    from training.kit import electronic_drums
    from training.voice import SPEECH_RATE, sing, speaker

    parts.require()
    grooves, electronic, sings = GENRES[genre]
    rng = random.Random(f"presets {genre}")
    score = None
    while score is None:
        score = compose(rng, seconds, [name for name in parts.grooves() if name in grooves])
    stems = {role: play(score, role, rng) for role in ROLES}
    if electronic:
        stems["drums"] = electronic_drums(np.random.default_rng(7), score.tempo_bpm, score.seconds)
    speak = speaker(rng)
    if sings:
        stems["vocals"] = sing(rng, score.seconds, score.key, score.tempo_bpm, speak)
    else:
        said = np.concatenate([np.pad(speak(), (0, SPEECH_RATE // 3)) for _ in range(12)])
        stems["vocals"] = np.repeat(soxr.resample(said, SPEECH_RATE, RATE)[:, None], 2, axis=1)
    frames = round(seconds * RATE)
    made = {}
    for stem in STEMS:
        sound = coloured(stems[stem], stem, rng) if sings or stem != "vocals" else stems[stem]
        sound = np.pad(sound[:frames], ((0, max(0, frames - len(sound))), (0, 0)))
        made[stem] = (sound * (BALANCE[stem] / np.sqrt(np.mean(sound**2)))).astype(np.float32)
    return made, score.tempo_bpm


def printed(name: str, song: Song) -> dict[str, FloatArray]:
    """Return all that a preset prints of a song, tails and buses included."""
    dry = ArrayStems(song.stems, RATE)
    tempo = TempoMap((TempoChange(0.0, song.bpm),), "setting")
    return collect(bind(find(name), STEMS, sample_rate=RATE, channels=2, tempo=tempo), dry)


def change(dry: FloatArray, wet: FloatArray) -> Change:
    """Measure what became of a stem; both (2, T), the printed one may be longer."""
    before, after = levels(dry, RATE), levels(wet, RATE)
    cut = wet[:, : dry.shape[1]]
    return Change(
        gain_to_db(before.peak),
        gain_to_db(after.peak),
        after.lufs - before.lufs,
        crest_db(cut) - crest_db(dry),
        {band: band_change_db(dry, cut, *hz) for band, hz in BANDS.items()},
        width(cut) - width(dry),
    )


def peak_of_the_mix_db(song: Song, wet: dict[str, FloatArray]) -> float:
    """Return the highest sample of all stems added up, printed where they are, dBFS."""
    played = [wet.get(stem, dry) for stem, dry in song.stems.items()]
    length = max(sound.shape[1] for sound in played)
    total = sum(np.pad(sound, ((0, 0), (0, length - sound.shape[1]))) for sound in played)
    return float(gain_to_db(float(np.abs(total).max())))


def broken(name: str, genre: str, song: Song, wet: dict[str, FloatArray]) -> Iterator[str]:
    """Name what of a description is not so."""
    preset = find(name)
    for promise in PROMISES.get(name, ()):
        dry = song.stems[promise.stem]
        heard = wet.get(promise.stem, dry)[:, : dry.shape[1]]
        if promise.words not in preset.description:
            yield f"its description no longer says '{promise.words}'"
        elif not promise.holds(dry, heard):
            yield f"'{promise.words}' is not true of {promise.stem} in {genre}"
    told = stated(preset)
    for stem in STEMS:
        if stem in wet:
            found = levels(wet[stem], RATE).lufs - levels(song.stems[stem], RATE).lufs
            least, most = told.get(stem, (0.0, 0.0))
            if not least - LOUDNESS_TOLERANCE_LU <= found <= most + LOUDNESS_TOLERANCE_LU:
                yield f"{stem} in {genre} is {found:+.1f} LU, not {least:+.1f} to {most:+.1f}"
    if (after := peak_of_the_mix_db(song, wet)) >= 0.0:
        yield f"the mix of {genre} clips: {peak_of_the_mix_db(song, {}):+.1f} dBFS became {after:+.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each preset and what is not true."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each song")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "stem-bridge-preset-songs")
    parser.add_argument("--only", default="", help="one preset")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/presets.md")
    options = parser.parse_args(arguments)
    heard = songs(options.cache, options.seconds)
    lines: list[str] = []
    faults = 0
    for entry in entries():
        if not entry.shipped or options.only not in ("", entry.name):
            continue
        wet = {genre: printed(entry.name, song) for genre, song in heard.items()}
        wrong = [one for genre, song in heard.items() for one in broken(entry.name, genre, song, wet[genre])]
        section = _section(entry.name, entry.description, heard, wet)
        lines += section
        faults += len(wrong)
        print("\n".join(section), flush=True)
        for one in wrong:
            print(f"NOT TRUE: {entry.name}: {one}", flush=True)
    print(f"{faults} things are not as described." if faults else "Every description is true.")
    if options.write and not faults and not options.only:
        DOCUMENT.write_text(_document(options.seconds, lines), encoding="utf-8", newline="\n")
    return 1 if faults else 0


def _document(seconds: float, lines: Sequence[str]) -> str:
    bands = ", ".join(f"{band} {low:g}-{high:g} Hz" for band, (low, high) in BANDS.items())
    each = f"{seconds:g} s each"
    about = f"""# What the shipped presets do to the sound

Written by `python -m benchmarks.presets --write` on {datetime.now(UTC):%Y-%m-%d}; do not edit. Four songs with
true stems (rock, dance, folk, a voice that speaks over music; {each}), at {MIX_LUFS:g} LUFS or with a peak of
-{HEADROOM_DB:g} dBFS, whichever is lower. Every clause of the descriptions that can be measured held on each of them;
loudness is within {LOUDNESS_TOLERANCE_LU:g} LU of what is stated, and no mix clips.

Peaks are those of the loudest song, dBFS; all else is the mean of the songs: loudness in LU with its range, and in dB
the crest factor and how much louder a band became within its stem ({bands}).
Width is the difference of left and right as a share of their sum.
"""
    return about + "\n".join(lines) + "\n"


def _section(name: str, description: str, heard: dict[str, Song], wet: dict[str, dict[str, FloatArray]]) -> list[str]:
    before = max(peak_of_the_mix_db(song, {}) for song in heard.values())
    after = max(peak_of_the_mix_db(song, wet[genre]) for genre, song in heard.items())
    lines = [
        "",
        f"## {name}",
        "",
        description,
        "",
        f"Peak of the mix: {before:+z.1f} dBFS before, {after:+z.1f} after.",
        "",
    ]
    rows = []
    for stem in STEMS:
        made = [change(song.stems[stem], wet[genre][stem]) for genre, song in heard.items() if stem in wet[genre]]
        if made:
            loud = [one.loudness_lu for one in made]
            cells = [
                stem,
                f"{max(one.peak_before_db for one in made):+z.1f}",
                f"{max(one.peak_after_db for one in made):+z.1f}",
                f"{np.mean(loud):+z.1f} ({min(loud):+z.1f} to {max(loud):+z.1f})",
                f"{np.mean([one.crest_db for one in made]):+z.1f}",
                *(f"{np.mean([one.bands_db[band] for one in made]):+z.1f}" for band in BANDS),
                f"{np.mean([one.width for one in made]):+z.2f}",
            ]
            rows.append("| " + " | ".join(cells) + " |")
    if rows:
        heads = ["stem", "peak before", "after", "loudness, LU", "crest", *BANDS, "width"]
        lines += ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1), *rows]
    return lines


if __name__ == "__main__":
    sys.exit(main())
