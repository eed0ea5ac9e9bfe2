"""A place to work in: installed ReaScripts, an inbox, and the daemon's files as the daemon writes them."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from bridge.daemon.status import Status, write_status
from bridge.intake.sidecar import Sidecar, read_sidecar
from bridge.resources import shipped
from bridge.session.lua import literal
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.state import Item, Source, Take, Track
from tests.session.small_drops import RATE, SmallDrop, make_drop

__all__ = ["Workplace", "sounding", "workplace"]


@dataclass(frozen=True)
class Workplace:
    folder: Path

    @property
    def scripts(self) -> Path:
        return self.folder / "Scripts" / "Stem Bridge"

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def script(self, name: str) -> Path:
        return self.scripts / f"stembridge_{name}.lua"

    def run_daemon(self, status: Status | None = None, age: float = 0.0) -> None:
        """Write what a running daemon writes."""
        status = status or Status("running", 1, 0.0)
        write_status(self.state, replace(status), time.time() - age)

    def renders(self) -> list[Path]:
        return sorted(path for path in self.inbox.iterdir() if path.suffix == ".wav")

    def sidecar(self, render: Path) -> Sidecar:
        found = read_sidecar(render)
        assert found is not None
        return found

    def drop_of(self, render: Path, number: int = 1) -> SmallDrop:
        """Do what the daemon does with a render: stems that add up to it."""
        sidecar = self.sidecar(render)
        sound, rate = soundfile.read(render, always_2d=True)
        assert sidecar.origin is not None
        return make_drop(
            self.outbox / render.stem,
            drop_id=f"{number:016x}",
            title=render.stem,
            mix=sound.T,
            rate=rate,
            origin=sidecar.origin,
            source=sidecar.rendered,
        )


def workplace(folder: Path, *, is_running: bool = True) -> Workplace:
    place = Workplace(folder)
    shutil.copytree(shipped("reaper_scripts") / "Stem Bridge", place.scripts)
    for made in (place.inbox, place.outbox, place.state):
        made.mkdir()
    config = {
        "state": str(place.state),
        "command": '"python" "-m" "bridge" "watch"',
        "inboxes": [{"path": str(place.inbox), "outbox": str(place.outbox), "preset": "clean", "model": "htdemucs"}],
    }
    (place.scripts / "stembridge_config.lua").write_text(f"return {literal(config)}\n", encoding="utf-8")
    if is_running:
        place.run_daemon()
    return place


def sounding(reaper: Reaper, folder: Path, name: str, *, at: float = 0.0, seconds: float = 0.1, seed: int = 0) -> Track:
    """Add a track with an item of noise, no fades, to the project."""
    frames = round(seconds * RATE)
    file = folder / f"{name}.wav"
    soundfile.write(file, np.random.default_rng(seed or len(name)).normal(0, 0.1, (frames, 2)), RATE, "DOUBLE")
    values = {"D_POSITION": at, "D_LENGTH": seconds, "D_VOL": 1.0}
    take = Take(Source.open(str(file), file), texts={"P_NAME": name})
    track = Track(items=[Item(takes=[take], values=values)], texts={"P_NAME": name})
    track.values["I_SELECTED"] = 0.0
    reaper.project.tracks.append(track)
    return track
