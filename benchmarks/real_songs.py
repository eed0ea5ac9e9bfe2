"""Three real songs through the installed command, in every rate, depth and channel count; checks the laws of the drop.

    python -m benchmarks.real_songs [--seconds 30] [--model htdemucs_mini] [--cache FOLDER]

Needs Debian or Ubuntu (see `free_music.py`) and `fluidsynth`. The 18 variants of {44.1, 48, 96 kHz} x {16 bit, 24 bit,
float} x {mono, stereo} are dealt to the songs so that each song meets every rate, depth and channel count. Each render
is processed twice, and one of integers a third time to fixed point. Checked, from the delivered files alone:

- shape: every stem has the render's rate, channels and frames;
- sum: the stems added up in float64 against the render, peak error in dB re max(1, loudest stem): at most -120 dB, and
  for fixed point at common gain 1 exactly zero;
- twice: the second run's stems are bit-identical;
- script: `import.lua` is there.

Prints one row a render: null depths, x real time with start-up and peak memory of the command with its worker. Exits 1
when a law is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from benchmarks.free_music import played, unpacked

RATES = (44100, 48000, 96000)
CHANNELS = (1, 2)
DEPTHS = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
PEAKS = {"16": 0.9, "24": 0.98, "float": 1.3}
"""Of the render; floats go beyond full scale, as DAWs let them."""
LAW_DB = -120.0


@dataclass(frozen=True)
class Run:
    """One call of the command."""

    drop: Path
    manifest: dict
    seconds: float
    peak_bytes: int


def songs(cache: Path, seconds: float) -> dict[str, tuple[npt.NDArray[np.float32], int]]:
    """Name to sound (2, frames) and its own rate: one produced recording, two General MIDI songs."""
    recording = next(unpacked("singularity-music", cache).rglob("Coherence.ogg"))
    rate = soundfile.info(recording).samplerate
    sound, _ = soundfile.read(recording, start=60 * rate, frames=round(seconds * rate), dtype="float32", always_2d=True)
    found = {"Coherence": (sound.T, rate)}
    font = next(unpacked("timgm6mb-soundfont", cache).rglob("*.sf2"))
    for package, name in (("openttd-openmsx", "flying_scotsman"), ("planetblupi-music-midi", "music000")):
        midi = next(unpacked(package, cache).rglob(f"{name}.mid"))
        found[name] = (np.sum(list(played(midi, font, start=20, seconds=seconds).values()), axis=0), 44100)
    return found


def variants(cache: Path, folder: Path, seconds: float) -> Iterator[tuple[Path, str]]:
    """Write all renders; yields each with its depth."""
    dealt = list(songs(cache, seconds).items())
    for (r, rate), (c, channels), (d, depth) in itertools.product(*map(enumerate, (RATES, CHANNELS, DEPTHS))):
        name, (sound, own_rate) = dealt[(r + c + d) % len(dealt)]
        heard = sound if channels == 2 else sound.mean(axis=0, keepdims=True)
        heard = soxr.resample(heard.T, own_rate, rate, "VHQ") if rate != own_rate else heard.T
        heard = heard * (PEAKS[depth] / np.abs(heard).max())
        path = folder / f"{name} {rate / 1000:g} kHz {depth} {'mono' if channels == 1 else 'stereo'}.wav"
        soundfile.write(path, heard, rate, DEPTHS[depth])
        yield path, depth


def process(render: Path, out: Path, model: str, *flags: str) -> Run:
    """Run the installed command on one render, as a user would."""
    command = [str(Path(sys.executable).with_name("stem-bridge")), "process", str(render), "-p", "clean", "-m", model]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen([*command, "-o", str(out), "--json", *flags], stdout=told)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        told.seek(0)
        events = [json.loads(line) for line in told.read().decode().splitlines()]
    done = [event for event in events if event["event"] == "done"]
    if child.returncode or not done:
        raise SystemExit(f"{render.name}: exit {child.returncode}: {events[-1:]}")
    drop = Path(done[0]["drop"])
    manifest = json.loads((drop / "drop.json").read_text(encoding="utf-8"))
    return Run(drop, manifest, seconds, usage.ru_maxrss * 1024)


def dry_stems(drop: Path) -> list[Path]:
    """The untouched stems; the preset `clean` prints nothing, so they are the stems."""
    return sorted((drop / "dry").glob("*.*")) or sorted((drop / "stems").glob("*.*"))


def null_depth_db(render: Path, run: Run) -> float:
    """Largest difference between the render and its stems added up, dB re max(1, loudest stem); -inf = exact."""
    gain = 10 ** (run.manifest["output"]["common_gain_db"] / 20)
    mix = soundfile.read(render, dtype="float32", always_2d=True)[0].astype(np.float64)
    stems = [soundfile.read(path, dtype="float64", always_2d=True)[0] for path in dry_stems(run.drop)]
    apart = np.abs(mix * gain - np.sum(stems, axis=0)).max()
    return float(20 * np.log10(apart / max(1.0, *(np.abs(stem).max() for stem in stems)))) if apart else -np.inf


def broken_laws(render: Path, first: Run, again: Run, fixed: Run | None) -> list[str]:
    """Name what does not hold."""
    want = soundfile.info(render)
    broken = []
    for run in filter(None, (first, fixed)):
        for stem in dry_stems(run.drop):
            is_ = soundfile.info(stem)
            if (is_.samplerate, is_.channels, is_.frames) != (want.samplerate, want.channels, want.frames):
                broken.append(f"shape of {stem.name}")
        if len(dry_stems(run.drop)) != 4:
            broken.append(f"{len(dry_stems(run.drop))} stems")
        if not (run.drop / "import.lua").is_file():
            broken.append("no import.lua")
    if null_depth_db(render, first) > LAW_DB:
        broken.append("sum")
    if fixed and fixed.manifest["output"]["common_gain_db"] == 0 and null_depth_db(render, fixed) != -np.inf:
        broken.append("exact sum")
    sums = [[hashlib.sha256(path.read_bytes()).digest() for path in dry_stems(run.drop)] for run in (first, again)]
    return broken if sums[0] == sums[1] else [*broken, "second run differs"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each song")
    parser.add_argument("--model", default="htdemucs_mini")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "stem-bridge-free-music")
    options = parser.parse_args()
    print(f"{'render':42s} {'FLOAT null':>11s} {'PCM_24 null':>12s} {'gain':>6s} {'x real time':>12s} {'memory':>8s}")
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for render, depth in variants(options.cache, folder, options.seconds):
            first = process(render, folder / "out", options.model)
            again = process(render, folder / "again", options.model)
            fixed = None
            if depth != "float":
                fixed = process(render, folder / "fixed", options.model, "--subtype", "PCM_24")
            broken = broken_laws(render, first, again, fixed)
            failed += bool(broken)
            fixed_null = f"{null_depth_db(render, fixed):9.0f} dB" if fixed else "-"
            fixed_gain = f"{fixed.manifest['output']['common_gain_db']:.1f}" if fixed else "-"
            print(
                f"{render.stem:42s} {null_depth_db(render, first):8.0f} dB {fixed_null:>12s} {fixed_gain:>6s}"
                f" {options.seconds / first.seconds:12.1f} {first.peak_bytes / 1e6:5.0f} MB",
                f" BROKEN: {', '.join(broken)}" if broken else "",
                flush=True,
            )
    print(f"{failed} renders break a law" if failed else "All laws hold: shape, sum, twice the same, import.lua.")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
