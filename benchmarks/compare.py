"""The table of speed: ours and other tools, same file, same weights, same overlap, no shifts, in turn in one run.

    python -m benchmarks [--seconds 30] [--rounds 2] [--cases htdemucs,htdemucs_ft] [--write]

Weights are seeded random ones of the published architectures: a random network costs what a trained one costs. Each
figure is the operating system's for the whole command, loading included; the ratio is the median over rounds of a
round's own. `--write` puts the result into results.json and between the markers of README.md, both beside this file;
cases that were measured there on the same day, machine and song stay.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from benchmarks.peers import AUDIO_SEPARATOR, NOT_MEASURED, PEERS, Peer, install, make_repository
from benchmarks.random_weights import write_model
from benchmarks.speed import Run, measured, write_song

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
OURS = ("float32", "bfloat16")
REFERENCE = PEERS[0].name
NOT_COMPARED = "other"
"""Ours is what the rest leaves of the mix."""


@dataclass(frozen=True)
class Case:
    """A model, and whether one stem of it is wanted or all."""

    name: str
    model: str
    stem: str | None = None


CASES = (
    Case("htdemucs", "htdemucs"),
    Case("htdemucs_ft", "htdemucs_ft"),
    Case("htdemucs_ft-vocals", "htdemucs_ft", "vocals"),
    Case("htdemucs_6s", "htdemucs_6s"),
)


def commands(case: Case, song: Path, folder: Path, peers: Mapping[Peer, Path]) -> dict[str, list[str]]:
    """Return every tool's command; results go below `folder`, into a folder named like the tool."""
    made: dict[str, list[object]] = {}
    for precision in OURS:
        name = f"stem-bridge {precision}"
        ours: list[object] = [
            sys.executable,
            "-m",
            "bridge",
            "process",
            song,
            "-m",
            folder / "models" / case.model,
            "-p",
            "clean",
        ]
        ours += ["--device", "cpu", "--precision", precision, "--stems", case.stem or "all", "-o", folder / name]
        made[name] = ours
    for peer, interpreter in peers.items():
        if peer.cases and case.name not in peer.cases:
            continue
        repository = folder / "peers" / peer.package / case.model
        if peer.package == AUDIO_SEPARATOR:
            run: list[object] = ["-c", f"from {peer.package} import main; main()", song, "--model_file_dir", repository]
            run += ["-m", f"{case.model}.yaml", "--output_dir", folder / peer.name, "--output_format", "WAV"]
            run += ["--demucs_shifts", 0, "--demucs_overlap", 0.25]
        else:
            run = ["-m", peer.package, "--repo", repository, "-n", case.model, "--shifts", 0, "--overlap", 0.25]
            run += ["--float32", "-d", "cpu", "-o", folder / peer.name, song]
            run += ["--two-stems", case.stem] if case.stem else []
        made[peer.name] = [interpreter, *run]
    return {name: [str(word) for word in command] for name, command in made.items()}


def measure(case: Case, song: Path, folder: Path, peers: Any, rounds: int) -> tuple[dict[str, list[Run]], Any]:
    """Run every tool in turn; return what each cost and how far each lies from the reference, in dB."""
    runs: dict[str, list[Run]] = {}
    apart: dict[str, float | None] = {}
    os.environ["STEM_BRIDGE_CACHE_FOLDER"] = "off"
    for number in range(rounds):
        todo = commands(case, song, folder, peers)
        for name, command in todo.items():
            shutil.rmtree(folder / name, ignore_errors=True)
            runs.setdefault(name, []).append(measured(command))
            wall = runs[name][-1].wall_seconds
            print(f"{case.name}, round {number + 1}: {name}: {wall:.1f} s", file=sys.stderr)
    reference = stems(folder / REFERENCE)
    for name in runs:
        apart[name] = None if name == REFERENCE else distance_db(stems(folder / name), reference)
    return runs, apart


def stems(folder: Path) -> dict[str, Path]:
    """Find the stems that a tool wrote, by their names in lower case."""
    found = {}
    for path in folder.rglob("*.wav"):
        if path.parent.name != "mix":
            named = re.fullmatch(r".*_\((\w+)\)_.*", path.stem)  # audio-separator's way
            found[(named[1] if named else path.stem.rpartition(" - ")[2]).lower()] = path
    return found


