"""What the second time costs: another preset on a drop, and a render of which ten seconds of four minutes changed.

    python benchmarks/rerender.py [--minutes 4] [--changed 10] [--model htdemucs_mini]

Each figure is the CPU time of the job in one process, after the model was loaded for the first one: machines that do
other things too then agree. The first separation fills the store and is what the others are held against.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from bridge.delivery.manifest import read
from bridge.delivery.publish import publish
from bridge.domain.drop import Drop
from bridge.domain.job import Job, SeparationOptions, StoreOptions
from bridge.pipeline.process import process
from bridge.pipeline.separators import Separators
from bridge.presets.loader import parse

_RATE = 44100


def _preset(gain_db: float) -> str:
    chain = f"[{{HighpassFilter: {{cutoff_frequency_hz: 90}}}}, {{Gain: {{gain_db: {gain_db}}}}}]"
    return f"version: 1\nname: b\ndescription: b\nstems: {{vocals: {{chain: {chain}}}}}\n"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--changed", type=float, default=10.0, help="seconds")
    parser.add_argument("--model", default="htdemucs_mini")
    given = parser.parse_args()
    noise = np.random.default_rng(0)
    song = 0.1 * noise.standard_normal((round(60 * given.minutes * _RATE), 2), np.float32)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {given.model}, {given.minutes:g} minutes\n")
    print("| job | CPU s | wall s | ratio | segments computed | from the store |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder, separators = Path(name), Separators()
        store = StoreOptions(folder / "store", 20_000_000_000)
        options = SeparationOptions(given.model, device="cpu")
        first: float | None = None

        def run(what: str, number: int, samples: np.ndarray, gain_db: float, drop: Drop | None) -> Drop:
            nonlocal first
            soundfile.write(folder / "song.wav", samples, _RATE, subtype="PCM_24")
            preset = parse(_preset(gain_db), name="b")
            job = Job(f"job{number}", folder / "song.wav", folder / "out", "song", preset, options, store=store)
            job = replace(job, stems_from=None if drop is None else drop.folder)
            cpu, wall = time.process_time(), time.monotonic()
            made = publish(process(job, lambda _: None, lambda: False, separators))
            cpu, wall = time.process_time() - cpu, time.monotonic() - wall
            first = first or cpu
            segments = read(made.manifest).model.segments
            counts = "- | -" if drop or segments is None else f"{segments.computed} | {segments.stored}"
            print(f"| {what} | {cpu:.1f} | {wall:.1f} | {first / cpu:.1f} | {counts} |", flush=True)
            return made

        original = run("separate", 1, song, -3.0, None)
        run("another preset, the drop's stems", 2, song, -6.0, original)
        run("another preset, from the store", 3, song, -6.0, None)
        changed = song.copy()
        start = len(song) // 2
        changed[start : start + round(given.changed * _RATE)] *= 0.5
        run(f"{given.changed:g} s changed", 4, changed, -3.0, None)


if __name__ == "__main__":
    main()
