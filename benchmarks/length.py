"""Memory of a whole job by the length of its render: 1 minute to 3 hours, same model, same chain.

    python benchmarks/length.py [--minutes 1 3 30 180] [--model MODEL] [--store FOLDER]

Every length runs in a process of its own, at low priority; the figure is the largest resident memory of that process,
which reads, separates, prints effects and writes, as the worker does. Without --model a tiny random network of the real
class separates: the engine, the files and the chains are those of the product, and three hours take minutes.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.random_weights import write_model

_RATE = 44100
_CHILD = """
import os, sys, time
from pathlib import Path
if hasattr(os, "nice"):
    os.nice(15)
from bridge.domain.job import Job, SeparationOptions, StoreOptions
from bridge.pipeline.process import process
from bridge.pipeline.separators import Separators
from bridge.presets.loader import parse
render, outbox, model, store = sys.argv[1:]
preset = parse("version: 1\\nname: b\\ndescription: b\\nstems: {vocals: {chain: [{Gain: {gain_db: -3}}]}}\\n", name="b")
kept = StoreOptions(Path(store), 20_000_000_000) if store else None
job = Job("job", Path(render), Path(outbox), "b", preset, SeparationOptions(model, device="cpu"), store=kept)
process(job, lambda _: None, lambda: False, Separators())
"""


def write_sound(path: Path, minutes: float) -> None:
    """Write noise whose level moves, a minute at a time: stereo, 24 bits, RF64 where it must be."""
    noise = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", _RATE, 2, "PCM_24", format="RF64") as out:
        for minute in range(round(minutes)):
            level = 0.05 + 0.1 * (minute % 3)
            out.write(level * noise.standard_normal((60 * _RATE, 2), np.float32))


def measured(render: Path, folder: Path, model: str, store: Path | None) -> tuple[float, float, int]:
    """Run one job; returns its wall seconds, CPU seconds and largest resident bytes."""
    begun = time.monotonic()
    place = str(store) if store else ""
    command = [sys.executable, "-c", _CHILD, str(render), str(folder / "out"), model, place]
    process = subprocess.Popen(command, env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The job of {render.name} failed.")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def main() -> None:
    """Measure every length and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 3, 30, 180])
    parser.add_argument("--model", default="", help="name of a model or a folder of weights; else a tiny random one")
    parser.add_argument("--store", type=Path, default=None, help="keep segments in this folder")
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores\n\n| length | x real time | CPU s | peak memory | re 3 min |")
    print("|---|---|---|---|---|")
    peaks: dict[float, int] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = {"channels": 8, "bottom_channels": 0, "t_layers": 1, "t_heads": 2, "t_hidden_scale": 1.0}
        model = given.model or str(write_model("htdemucs", folder, seed=1, segment=Fraction(39, 5), **small))
        for minutes in given.minutes:
            render = folder / f"{minutes:g}.wav"
            write_sound(render, minutes)
            with tempfile.TemporaryDirectory(dir=folder) as out:
                wall, cpu, peak = measured(render, Path(out), model, given.store)
            render.unlink()
            peaks[minutes] = peak
            ratio = f"{peak / peaks[3]:.2f}" if 3 in peaks else ""
            line = f"| {minutes:g} min | {60 * minutes / wall:.1f} | {cpu:.0f} | {peak / 1e6:.0f} MB | {ratio} |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
