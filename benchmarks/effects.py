"""How fast the shipped presets run, what share of a job they take, and which steps cost most.

    python -m benchmarks.effects [--seconds 60] [--separation 0.5] [--steps]

Times are CPU seconds of this process, so that what else the computer does counts little; of three runs the quickest.
`--separation` is how many times real time the separation runs on this computer (the manifest's `timings` of a drop says
it): the last column is the share of a whole job that the preset takes then. What the dry stems are like is known, as in
a job, where they are measured while they are separated; what is printed is not written. `--steps` tells what each kind
of step costs on stereo, in milliseconds for a second of it, and what measuring and writing a stem cost.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bridge.audio.meter import Meter
from bridge.delivery.stemfiles import StemRecorder
from bridge.domain.preset import Chain, Effect, Preset, StemPreset
from bridge.domain.render import AudioFormat, Levels
from bridge.domain.stems import FloatArray, StemBlock
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects.graph import bind
from bridge.effects.nodes import effects_of
from bridge.effects.place import BLOCK
from bridge.effects.tape import Tapes
from bridge.presets.shelf import entries, find
from tests.effects.array_stems import ArrayStems, levels
from tests.songs import STEMS, multitrack

RATE = 44100
TEMPO = TempoMap((TempoChange(0.0, 120.0),), "setting")
RUNS = 3


class Separated(ArrayStems):
    """Stems whose levels are known, as those of a job are."""

    def __init__(self, stems: dict[str, FloatArray]) -> None:
        super().__init__(stems, RATE)
        self._known = {stem: levels(sound, RATE) for stem, sound in stems.items()}

    def levels(self, stem: str) -> Levels:
        return self._known[stem]


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the quickest of a few runs."""
    spent = []
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent)


def run(preset: Preset, dry: Separated) -> None:
    """Run a preset over all stems; binding counts, as in a job."""
    for _ in bind(preset, list(dry.stems), sample_rate=RATE, channels=2, tempo=TEMPO).run(dry):
        pass


def tell_presets(dry: Separated, separation: float) -> None:
    """Print one line for each shipped preset, the dearest first."""
    seconds = dry.frames / RATE
    spent = {}
    for entry in entries():
        if entry.shipped:
            spent[entry.name] = cpu_seconds(partial(run, find(entry.name), dry))
    print(f"{'preset':<16}{'CPU s':>8}{'x real time':>13}{'share of a job':>16}")
    for name, took in sorted(spent.items(), key=lambda one: -one[1]):
        speed = f"{seconds / took:.0f}" if took > 0.001 else "-"
        print(f"{name:<16}{took:>8.2f}{speed:>13}{took / (took + seconds / separation):>15.1%}")


def steps() -> dict[str, Chain]:
    """Return every step of the shipped presets once, as a chain of its own, by what is worth telling of it."""
    found: dict[str, Chain] = {}
    for entry in entries():
        for stem in find(entry.name).stems.values() if entry.shipped else ():
            for effect in effects_of(stem.chain):
                slope = effect.parameters.get("slope_db")
                linked = ", link" if effect.parameters.get("link") else ""
                steep = f", {slope:g} dB" if slope else ""
                heard = {"under": "drums"} if effect.name == "Ducker" else {}
                alone = Effect(effect.name, {**effect.parameters, **heard})
                found.setdefault(f"{effect.name}{linked}{steep}", (alone,))
    return found


def tell_steps(sound: FloatArray) -> None:
    """Print what each kind of step costs, the dearest first, and what is done beside them."""
    seconds = sound.shape[1] / RATE
    dry = Separated({"vocals": sound.copy(), "drums": sound[:, ::-1].copy()})

    def cost_of(chain: Chain) -> float:
        preset = Preset("step", "", {"vocals": StemPreset(chain, tail=0.0)})
        return cpu_seconds(partial(run, preset, dry))

    nothing = cost_of((Effect("Gain", {"gain_db": 0.0}),))
    costs = {name: max(0.0, cost_of(chain) - nothing) for name, chain in steps().items() if name != "Gain"}
    costs |= {name: cpu_seconds(work) for name, work in beside(sound).items()}
    print(f"\n{'step':<34}{'ms of CPU a second of stereo':>30}")
    for name, took in sorted(costs.items(), key=lambda one: -one[1]):
        print(f"{name:<34}{1000 * took / seconds:>30.2f}")


def beside(sound: FloatArray) -> dict[str, Callable[[], object]]:
    """Return what is done for a stem beside its chain."""
    blocks = [np.ascontiguousarray(sound[:, at : at + BLOCK]) for at in range(0, sound.shape[1] - BLOCK, BLOCK)]

    def measured() -> None:
        meter = Meter(RATE, 2)
        for block in blocks:
            meter.add(block)

    def put_aside() -> None:
        with Tapes() as tapes:
            tapes.record(("made", "vocals"), iter(blocks))
            for _ in range(2):
                for _ in tapes.play(("made", "vocals")) or ():
                    pass

    def written() -> None:
        with tempfile.TemporaryDirectory() as folder:
            shape = AudioFormat(RATE, 2, sound.shape[1], "FLOAT", "WAV")
            recorder = StemRecorder({"vocals": Path(folder) / "vocals.wav"}, shape, None, frames=len(blocks) * BLOCK)
            with recorder:
                for start, block in zip(itertools.count(0, BLOCK), blocks, strict=False):
                    recorder.add(StemBlock(start, {"vocals": block}))

    return {
        "(loudness of a stem)": measured,
        "(put aside, heard twice)": put_aside,
        "(printed: file, hash, loudness)": written,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the song")
    parser.add_argument("--separation", type=float, default=0.5, help="speed of the separation, times real time")
    parser.add_argument("--steps", action="store_true", help="tell too what each kind of step costs")
    options = parser.parse_args(arguments)
    song = multitrack(8.0, RATE, 2, seed=1)
    repeats = -(-int(options.seconds * RATE) // song["drums"].shape[1])
    dry = Separated({stem: np.tile(song[stem], repeats) for stem in STEMS})
    print(f"{dry.frames / RATE:.0f} s of four stems; separation at {options.separation:g} x real time")
    tell_presets(dry, options.separation)
    if options.steps:
        tell_steps(dry.stems["vocals"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
