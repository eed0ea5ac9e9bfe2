"""A desk on which whole jobs run with an exact fake for the network, and what they left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from bridge.delivery.manifest import read
from bridge.delivery.publish import publish
from bridge.domain.drop import Drop
from bridge.domain.events import Event
from bridge.domain.job import Job, SeparationOptions
from bridge.pipeline.process import process
from bridge.presets.loader import parse
from bridge.separation.separator import FakeSeparator
from tests.songs import mix_of, multitrack

DRY = parse("version: 1\nname: dry\ndescription: Nothing done.\n", name="dry")
WET = parse(
    """
version: 1
name: wet
description: Vocals through a reverb, drums louder, the rest dry.
stems:
  vocals: {chain: [{Reverb: {room_size: 0.4, wet_level: 0.3, dry_level: 0.7}}], tail: auto, bus: VOX}
  drums: {chain: [{Gain: {gain_db: 9}}]}
buses:
  VOX: {color: "#d1495b"}
""",
    name="wet",
)


class Desk:
    """Runs jobs on one song and keeps what they reported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.count = 0

    def render(
        self, sample_rate: int = 48000, channels: int = 2, subtype: str = "PCM_24", seconds: float = 3.0
    ) -> Path:
        path = self.folder / f"My song {sample_rate} {channels} {subtype}.wav"
        mix = mix_of(multitrack(seconds, sample_rate, channels, seed=1))
        soundfile.write(path, mix.T, sample_rate, subtype=subtype)
        return path

    def job(self, render: Path, **changes: object) -> Job:
        self.count += 1
        # The mini model's weights are at hand; what is heard is the fake's.
        separation = SeparationOptions("htdemucs_mini")
        plain = Job(f"job{self.count}", render, self.folder / "outbox", render.stem, DRY, separation)
        return replace(plain, **changes)

    def run(self, job: Job, cancel=lambda: False, separator=None) -> Drop:
        return publish(process(job, self.events.append, cancel, lambda _: separator or FakeSeparator()))


def stems_in(drop: Drop, kind: str = "stem") -> dict[str, np.ndarray]:
    """Every delivered stem of a kind, (channels, frames), float64."""
    files = [file for file in read(drop.manifest).files if file.kind == kind]
    return {f.stem: soundfile.read(drop.folder / f.path, dtype="float64", always_2d=True)[0].T for f in files}
