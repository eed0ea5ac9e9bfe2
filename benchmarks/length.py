"""Memory of a whole job by the length of its render: 1 minute to 3 hours, same model, same chain.

    python -m benchmarks.length [--minutes 1 3 30] [--rate 44100] [--model MODEL|none] [--stems vocals] [--store FOLDER]

On two quiet cores the default takes about 3 minutes and 4 GB of disk. Three hours through a network:

    python -m benchmarks.length --minutes 3 180 --rate 16000 --stems vocals          about 8 minutes, 5 GB
    python -m benchmarks.length --minutes 3 180 --model none --stems vocals          about 3 minutes, 13 GB

Every length runs in a process of its own, at low priority; the figure is the largest resident memory of that process,
which reads, separates, prints effects and writes, as the worker does. Without --model a tiny random network of the real
class separates; with `--model none` plain arithmetic stands for the network, so that three hours take minutes on a busy
machine. The stream, the engine, the store, the files and the chains are those of the product in either case.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from benchmarks.random_weights import write_model
from bridge.audio.read import Scan, Sound
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.separation.overlap import Grid
from bridge.separation.store import Store
from bridge.separation.stream import Listener, stream_estimates

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
from benchmarks.length import Arithmetic
render, outbox, model, stems, store = sys.argv[1:]
preset = parse("version: 1\\nname: b\\ndescription: b\\nstems: {vocals: {chain: [{Gain: {gain_db: -3}}]}}\\n", name="b")
kept = StoreOptions(Path(store), 20_000_000_000) if store else None
plain = model == "none"
options = SeparationOptions("htdemucs_mini" if plain else model, tuple(stems.split(",")) if stems else (), device="cpu")
job = Job("job", Path(render), Path(outbox), "b", preset, options, store=kept)
process(job, lambda _: None, lambda: False, (lambda _: Arithmetic()) if plain else Separators())
"""


class Arithmetic:
    """Stands for a network: shares of the mix, through the stream, the engine and the store of the product."""

    stems = ("drums", "bass", "other", "vocals")
    device = "none"
    left: str | None = None
    batch = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    members = (("arithmetic", "0" * 64),)

    def estimates(
        self, mix: Sound, scan: Scan, wanted: Sequence[str], options: SeparationOptions, store: Store | None = None
    ) -> Iterator[FloatArray]:
        """Yield shares; see `Separator.estimates`."""
        segment = round(7.8 * _RATE)
        grid = Grid(segment, round(0.75 * segment), pads=True)
        listener = Listener(
            lambda windows: np.stack([windows * np.float32(0.2)] * len(wanted), axis=1),
            tuple(f"arithmetic {stem}" for stem in wanted),
            grid,
            _RATE,
            beside=False,
        )
        return stream_estimates(listener, mix, scan, options, store)


def write_sound(path: Path, minutes: float, rate: int) -> None:
    """Write noise whose level moves, a minute at a time: stereo, 24 bits, RF64 where it must be."""
    noise = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_24", format="RF64") as out:
        for minute in range(round(minutes)):
            level = 0.05 + 0.1 * (minute % 3)
            out.write(level * noise.standard_normal((60 * rate, 2), np.float32))


def measured(render: Path, folder: Path, model: str, stems: str, store: Path | None) -> tuple[float, float, int]:
    """Run one job; returns its wall seconds, CPU seconds and largest resident bytes."""
    begun = time.monotonic()
    place = str(store) if store else ""
    command = [sys.executable, "-c", _CHILD, str(render), str(folder / "out"), model, stems, place]
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
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 3, 30])
    parser.add_argument("--rate", type=int, default=_RATE, help="of the render, Hz; less takes less disk")
    parser.add_argument("--model", default="", help="a model, a folder of weights or none; else a tiny random one")
    parser.add_argument("--stems", default="", help="only these: three hours of all stems take 23 GB")
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
            write_sound(render, minutes, given.rate)
            with tempfile.TemporaryDirectory(dir=folder) as out:
                wall, cpu, peak = measured(render, Path(out), model, given.stems, given.store)
            render.unlink()
            peaks[minutes] = peak
            ratio = f"{peak / peaks[3]:.2f}" if 3 in peaks else ""
            line = f"| {minutes:g} min | {60 * minutes / wall:.1f} | {cpu:.0f} | {peak / 1e6:.0f} MB | {ratio} |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
