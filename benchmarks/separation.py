"""Separation alone, warm, on one device: ours and demucs' own `apply_model`, each in a process of its own, in turn.

    python -m benchmarks.speed --device cuda [--precision bfloat16]         runs this after the whole commands

Both hold the model and the song in memory before the clock starts; ours still reads the song from its file, cuts it,
adds it up and brings all stems back. Shifts 0, overlap 0.25. Demucs is timed as it comes, TF32 included where torch
allows it; how far ours lies from it is taken from one more run of it in IEEE float32, at the same level.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.hf import load_safetensors_model

from bridge.audio.read import open_sound, scan
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.demucs import DemucsSeparator
from bridge.separation.device import choose_device, exact_products
from bridge.separation.engine import find_normaliser

SEGMENT_GFLOP = 334.9
"""Of one segment of htdemucs, four stems (counted by torch); a segment yields 5.85 s."""
_TOOLS = ("ours", "demucs")


def ours(model: Path, song: Path, device: str, precision: Any) -> tuple[Callable[[], FloatArray], Callable[[], int]]:
    """Return what separates, and its windows at a time."""
    separator = DemucsSeparator(find(str(model)), device=device, precision=precision, exact_tail=True)

    def run() -> FloatArray:
        with tempfile.TemporaryDirectory() as work, open_sound(song, Path(work)) as mix:
            return np.concatenate(list(separator.estimates(mix, known, separator.stems, SeparationOptions())), axis=2)

    with tempfile.TemporaryDirectory() as work, open_sound(song, Path(work)) as mix:
        known = scan(mix)
    return run, lambda: separator.batch


def demucs(model: Path, song: Path, device: str) -> tuple[Callable[[], FloatArray], Callable[[], int]]:
    """Return the same of demucs, which takes one window at a time."""
    known = find(str(model))
    members = [load_safetensors_model(path) for path in locate(known)]
    bag = BagOfModels(members, [list(weights) for weights in known.weights], known.segment_seconds)
    with tempfile.TemporaryDirectory() as work, open_sound(song, Path(work)) as mix:
        told = scan(mix)
        level = find_normaliser(told.mean, told.std, told.levels.peak)
        heard = (mix.read(0, mix.format.frames) - np.float32(level.mean)) / np.float32(level.scale)

    def run() -> FloatArray:
        with torch.no_grad():
            made = apply_model(bag, torch.from_numpy(heard)[None], shifts=0, overlap=0.25, device=device)
        return np.asarray(made[0].numpy() * np.float32(level.scale), dtype=np.float32)

    return run, lambda: 1


def serve(tool: str, model: Path, song: Path, device: str, precision: str, rounds: int, target: Path) -> None:
    """Time one tool and print what it took, as JSON; its estimates go to `target`."""
    place = choose_device(device)
    chosen = ours(model, song, str(place), precision) if tool == "ours" else demucs(model, song, str(place))
    run, batch = chosen
    run()  # kernels are chosen, memory is taken, files are read
    took = []
    for _ in range(rounds):
        begun = time.monotonic()
        made = run()
        took.append(time.monotonic() - begun)
    peak = torch.cuda.max_memory_allocated(place) if place.type == "cuda" else 0
    if tool == "demucs":
        with exact_products():
            made = run()
    np.save(target, made)
    print(json.dumps({"seconds": statistics.median(took), "batch": batch(), "card_bytes": peak}))


def report(model: Path, song: Path, seconds: float, device: str, precision: str, rounds: int) -> None:
    """Time both tools and print a line for each."""
    print("\nseparation alone, warm:")
    told: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for tool in _TOOLS:
            words = [tool, str(model), str(song), device, precision, str(rounds), f"{scratch}/{tool}.npy"]
            command = [sys.executable, "-m", "benchmarks.separation", *words]
            told[tool] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        made, true = (np.load(f"{scratch}/{tool}.npy") for tool in _TOOLS)
    apart = max(
        20 * np.log10(np.linalg.norm(a - b) / np.linalg.norm(b) + 1e-12) for a, b in zip(made, true, strict=True)
    )
    for tool, one in told.items():
        memory = f", {one['card_bytes'] / 1e6:.0f} MB of the card" if one["card_bytes"] else ""
        speed = seconds / one["seconds"]
        print(f"{tool:7} {speed:8.2f} x real time, {one['batch']} at a time{memory}")
    if model.name == "htdemucs":
        windows = seconds / 5.85
        print(f"ours: {SEGMENT_GFLOP * windows / told['ours']['seconds'] / 1000:.2f} TFLOP/s of products")
    ratio = told["demucs"]["seconds"] / told["ours"]["seconds"]
    print(f"ours is {ratio:.2f}x as fast; its worst stem lies {apart:.1f} dB from demucs in IEEE float32")


if __name__ == "__main__":
    tool, model, song, device, precision, rounds, target = sys.argv[1:]
    serve(tool, Path(model), Path(song), device, precision, int(rounds), Path(target))
