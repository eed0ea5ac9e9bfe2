"""Bleed on recorded music: how much of a known voice stays in the instrumental, and where a known guitar goes.

    apt-get install flite
    python -m training.bleed WEIGHTS.safetensors [...] [--seconds 20] [--cache out/heldout] [--json FILE]

No freely licensed song with a voice and true stems lies in Debian's archive, so a voice that is known is put on
recorded instrumentals (Endgame: Singularity, CC BY-SA 3.0; Nexuiz, GPL-2+; Sectoid's songs for Frets on Fire, MIT):
flite's voices, sung, 1 LU louder than the music under them, as on pop records (see `training.look`). The instrumental
is mix - `vocals`. `voice left` and `all wrong` are those of `training.residual`: in the vocal band, against the mix.
`where nobody sings` is the `vocals` stem of the recording by itself against the recording, full band.

Frets on Fire's songs (Sectoid, MIT; Muldjord, CC BY-SA 3.0) have the guitar in a file of its own: `guitar in ...` is
how loud that real guitar sounds in every stem, 0 = as loud as in the mix; it belongs to `other`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.free_music import unpacked
from bridge.evaluate import score
from training.heldout import VOICES, Sound, flite, separated
from training.residual import level_db, loudness, residuals
from training.train import RATE
from training.voice import sing

INSTRUMENTALS = {
    "singularity-music": ("Coherence", "Awakening", "Media Threat"),
    "nexuiz-music": ("sixtyfour_revisited", "subcities", "calling-bogus"),
    "fretsonfire-songs-sectoid": ("Feelings", "War of freedom"),
}
"""Package to songs; of Frets on Fire, guitar and song are added up."""
GUITARS = ("fretsonfire-songs-sectoid", "fretsonfire-songs-muldjord")
VOICE_OVER_MUSIC_LU = 1.0


def main() -> None:
    """Print one block for every model."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("weights", type=Path, nargs="+")
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--cache", type=Path, default=Path("out/heldout"))
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    songs = dict(instrumentals(given.cache / "packages", given.seconds))
    guitars = dict(with_guitar(given.cache / "packages", given.seconds))
    results = {}
    for weights in given.weights:
        rows = {name: measured(weights, name, music, given.seconds) for name, music in songs.items()}
        print(f"\n{weights}")
        for name, row in rows.items():
            print(f"  {name:22}", row)
        found = [guitar_heard(weights, *pair) for pair in guitars.values()]
        medians = _medians(list(rows.values())) | _medians(found)
        print(f"  {'median':22}", medians)
        results[str(weights)] = {"songs": rows, "median": medians}
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def instrumentals(packages: Path, seconds: float) -> Iterator[tuple[str, Sound]]:
    """Yield recorded music without a voice: name and a stretch from the middle."""
    for package, names in INSTRUMENTALS.items():
        folder = unpacked(package, packages)
        for archive in folder.rglob("*.pk3"):
            with zipfile.ZipFile(archive) as pack:
                pack.extractall(folder)
            archive.unlink()
        for name in names:
            single = next(folder.rglob(f"{name}.ogg"), None)
            files = [single] if single else sorted((next(folder.rglob(name))).glob("*.ogg"))
            yield name, np.sum([_middle(file, seconds) for file in files], axis=0)


def with_guitar(packages: Path, seconds: float) -> Iterator[tuple[str, tuple[Sound, Sound]]]:
    """Yield the songs of Frets on Fire: name, the guitar and everything else."""
    for package in GUITARS:
        for file in sorted(unpacked(package, packages).rglob("guitar.ogg")):
            yield file.parent.name, (_middle(file, seconds), _middle(file.with_name("song.ogg"), seconds))


def measured(weights: Path, name: str, music: Sound, seconds: float) -> dict[str, float]:
    """Put a voice on the music, separate, and measure; all in dB, lower is better."""
    voice = _voice(name, seconds)
    voice *= np.float32(10 ** ((loudness(music) + VOICE_OVER_MUSIC_LU - loudness(voice)) / 20))
    gain = np.float32(0.9 / np.abs(music + voice).max())
    music, voice = music * gain, voice * gain
    instrumental = music + voice - separated(weights, music + voice)["vocals"]
    left, wrong = residuals(instrumental, music, voice)
    alone = separated(weights, music)["vocals"]
    return {
        "voice left": round(left, 1),
        "all wrong": round(wrong, 1),
        "where nobody sings": round(level_db(float(np.mean(alone**2)), float(np.mean(music**2))), 1),
    }


def guitar_heard(weights: Path, guitar: Sound, rest: Sound) -> dict[str, float]:
    """Tell how loud the guitar sounds in every stem, in dB."""
    gain = np.float32(0.9 / np.abs(guitar + rest).max())
    made = separated(weights, (guitar + rest) * gain)
    found = {stem: score({stem: guitar * gain, "rest": rest * gain}, {stem: sound}) for stem, sound in made.items()}
    return {f"guitar in {stem}": round(one[stem][f"{stem}_gain_db"], 1) for stem, one in found.items()}


def _voice(name: str, seconds: float) -> Sound:
    rng = random.Random(f"bleed {name}")
    voice = rng.choice(VOICES)
    return sing(rng, seconds, rng.randrange(12), rng.randint(80, 140), lambda: flite(rng, voice)).T.copy()


def _middle(file: Path, seconds: float) -> Sound:
    rate = soundfile.info(file).samplerate
    start = (soundfile.info(file).frames - round(seconds * rate)) // 2
    sound, _ = soundfile.read(file, start=start, frames=round(seconds * rate), dtype="float32", always_2d=True)
    return np.ascontiguousarray(soxr.resample(sound, rate, RATE).T)


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(row[name] for row in rows), 1) for name in rows[0]}


if __name__ == "__main__":
    main()
