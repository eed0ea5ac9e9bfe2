"""Speed and memory of a whole job against the `demucs` command, same song, same weights, same run, in turn.

    python -m benchmarks.speed [--device cuda] [--precision float32] [--seconds 60] [--rounds 2] [--model htdemucs]

Then separation alone, warm, without what a command loads and writes (`benchmarks/separation.py`).

Both get seeded random weights of the published architecture (a random network costs what a trained one costs), overlap
0.25 and no shifts, and write four FLOAT stems. Figures are those of the operating system for the whole command, model
loading included: seconds of audio per second, CPU seconds, and the memory of the largest process.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from demucs.hf import load_safetensors_model

from benchmarks.random_weights import write_model
from benchmarks.separation import report


@dataclass(frozen=True)
class Run:
    """What one command cost."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def measured(command: list[str]) -> Run:
    """Run a command to its end and return what it and its children cost."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{told.decode(errors='replace')}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def write_song(path: Path, seconds: float) -> None:
    """Write pink-ish noise, stereo, 44.1 kHz: the cost of a network does not depend on what it hears."""
    noise = np.random.default_rng(0).standard_normal((round(seconds * 44100), 2))
    soundfile.write(path, 0.1 * noise, 44100, subtype="PCM_24")


def write_peer_repository(folder: Path, target: Path) -> None:
    """Write the same weights as the old pickles that the demucs command reads from a folder."""
    target.mkdir()
    for weights in sorted(folder.glob("*.safetensors")):
        network = load_safetensors_model(weights)
        args, kwargs = network._init_args_kwargs
        state = {name: tensor.half() for name, tensor in network.state_dict().items()}
        package = {"klass": type(network), "args": args, "kwargs": kwargs, "state": state}
        torch.save(package, target / f"{weights.stem}.th")
    for bag in folder.glob("*.yaml"):
        (target / bag.name).write_bytes(bag.read_bytes())


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--model", default="htdemucs")
    parser.add_argument("--device", default="cpu", help="of both: cpu, cuda, cuda:1 or mps")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"], help="of ours")
    parser.add_argument("--stems", default="all", help="for ours: only these stems")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        song = place / "song.wav"
        write_song(song, given.seconds)
        model = write_model(given.model, place / "models")
        write_peer_repository(model, place / "peer")
        os.environ["STEM_BRIDGE_CACHE_FOLDER"] = "off"
        runs: dict[str, list[Run]] = {"stem-bridge": [], "demucs 4.1": []}
        for number in range(given.rounds):
            ours = f"-m bridge process -m {model} -o {place / f'o{number}'} --stems {given.stems} {song}"
            ours += f" --device {given.device} --precision {given.precision}"
            peer = f"-m demucs --repo {place / 'peer'} -n {given.model} --shifts 0 --overlap 0.25 --float32"
            peer += f" -d {given.device}"
            runs["stem-bridge"].append(measured([sys.executable, *ours.split()]))
            runs["demucs 4.1"].append(
                measured([sys.executable, *peer.split(), "-o", f"{place / 'p'}{number}", str(song)])
            )
        _tell(given, runs)
        report(model, song, given.seconds, given.device, given.precision, given.rounds)


def _tell(given: argparse.Namespace, runs: Mapping[str, Sequence[Run]]) -> None:
    print(f"{given.model}, {given.seconds:g} s of stereo at 44.1 kHz, {given.rounds} rounds in turn, medians")
    print(f"{given.device}, {given.precision}")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    print(f"{'':12}  {'x real time':>11}  {'CPU seconds':>11}  {'peak memory':>11}")
    for name, made in runs.items():
        wall = statistics.median(run.wall_seconds for run in made)
        cpu = statistics.median(run.cpu_seconds for run in made)
        peak = max(run.peak_bytes for run in made) / 1e6
        print(f"{name:12}  {given.seconds / wall:11.2f}  {cpu:11.1f}  {peak:8.0f} MB")
    pairs = zip(runs["demucs 4.1"], runs["stem-bridge"], strict=True)
    ratio = statistics.median(peer.wall_seconds / ours.wall_seconds for peer, ours in pairs)
    print(f"stem-bridge is {ratio:.2f}x as fast")


if __name__ == "__main__":
    main()
