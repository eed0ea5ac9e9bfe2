"""The held-out songs: other MIDI, another SoundFont and other voices than training has heard; and how a model does.

    apt-get install flite                 (voices; the rest is fetched from Debian's archive without installing)
    python -m training.heldout WEIGHTS.safetensors [...] [--songs 12] [--seconds 20] [--kind KIND] [--json FILE]

The songs are those of OpenTTD and Planet Blupi through TimGM6mb, half of them with a sung vocal of flite's voices; the
same every time on one machine. The fingerprint that is printed first says which songs they were, and only figures of
one fingerprint can be compared: the singer and the effects are those of training, so changing them changes it.
To see what a model lacks, `--kind bank` plays the same songs through a SoundFont that training knows, and `--kind own`
makes songs as training does, but new ones; both in the same balance.

For every model: SDR and SDR improvement over the mix per stem, mean and median, and how loud every true stem sounds
in every output (bleed), all on full songs through the product's own engine, overlap 0.25, no shifts, `other` = mix -
the rest as it is delivered. The last row is the trivial answer, the mix itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch
from demucs.htdemucs import HTDemucs
from safetensors.torch import load_file

from benchmarks.free_music import played, unpacked
from bridge.evaluate import Scores, score
from bridge.models.config import read_member
from bridge.separation.engine import estimate_stream, find_normaliser
from bridge.separation.layout import plan_layout
from bridge.separation.overlap import Grid
from training import parts
from training.colour import coloured
from training.songs import song as trained_on
from training.train import RATE, SEGMENT
from training.tunes import tunes
from training.voice import SPEECH_RATE, sing

STEMS = ("drums", "bass", "other", "vocals")
LEVELS_LUFS_LIKE = {"drums": 0.10, "bass": 0.09, "other": 0.08, "vocals": 0.11}
"""RMS of each stem where it sounds, before the common gain: the balance of a pop mix."""
VOICES = ("slt", "rms", "awb")
LINES = (
    "the morning light is falling on the river again", "you and i will never find the road back home",
    "hold on to the night before it fades away", "every summer day is gone like a dream",
)  # fmt: skip
START_SECONDS = 8.0
KINDS = ("heldout", "bank", "own")
Sound = npt.NDArray[np.float32]
"""(2, frames)"""


def main() -> None:
    """Print one block for every model and one for the mix."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("weights", type=Path, nargs="+")
    options.add_argument("--songs", type=int, default=12)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--kind", choices=KINDS, default=KINDS[0])
    options.add_argument("--json", type=Path)
    options.add_argument("--cache", type=Path, default=Path("out/heldout"))
    given = options.parse_args()
    songs = [song(given.cache, number, given.seconds, given.kind) for number in range(given.songs)]
    print(f"songs {fingerprint(songs)}")
    results = {}
    for weights in given.weights:
        results[str(weights)] = summary([score(one, separated(weights, sum(one.values()))) for one in songs])
    trivial = [score(one, {stem: sum(one.values()) for stem in one}) for one in songs]
    results["the mix as every stem"] = summary(trivial)
    baseline = results["the mix as every stem"]["mean_sdr_db"]
    for name, result in results.items():
        result["mean_improvement_db"] = {
            stem: round(value - baseline[stem], 2) for stem, value in result["mean_sdr_db"].items()
        }
        print(f"\n{name}")
        for measure, values in result.items():
            print(f"  {measure:24}", values)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def fingerprint(songs: list[dict[str, Sound]]) -> str:
    """Return twelve hex digits that tell one set of songs from another: SHA-256 of all samples at 16 bits."""
    digest = hashlib.sha256()
    for one in songs:
        for stem in sorted(one):
            digest.update(stem.encode() + np.rint(one[stem] * 32767).astype("<i2").tobytes())
    return digest.hexdigest()[:12]


def summary(scores: list[Scores]) -> dict[str, dict[str, object]]:
    """Sum up songs: mean and median SDR, and the median level of every true stem in every output, in dB."""

    def every(stem: str, measure: str) -> list[float]:
        found = (one[stem].get(measure, math.nan) for one in scores if stem in one)
        return [value for value in found if math.isfinite(value)]

    sdr = {stem: every(stem, "sdr_db") for stem in STEMS}
    heard = {stem: {true: every(stem, f"{true}_gain_db") for true in STEMS} for stem in STEMS}
    return {
        "mean_sdr_db": {stem: round(statistics.fmean(values), 2) for stem, values in sdr.items() if values},
        "median_sdr_db": {stem: round(statistics.median(values), 2) for stem, values in sdr.items() if values},
        **{
            f"heard_in_{stem}_db": {true: round(statistics.median(values), 1) for true, values in row.items() if values}
            for stem, row in heard.items()
        },
    }  # type: ignore[return-value]


