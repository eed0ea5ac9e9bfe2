"""The scripts under Windows' paths, with names in other alphabets: sent, imported, copied to the project, tried."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bridge.intake.sidecar import read_sidecar
from bridge.session.lua import literal
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.workplace import Workplace, sounding, workplace
from tests.session.small_drops import RATE

HOME = "C:\\Users\\Zoë Müller\\Документы"


def at_home(folder: Path) -> tuple[Workplace, Reaper]:
    """A place whose paths are those of Windows in all that the scripts see."""
    place = workplace(folder)
    config = {
        "state": f"{HOME}\\state",
        "command": '"C:\\Program Files\\Stem Bridge\\pythonw.exe" "-m" "bridge" "watch"',
        "inboxes": [{"path": f"{HOME}\\inbox", "outbox": f"{HOME}\\outbox", "preset": "clean", "model": "htdemucs"}],
    }
    (place.scripts / "stembridge_config.lua").write_text(f"return {literal(config)}\n", encoding="utf-8")
    reaper = Reaper(drives={HOME: folder})
    reaper.resource_path, reaper.sample_rate = HOME, RATE
    reaper.project.file = f"{HOME}\\Lied.rpp"
    return place, reaper


def script(name: str) -> str:
    return f"{HOME}\\Scripts\\Stem Bridge\\stembridge_{name}.lua"


def test_what_is_sent_comes_back_to_its_place_and_sounds_as_before(tmp_path: Path) -> None:
    place, reaper = at_home(tmp_path)
    track = sounding(reaper, tmp_path, "Für Elise", at=1.0)
    track.values["I_SELECTED"] = 1.0
    before = master(reaper.project, sample_rate=RATE, frames=2 * RATE)
    reaper.ext_state["stembridge", "mode"] = "tracks"
    reaper.ext_state["stembridge", "media"] = "project"
    reaper.run(script("Send to bridge"))
    (render,) = place.renders()
    told = read_sidecar(render)
    assert told is not None
    assert told.origin is not None
    assert [one.name for one in place.inbox.iterdir() if one.name.startswith(".")] == []
    place.drop_of(render)
    (place.outbox / render.stem / "drop.lua").write_text("return {}\n", encoding="utf-8")
    reaper.start(script("Auto-import"))
    for _ in range(6):
        reaper.turn(1.0)
    reaper.end()
    assert track.values["B_MUTE"]
    assert np.abs(master(reaper.project, sample_rate=RATE, frames=2 * RATE) - before).max() < 1e-6
    ours = [take for one in reaper.project.tracks[1:] for item in one.items for take in item.takes]
    assert all(take.source and take.source.path.startswith(f"{HOME}\\") for take in ours)
    assert not any("/" in take.source.path for take in ours if take.source)
    assert len(list((tmp_path / "Media").iterdir())) == len(ours)


def test_the_self_test_is_well_and_the_actions_are_found(tmp_path: Path) -> None:
    _, reaper = at_home(tmp_path)
    reaper.sample_rate = 48000
    reaper.run(script("Self test"))
    assert reaper.messages[0].startswith("All is well."), reaper.messages
    assert reaper.messages[0].endswith(f"{HOME}\\stembridge-self-test\\1\\report.txt")
    reaper.run(script("Add to action list"))
    assert len(reaper.actions) == 7
    assert all(path.startswith(f"{HOME}\\Scripts\\Stem Bridge\\") for _, path in reaper.actions)
