"""Every script from REAPER 6.30 up, where Lua is 5.3: one working day through all of them, in an old and a new one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.domain.tempo import TempoChange, TempoMap
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.workplace import sounding, workplace
from tests.session.small_drops import RATE, ROUTED, make_drop


@pytest.mark.parametrize("version", ["6.30", "7.78"])
def test_a_day_with_every_script(tmp_path: Path, version: str) -> None:
    place, reaper = workplace(tmp_path), Reaper(version=version)
    reaper.sample_rate, reaper.resource_path = 48000, str(tmp_path)

    reaper.run(place.script("Add to action list"))
    names = {Path(path).stem.removeprefix("stembridge_") for _, path in reaper.actions}
    used = {"Settings", "Send to bridge", "Auto-import", "Bring stems in", "Update stems", "Null check", "Self test"}
    assert names == used, "a new script has its place in this day"

    reaper.gfx.choices = [1, 3]  # Send: selected tracks
    reaper.run(place.script("Settings"))
    guitar = sounding(reaper, tmp_path, "Guitar", seconds=0.125)
    guitar.values["I_SELECTED"] = 1.0
    before = master(reaper.project, sample_rate=RATE, frames=RATE)
    reaper.sample_rate = RATE
    reaper.run(place.script("Send to bridge"))
    (render,) = place.renders()
    place.drop_of(render)
    (place.outbox / render.stem / "drop.lua").write_text("return {}\n")

    reaper.start(place.script("Auto-import"))
    for _ in range(4):
        reaper.turn(1.0)
    reaper.end()
    after = master(reaper.project, sample_rate=RATE, frames=RATE)
    assert np.abs(after - before).max() < 1e-6
    assert guitar.values["B_MUTE"]

    place.drop_of(render, 2)
    (place.outbox / render.stem / "drop.lua").write_text("return {}\n")
    reaper.gfx.choices = [1]
    reaper.run(place.script("Update stems"))
    assert all(len(item.takes) == 2 for track in reaper.project.tracks[1:] for item in track.items)
    reaper.run(place.script("Null check"))
    assert [track.values["B_PHASE"] for track in reaper.project.tracks if "original" in track.name] == [1.0]

    tempo = TempoMap((TempoChange(0.0, 93.0),), "midi")
    other = make_drop(tmp_path / "other", drop_id="77", preset=ROUTED, printed=["vocals"], tempo=tempo)
    reaper.gfx.choices = [2]
    reaper.answers = [str(other.script)]
    reaper.run(place.script("Bring stems in"))
    once = reaper.project.state()
    reaper.run(other.script)
    assert reaper.project.state() == once

    reaper.sample_rate = 48000
    reaper.run(place.script("Self test"))
    assert "All is well." in reaper.messages[-1]
    assert not [text for text in reaper.messages if "traceback" in text]
