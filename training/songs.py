"""Make training material: folders of stems, one numbered file per song and stem.

    python -m training.songs OUT [--seed 1] [--count 200] [--seconds 40]

OUT/<stem>/<seed>-<number>.npy holds int16 (frames, 2) at 44.1 kHz. The same number is the same song: same tempo, key
and length, so stems can be heard together as they were played or mixed across songs. A run that is repeated goes on
where it stopped; two runs with other seeds may fill one folder at once. About 15 s of one core per song.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

import numpy as np

from training import codec, parts
from training.band import ROLES, compose, play
from training.colour import coloured
from training.kit import electronic_drums
from training.pool import LEVELS_DB, STEMS
from training.sound import RATE, Sound
from training.tunes import Performance, perform, tunes
from training.voice import sing, speaker

LEVEL = 0.1
"""RMS of every stored stem where it sounds; the mix is made when training."""
WRITTEN = 0.35
"""Share of songs that people wrote; MMA's grooves on random chords are the rest."""


def main() -> int:
    """Make songs until there are enough."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--seconds", type=float, default=40.0)
    given = options.parse_args()
    try:
        parts.require()
    except parts.MissingPartError as missing:
        print(missing, file=sys.stderr)
        return 2
    names, written = parts.grooves(), tunes()
    for number in range(given.count):
        files = {stem: given.out / stem / f"{given.seed}-{number:04}.npy" for stem in STEMS}
        if all(file.exists() for file in files.values()):
            continue
        rng = random.Random(f"{given.seed}-{number}")
        for stem, sound in song(rng, given.seconds, names, written).items():
            _keep(files[stem], sound)
        if number % 10 == 9:
            print(f"{number + 1} of {given.count} songs", flush=True)
    return 0


def song(rng: random.Random, seconds: float, names: list[str], written: list[bytes]) -> dict[str, Sound]:
    """Make the four stems of one song: (frames, 2) each, all of one length."""
    band = None
    while band is None:
        band = perform(rng.choice(written), seconds, rng) if rng.random() < WRITTEN else _grooves(rng, seconds, names)
        if band and not all(np.abs(stem).max(initial=0) > 1e-3 for stem in band.stems.values()):
            band = None  # a bank that lacks this instrument, or a stretch without it
    stems = dict(band.stems)
    if rng.random() < 0.35:
        noise = np.random.default_rng(rng.randrange(2**32))
        stems["drums"] = electronic_drums(noise, band.tempo_bpm, seconds)
    stems["vocals"] = sing(rng, seconds, band.key, band.tempo_bpm, speaker(rng))
    frames = round(seconds * RATE)
    return _published({stem: _fitted(coloured(stems[stem], stem, rng), frames) for stem in STEMS}, rng)


def _grooves(rng: random.Random, seconds: float, names: list[str]) -> Performance | None:
    score = compose(rng, seconds, names)
    return score and Performance({role: play(score, role, rng) for role in ROLES}, score.tempo_bpm, score.key)


def _published(stems: dict[str, Sound], rng: random.Random) -> dict[str, Sound]:
    """Send the stems through a release at the balance of a mix, and undo the balance."""
    balance = {stem: 10 ** (rng.uniform(*LEVELS_DB[stem]) / 20) for stem in stems}
    heard = codec.published({stem: sound * balance[stem] for stem, sound in stems.items()}, codec.draw(rng))
    return {stem: np.clip(sound / balance[stem], -1.0, 1.0) for stem, sound in heard.items()}


def _fitted(sound: Sound, frames: int) -> Sound:
    """Cut or pad to `frames`, at a level that leaves the peaks whole where it can."""
    cut = np.pad(sound[:frames], ((0, max(0, frames - len(sound))), (0, 0)))
    loud = np.abs(cut).max(axis=1) > 1e-3
    level = float(np.sqrt(np.mean(cut[loud] ** 2))) if loud.any() else 1.0
    return cut * min(LEVEL / level, 0.99 / max(float(np.abs(cut).max()), 1e-9))


def _keep(file: Path, sound: Sound) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("wb") as out:
        np.save(out, np.rint(sound * 32767).astype(np.int16))
    part.replace(file)


if __name__ == "__main__":
    sys.exit(main())