def distance_db(made: Mapping[str, Path], reference: Mapping[str, Path]) -> float:
    """Return the largest difference of any estimated stem, dB re that stem."""
    worst = -300.0
    for stem in (made.keys() & reference.keys()) - {NOT_COMPARED}:
        true = soundfile.read(reference[stem], dtype="float64")[0]
        is_ = soundfile.read(made[stem], dtype="float64")[0]
        difference = np.linalg.norm(is_ - true) / np.linalg.norm(true)
        worst = max(worst, float(20 * np.log10(difference + 1e-15)))
    return round(worst, 1)


def summary(runs: Mapping[str, Sequence[Run]], apart: Mapping[str, float | None], seconds: float) -> dict[str, Any]:
    """Boil rounds down to one row for each tool."""
    rows = {}
    for name, made in runs.items():
        pairs = zip(runs[REFERENCE], made, strict=True)
        rows[name] = {
            "times_real_time": round(seconds / statistics.median(run.wall_seconds for run in made), 2),
            "times_reference": round(statistics.median(one.wall_seconds / run.wall_seconds for one, run in pairs), 2),
            "cpu_seconds": round(statistics.median(run.cpu_seconds for run in made), 1),
            "cpu_ratio": round(
                statistics.median(
                    one.cpu_seconds / run.cpu_seconds for one, run in zip(runs[REFERENCE], made, strict=True)
                ),
                2,
            ),
            "peak_mb": round(max(run.peak_bytes for run in made) / 1e6),
            "apart_db": apart[name],
            "rounds": len(made),
        }
    return rows


def table(result: Mapping[str, Any]) -> str:
    """Write a result as Markdown."""
    lines = [
        f"{result['date']}, {result['machine']}; {result['seconds']:g} s of stereo, overlap 0.25, no shifts,"
        " whole commands in turn.",
        "",
        f"| | tool | rounds | x real time | x {REFERENCE} | CPU seconds | peak memory | apart |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for case, rows in result["cases"].items():
        for name, row in rows.items():
            apart = "" if row["apart_db"] is None else f"{row['apart_db']:.0f} dB"
            figures = f"{row['times_real_time']:.2f} | {row['times_reference']:.2f} | {row['cpu_seconds']:.1f}"
            lines.append(f"| `{case}` | {name} | {row['rounds']} | {figures} | {row['peak_mb']} MB | {apart} |")
    lines += [
        "",
        f"*apart*: the largest difference of an estimated stem from what {REFERENCE} wrote. Ours is heard by the",
    ]
    lines += [
        "network at a level in steps of a quarter octave and without a redundant last segment; at the same level and"
    ]
    lines += ["with that segment the difference is at most -100 dB (`tests/separation/test_parity.py`). Not measured:"]
    lines.append("; ".join(f"{name} ({reason})" for name, reason in result["not_measured"].items()) + ".")
    return "\n".join(lines)


def joined(result: dict[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the cases of an earlier result that this one lacks, where both were measured alike."""
    if any(result[key] != earlier.get(key) for key in ("date", "machine", "seconds")):
        return result
    cases = {**earlier["cases"], **result["cases"]}
    return result | {"cases": {case.name: cases[case.name] for case in CASES if case.name in cases}}


def main() -> None:
    """Measure, print the table, and keep it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cases", default=",".join(case.name for case in CASES))
    parser.add_argument("--write", action="store_true", help="into results.json and README.md of benchmarks")
    given = parser.parse_args()
    cases = [case for case in CASES if case.name in given.cases.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_song(folder / "song.wav", given.seconds)
        peers, missing = dict[Peer, Path](), dict(NOT_MEASURED)
        for peer in PEERS:
            interpreter = install(peer, folder / "environments" / peer.package)
            if interpreter is None:
                missing[peer.name] = "pip could not install it here"
            else:
                peers[peer] = interpreter
        for model in dict.fromkeys(case.model for case in cases):
            written = write_model(model, folder / "models")
            for peer, interpreter in peers.items():
                make_repository(interpreter, peer, written, folder / "peers" / peer.package / model)
        done = {}
        for case in cases:
            runs, apart = measure(case, folder / "song.wav", folder, peers, given.rounds)
            done[case.name] = summary(runs, apart, given.seconds)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{torch.cpu.get_capabilities().get('cpu_name', platform.machine())}, {os.cpu_count()} cores, "
        f"torch {torch.__version__}",
        "seconds": given.seconds,
        "cases": done,
        "not_measured": missing,
    }
    print(table(result))
    if given.write:
        if RESULTS.exists():
            result = joined(result, json.loads(RESULTS.read_text(encoding="utf-8")))
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        before, rest = README.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        README.write_text(f"{before}{BEGIN}\n{table(result)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
