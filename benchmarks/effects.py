"""How fast the shipped presets run, and what share of a job they take.

    python -m benchmarks.effects [--seconds 60] [--separation 0.5]

Times are CPU seconds of this process, so that what else the computer does counts little. `--separation` is how many
times real time the separation runs on this computer (the manifest's `timings` of a drop says it): the last column is
the share of a whole job that the preset takes then.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects.graph import bind
from bridge.presets.shelf import entries, find
from tests.effects.array_stems import ArrayStems
from tests.songs import STEMS, multitrack

RATE = 44100
TEMPO = TempoMap((TempoChange(0.0, 120.0),), "setting")


def cpu_seconds(name: str, stems: dict[str, np.ndarray]) -> float:
    """Run a preset over all stems; binding counts, as in a job."""
    dry = ArrayStems(stems, RATE)
    begun = time.process_time()
    graph = bind(find(name), list(stems), sample_rate=RATE, channels=2, tempo=TEMPO)
    for _ in graph.run(dry):
        pass
    return time.process_time() - begun


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each shipped preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the song")
    parser.add_argument("--separation", type=float, default=0.5, help="speed of the separation, times real time")
    options = parser.parse_args(arguments)
    song = multitrack(8.0, RATE, 2, seed=1)
    repeats = -(-int(options.seconds * RATE) // song["drums"].shape[1])
    stems = {stem: np.tile(song[stem], repeats) for stem in STEMS}
    seconds = stems["drums"].shape[1] / RATE
    print(f"{seconds:.0f} s of four stems; separation at {options.separation:g} x real time")
    print(f"{'preset':<16}{'CPU s':>8}{'x real time':>13}{'share of a job':>16}")
    for entry in entries():
        if entry.shipped:
            spent = min(cpu_seconds(entry.name, stems) for _ in range(2))
            speed = f"{seconds / spent:.0f}" if spent > 0.001 else "-"
            share = spent / (spent + seconds / options.separation)
            print(f"{entry.name:<16}{spent:>8.2f}{speed:>13}{share:>15.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