def song(cache: Path, number: int, seconds: float, kind: str = "heldout") -> dict[str, Sound]:
    """Make a song, or read the one that was made before: stem to (2, frames); absent stems are left out."""
    folder = cache / f"{'' if kind == KINDS[0] else kind + '-'}{number:02}-{seconds:g}s"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        for stem, sound in _song(number, seconds, cache, kind).items():
            soundfile.write(part / f"{stem}.wav", sound.T, RATE, subtype="FLOAT")
        part.rename(folder)
    return {file.stem: soundfile.read(file, dtype="float32")[0].T.copy() for file in sorted(folder.glob("*.wav"))}


def _song(number: int, seconds: float, cache: Path, kind: str) -> dict[str, Sound]:
    if kind == "own":
        made = trained_on(random.Random(f"unseen {number}"), seconds, parts.grooves(), tunes())
        return _balanced({stem: made[stem].T for stem in STEMS if number % 2 == 0 or stem != "vocals"})
    rng = random.Random(f"held out {number}")
    packages = ("openttd-openmsx", "planetblupi-music-midi")
    midis = sorted(file for name in packages for file in unpacked(name, cache / "packages").rglob("*.mid*"))
    own = next(unpacked("timgm6mb-soundfont", cache / "packages").rglob("*.sf2"))
    font = parts.FONTS[0] if kind == "bank" else own
    order = random.Random(0).sample(midis, len(midis))
    stems = played(order[number % len(order)], font, start=START_SECONDS, seconds=seconds)
    if number % 2 == 0:
        voice = rng.choice(VOICES)
        stems["vocals"] = sing(rng, seconds, rng.randrange(12), rng.randint(80, 140), lambda: flite(rng, voice)).T
    return _balanced(
        stems, lambda sound, stem: coloured(np.ascontiguousarray(sound.T), stem, rng).T[:, : sound.shape[1]]
    )


def _balanced(
    stems: dict[str, Sound], treated: Callable[[Sound, str], Sound] = lambda sound, _: sound
) -> dict[str, Sound]:
    """Put stems, treated, into the balance of a pop mix, those that hardly sound left out; all (2, frames)."""
    made = {}
    for stem, sound in stems.items():
        loud = np.abs(sound).max(axis=0) > 1e-3
        if loud.mean() < 0.05:
            continue
        whole = treated(sound, stem)
        made[stem] = whole * (LEVELS_LUFS_LIKE[stem] / float(np.sqrt(np.mean(whole[:, loud] ** 2))))
    gain = np.float32(0.9 / np.abs(sum(made.values())).max())
    return {stem: np.ascontiguousarray(sound * gain, dtype=np.float32) for stem, sound in made.items()}


def flite(rng: random.Random, voice: str) -> npt.NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as name:
        wav = Path(name) / "line.wav"
        subprocess.run(
            ["flite", "-voice", voice, "-t", rng.choice(LINES), "-o", str(wav)], check=True, capture_output=True
        )
        sound, rate = soundfile.read(wav, dtype="float32")
    return np.asarray(soxr.resample(sound, rate, SPEECH_RATE), dtype=np.float32)


def separated(weights: Path, mix: Sound) -> dict[str, Sound]:
    """Run a mix through the network in a weights file: stem to (2, frames), `other` = mix - the rest."""
    model = HTDemucs(**read_member(weights).kwargs)
    model.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    return made_by(model.eval(), mix)


def made_by(model: torch.nn.Module, mix: Sound) -> dict[str, Sound]:
    """Run a mix through a network as the product does: stem to (2, frames), `other` = mix - the rest."""
    rows = [index for index, stem in enumerate(STEMS) if stem != "other"]
    segment = int(RATE * SEGMENT)

    def forward(windows: Sound) -> Sound:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(windows))[:, rows].numpy(), dtype=np.float32)

    heard = mix.mean(axis=0)
    blocks = estimate_stream(
        [mix],
        forward,
        rows=len(rows),
        length=mix.shape[1],
        channels=2,
        layout=plan_layout(2, 0),
        grid=Grid(segment, int(0.75 * segment), True, False),
        normaliser=find_normaliser(float(heard.mean()), float(heard.std()), float(np.abs(mix).max())),
    )
    estimates = np.concatenate(list(blocks), axis=2)  # (3, 2, T)
    made = {STEMS[row]: estimate for row, estimate in zip(rows, estimates, strict=True)}
    made["other"] = mix - sum(made.values())
    return made


if __name__ == "__main__":
    main()
