"""Plugins inserted live: by name, in the state the drop keeps, once; what cannot be had is told and stops nothing."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridge.domain.preset import Bus, Plugin, Preset, Send, StemPreset
from bridge.domain.session import FxPlan
from bridge.session.ardour import session_file
from bridge.session.rpp import project_file
from tests.reaper.standin.effects import Vst3, state_of
from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Fx, Track
from tests.reaper.workplace import workplace
from tests.session.small_drops import CLEAN, FRAMES, RATE, SmallDrop, make_drop

CLASS = "0123456789ABCDEF0123456789ABCDEF"
NAME = "VST3: Hall (X) (Some Maker)"
STATE = "plugins/Vocals - 1 Hall.vstpreset"
HALL = FxPlan(NAME, STATE, (("Size", 0.75),))
INSTALLED = Vst3(CLASS, {"Size": 0.5, "Wet": 0.5, "Dry": 1.0}, gain=lambda values: values["Size"])


def drop_with(
    folder: Path, *fx: FxPlan, class_id: str = CLASS, size: float = 0.75, drop_id: str = "d" * 16
) -> SmallDrop:
    (folder / "plugins").mkdir(parents=True, exist_ok=True)
    (folder / STATE).write_bytes(state_of(class_id, {"Size": size}))
    preset = replace(CLEAN, stems={"vocals": StemPreset(reaper_fx=("ReaEQ",))})
    return make_drop(folder, preset=preset, drop_id=drop_id, live={"vocals": fx or (HALL,)})


def reaper_with(name: str = NAME, plugin: Vst3 = INSTALLED, version: str = "7.78") -> Reaper:
    reaper = Reaper(version=version)
    reaper.plugins[name] = plugin
    return reaper


def sound_of(reaper: Reaper) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return master(reaper.project, sample_rate=RATE, frames=FRAMES)


@pytest.mark.parametrize("version", ["6.30", "7.78"])
def test_a_plugin_is_inserted_before_reaper_s_own_effects_and_in_its_state(tmp_path: Path, version: str) -> None:
    reaper, drop = reaper_with(version=version), drop_with(tmp_path)
    reaper.run(drop.script)
    assert reaper.messages == []
    hall, eq = reaper.project.track("Vocals").fx
    assert (hall.name, hall.preset, hall.is_enabled, eq.name) == (NAME, str(tmp_path / STATE), True, "ReaEQ")
    assert hall.values == {"Size": 0.75, "Wet": 0.5, "Dry": 1.0}
    others = sum(sound for stem, sound in drop.stems.items() if stem != "vocals")
    np.testing.assert_allclose(sound_of(reaper), others + 0.75 * drop.stems["vocals"], atol=1e-12)


def test_it_is_found_where_reaper_writes_its_maker_otherwise(tmp_path: Path) -> None:
    reaper = reaper_with("VST3: Hall (X) (Some Maker GmbH)")
    reaper.run(drop_with(tmp_path).script)
    assert reaper.messages == []
    assert reaper.project.track("Vocals").fx[0].values["Size"] == 0.75


def test_a_second_import_inserts_nothing_and_touches_no_effect(tmp_path: Path) -> None:
    reaper, drop = reaper_with(), drop_with(tmp_path)
    reaper.run(drop.script)
    reaper.project.track("Vocals").fx[0].values["Size"] = 0.1
    del reaper.project.track("Vocals").fx[1]
    before = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == before
    reaper.project.track("Drums").items.clear()
    effects = copy.deepcopy(before["tracks"][3]["fx"])  # type: ignore[index]
    reaper.run(drop.script)
    assert len(reaper.project.track("Drums").items) == 1, "something was restored"
    assert reaper.project.state()["tracks"][3]["fx"] == effects  # type: ignore[index]


def test_one_undo_takes_the_plugins_back_with_the_stems(tmp_path: Path) -> None:
    reaper = reaper_with()
    reaper.project.tracks.append(Track(texts={"P_NAME": "Mine"}))
    before = reaper.project.state()
    reaper.run(drop_with(tmp_path).script)
    assert reaper.undo()
    assert reaper.project.state() == before
    assert not reaper.undo()


def test_one_that_is_not_installed_is_told_with_the_place_of_its_state_and_the_rest_stands(tmp_path: Path) -> None:
    reaper, drop = Reaper(), drop_with(tmp_path)
    reaper.run(drop.script)
    assert reaper.messages == [f"Vocals: REAPER has no effect called {NAME}; its state is kept in {STATE}."]
    assert [fx.name for fx in reaper.project.track("Vocals").fx] == ["ReaEQ"]
    np.testing.assert_allclose(sound_of(reaper), drop.mix, atol=1e-12)


@pytest.mark.parametrize("fault", ["missing", "of another plugin", "refused"])
def test_one_that_does_not_take_its_state_is_switched_off_and_told(tmp_path: Path, fault: str) -> None:
    reaper, drop = reaper_with(), drop_with(tmp_path, class_id=CLASS if fault != "of another plugin" else "F" * 32)
    if fault == "missing":
        (tmp_path / STATE).unlink()
    elif fault == "refused":
        reaper.fail_next("TrackFX_SetPreset")
    reaper.run(drop.script)
    said = f"Vocals: {NAME} did not take its state, so it is switched off; load it in its window: {STATE}."
    assert reaper.messages == [said]
    hall, _ = reaper.project.track("Vocals").fx
    assert (hall.is_enabled, hall.preset) == (False, "")
    np.testing.assert_allclose(sound_of(reaper), drop.mix, atol=1e-12)


def test_what_is_read_back_and_is_not_as_saved_is_told(tmp_path: Path) -> None:
    reaper = reaper_with()
    reaper.run(drop_with(tmp_path, size=0.2).script)
    assert reaper.messages == [f"Vocals: please look at {NAME}: not as saved: Size."]


def test_a_share_is_set_on_reaper_s_own_knob_or_the_user_is_asked(tmp_path: Path) -> None:
    drop = drop_with(tmp_path, replace(HALL, wet=0.2))
    reaper = reaper_with()
    reaper.run(drop.script)
    (hall, _), (vocals, mix) = reaper.project.track("Vocals").fx, (drop.stems["vocals"], drop.mix)
    assert (hall.wet, hall.values["Wet"], reaper.messages) == (0.2, 0.5, []), (
        "not the plugin's own parameter of that name"
    )
    np.testing.assert_allclose(sound_of(reaper), mix - vocals + (0.8 + 0.2 * 0.75) * vocals, atol=1e-12)
    asked = f"Vocals: please turn the wet knob of {NAME}, beside its bypass, to 20%."
    for function in ("TrackFX_GetParamFromIdent", "TrackFX_SetParamNormalized"):
        failing = reaper_with()
        failing.fail_next(function)
        failing.run(drop.script)
        assert failing.messages == [asked], function
    old = reaper_with(version="6.30")
    old.run(drop.script)
    assert old.messages == [asked]


def with_return(folder: Path, *fx: FxPlan) -> SmallDrop:
    preset = Preset(
        "hall",
        "",
        {"vocals": StemPreset(bus="VOX")},
        {"VOX": Bus("VOX"), "HALL": Bus("HALL", chain=(Plugin("Hall.vst3", live=True),))},
        (Send("VOX", "HALL", 0.0),),
    )
    (folder / "plugins").mkdir(parents=True)
    (folder / STATE).write_bytes(state_of(CLASS, {"Size": 0.75}))
    return make_drop(folder, preset=preset, live={"bus:HALL": fx})


def test_a_return_has_its_plugin_as_it_was_saved(tmp_path: Path) -> None:
    reaper, drop = reaper_with(), with_return(tmp_path, HALL)
    reaper.run(drop.script)
    (hall,) = reaper.project.track("HALL").fx
    assert (hall.values["Size"], hall.values["Dry"]) == (0.75, 1.0), "the state is the user's, dry and all"
    assert not reaper.project.track("HALL").values["B_MUTE"]
    np.testing.assert_allclose(sound_of(reaper), drop.mix + 0.75 * drop.stems["vocals"], atol=1e-12)


def test_a_return_whose_plugin_is_not_there_is_muted_since_it_would_double_the_stem(tmp_path: Path) -> None:
    reaper, drop = Reaper(), with_return(tmp_path, HALL)
    reaper.run(drop.script)
    assert reaper.project.track("HALL").values["B_MUTE"]
    assert "HALL: it is muted, since without its effects it would double what it hears." in reaper.messages[0]
    np.testing.assert_allclose(sound_of(reaper), drop.mix, atol=1e-12)


def test_a_return_whose_plugin_was_left_out_of_the_job_gets_no_send(tmp_path: Path) -> None:
    reaper, drop = Reaper(), with_return(tmp_path)
    assert drop.plan.sends == ()
    reaper.run(drop.script)
    np.testing.assert_allclose(sound_of(reaper), drop.mix, atol=1e-12)


def test_project_files_hold_no_plugin_and_mute_the_bus_that_is_there_for_one(tmp_path: Path) -> None:
    plan = with_return(tmp_path, HALL).plan
    project = project_file(plan)
    assert "Hall" not in project
    track = project.partition('NAME "HALL"')[2].partition("<ITEM")[0]
    assert "MUTESOLO 1 0 0" in track
    assert "Hall (X)" not in session_file(plan)


def test_a_track_of_the_user_s_that_serves_as_a_bus_gets_no_plugin_and_it_is_told_once(tmp_path: Path) -> None:
    preset = Preset(
        "vox",
        "",
        {"vocals": StemPreset(bus="VOX")},
        {"VOX": Bus("VOX", adopt=("Sing*",), reaper_fx=("ReaComp", "ReaEQ"))},
    )
    drop = make_drop(tmp_path, preset=preset, live={"bus:VOX": (HALL,)})
    reaper = reaper_with()
    mine = Track(texts={"P_NAME": "Singers"}, fx=[Fx("ReaComp")])
    reaper.project.tracks.append(mine)
    reaper.run(drop.script)
    assert [fx.name for fx in mine.fx] == ["ReaComp"]
    stays = "VOX: the track that serves as this bus stays as it is, without"
    assert reaper.messages == [f"{stays} {NAME}.\n{stays} ReaEQ."]
    reaper.run(drop.script)
    assert stays not in reaper.messages[1]


def updated(folder: Path, *, older_has_it: bool) -> Reaper:
    place, reaper = workplace(folder), reaper_with()
    if older_has_it:
        reaper.run(drop_with(folder / "old", drop_id="1" * 16).script)
    else:
        reaper.run(make_drop(folder / "old", drop_id="1" * 16).script)
    newer = drop_with(folder / "new", drop_id="2" * 16)
    before = copy.deepcopy([fx.__dict__ for track in reaper.project.tracks for fx in track.fx])
    reaper.messages.clear()
    reaper.answers.append(str(newer.script))
    reaper.run(place.script("Update stems"))
    assert len(reaper.project.track("Vocals").items[0].takes) == 2
    assert [fx.__dict__ for track in reaper.project.tracks for fx in track.fx] == before
    return reaper


def test_an_update_leaves_effects_as_they_are_and_tells_what_a_track_lacks(tmp_path: Path) -> None:
    assert updated(tmp_path / "a", older_has_it=True).messages == []
    (message,) = updated(tmp_path / "b", older_has_it=False).messages
    lacks = f"Vocals: the newer stem is meant to go through {NAME}, which its track lacks; its state is {STATE}."
    assert message == lacks


@pytest.mark.parametrize("name", sorted(name for name in FAILURES if name.startswith("TrackFX_")))
def test_whatever_call_of_an_effect_fails_the_stems_come_in_and_it_is_told(tmp_path: Path, name: str) -> None:
    drop = drop_with(tmp_path, replace(HALL, wet=0.5))
    reaper = reaper_with()
    reaper.fail_next(name)
    reaper.run(drop.script)
    assert len(reaper.project.tracks) == 5
    if name == "TrackFX_AddByName":
        assert reaper.messages == [], "the second name is tried"
    else:
        assert "Hall" in reaper.messages[0]
