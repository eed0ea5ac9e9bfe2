"""Folders, buses of buses, adopted buses, tempo, live effects, and the source that is muted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.domain.preset import Bus, Preset, StemPreset
from bridge.domain.render import Marker, Origin, Source
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.session.reascript import import_script
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Item, Tempo, Track
from tests.reaper.standin.state import Marker as ProjectMarker
from tests.reaper.standin.text import arrangement, routing
from tests.session.small_drops import FRAMES, RATE, SmallDrop, make_drop

NESTED = Preset(
    "nested",
    "",
    {"drums": StemPreset(bus="RHYTHM"), "bass": StemPreset(bus="RHYTHM"), "vocals": StemPreset(bus="ALL")},
    {"ALL": Bus("ALL"), "RHYTHM": Bus("RHYTHM", parent="ALL", adopt=("DRUM*", "rhy?hm"))},
    layout="folders",
)


def rewritten(drop: SmallDrop, **changes: object) -> SmallDrop:
    """Write the import script again, of a plan that differs."""
    plan = type(drop.plan)(**{**vars(drop.plan), **changes})
    drop.script.write_text(import_script(plan), encoding="utf-8", newline="\n")
    return drop


def outline(reaper: Reaper) -> list[str]:
    lines, depth = [], 0
    for track in reaper.project.tracks:
        lines.append("  " * depth + track.name)
        depth += int(track.values.get("I_FOLDERDEPTH", 0))
    assert depth == 0
    return lines


def heard(reaper: Reaper) -> object:
    return master(reaper.project, sample_rate=RATE, frames=FRAMES)


def test_folders_hold_what_feeds_them_and_the_sound_is_the_mix(tmp_path: Path) -> None:
    reaper = Reaper()
    drop = make_drop(tmp_path, preset=NESTED)
    reaper.run(drop.script)
    assert outline(reaper) == ["ALL", "  Vocals", "  RHYTHM", "    Drums", "    Bass", "Other", "Song (original)"]
    assert not any(track.sends for track in reaper.project.tracks)
    assert np.abs(heard(reaper) - drop.mix).max() < 1e-12


@pytest.mark.parametrize("lost", ["Drums", "RHYTHM", "ALL", "Vocals"])
def test_what_was_deleted_from_a_folder_comes_back_by_a_send_and_is_heard_once(tmp_path: Path, lost: str) -> None:
    reaper = Reaper()
    drop = make_drop(tmp_path, preset=NESTED)
    reaper.run(drop.script)
    # As a user would who deletes a track, and REAPER, which mends the folders: all that was inside goes up to the top.
    for track in reaper.project.tracks:
        track.values["I_FOLDERDEPTH"] = 0.0
    reaper.project.delete_track(reaper.project.track(lost))
    reaper.run(drop.script)
    once = reaper.project.state()
    assert np.abs(heard(reaper) - drop.mix).max() < 1e-12, f"{arrangement(reaper.project)}\n{routing(reaper.project)}"
    reaper.run(drop.script)
    assert reaper.project.state() == once


@pytest.mark.parametrize("name", ["Drum Bus", "DRUMS", "rhythm"])
@pytest.mark.parametrize("layout", ["sends", "folders"])
def test_a_bus_of_the_user_s_is_used_and_stays_as_it_is(tmp_path: Path, name: str, layout: str) -> None:
    reaper = Reaper()
    mine = Track(texts={"P_NAME": name})
    mine.values |= {"D_PANLAW": 1.0, "I_SELECTED": 0.0, "D_VOL": 0.5}
    reaper.project.tracks = [Track(texts={"P_NAME": "Other one"}), mine]
    before = {**mine.values}, dict(mine.texts)
    drop = rewritten(make_drop(tmp_path, preset=NESTED), layout=layout)
    reaper.run(drop.script)
    found = reaper.project.track(name)
    assert ({**found.values}, dict(found.texts)) == before
    assert not found.sends
    assert "RHYTHM" not in [track.name for track in reaper.project.tracks] or name == "RHYTHM"
    low = drop.stems["drums"] + drop.stems["bass"]
    assert np.abs(heard(reaper) - (drop.mix - 0.5 * low)).max() < 1e-12
    once = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == once


TEMPO = TempoMap((TempoChange(-1.0, 90.0, 3, 4), TempoChange(0.5, 120.5, 4, 4, True)), "sidecar")


def test_tempo_goes_into_an_empty_project_once(tmp_path: Path) -> None:
    reaper = Reaper()
    drop = make_drop(tmp_path, tempo=TEMPO)
    reaper.run(drop.script)
    assert [(one.seconds, one.bpm, one.numerator, one.is_ramp) for one in reaper.project.tempo] == [
        (0.0, 90.0, 3, False),
        (0.5, 120.5, 4, True),
    ]
    reaper.run(drop.script)
    assert len(reaper.project.tempo) == 2
    assert reaper.undo()
    assert not reaper.project.tempo


@pytest.mark.parametrize("mine", ["a tempo", "a track"])
def test_tempo_never_goes_over_what_the_user_has(tmp_path: Path, mine: str) -> None:
    reaper = Reaper()
    if mine == "a tempo":
        reaper.project.tempo.append(Tempo(0.0, 77.0))
    else:
        reaper.project.tracks.append(Track())
    count = len(reaper.project.tempo)
    reaper.run(make_drop(tmp_path, tempo=TEMPO).script)
    assert len(reaper.project.tempo) == count


MAP = TempoMap((TempoChange(0.0, 90.0, 3, 4), TempoChange(2.0, 120.5, 4, 4, True)), "sidecar")


@pytest.mark.parametrize("mine", [[], [0.0], [0.5, 1.0, 1.75, 2.5, 3.0], [1.0, 3.0005], [9.0]])
def test_where_the_user_asks_tempo_and_markers_come_in_over_their_own_once_and_only_where_the_render_has_any(
    tmp_path: Path, mine: list[float]
) -> None:
    reaper = Reaper()
    reaper.ext_state["stembridge", "tempo"] = "always"
    reaper.project.tracks.append(Track())
    reaper.project.tempo = [Tempo(at, 77.0 + at, 4, 4) for at in mine]
    reaper.project.markers = [ProjectMarker("Mine", 0.25, 0.25, False, 1), ProjectMarker("Verse", 1.01, 1.01, False, 2)]
    before = reaper.project.state()
    markers = [Marker(80, "Verse"), Marker(160, "Chorus", 80)]
    drop = make_drop(tmp_path, tempo=MAP, origin=Origin(1.0, "sidecar"), markers=markers)
    reaper.run(drop.script)
    kept = [(at, 77.0 + at) for at in mine if not 0.999 < at < 3.001]
    assert [(one.seconds, one.bpm) for one in reaper.project.tempo] == sorted([*kept, (1.0, 90.0), (3.0, 120.5)])
    assert sorted(marker.name for marker in reaper.project.markers) == ["Chorus", "Mine", "Verse"]
    once = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == once
    # What the user does to the map afterwards stays, also when a track comes back.
    del reaper.project.tempo[-1]
    reaper.project.delete_track(reaper.project.track("Drums"))
    changed = [(one.seconds, one.bpm) for one in reaper.project.tempo]
    reaper.run(drop.script)
    assert [(one.seconds, one.bpm) for one in reaper.project.tempo] == changed
    while reaper.undo():
        pass
    assert reaper.project.state() == before


def test_a_second_render_of_the_same_song_finds_its_tempo_there_and_sets_none(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.ext_state["stembridge", "tempo"] = "always"
    reaper.run(make_drop(tmp_path / "a", tempo=MAP).script)
    calls = reaper.calls["SetTempoTimeSigMarker"]
    assert calls == 2
    reaper.run(make_drop(tmp_path / "b", drop_id="fedcba9876543210", tempo=MAP).script)
    assert reaper.calls["SetTempoTimeSigMarker"] == calls


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("name", ["DeleteTempoTimeSigMarker", "SetTempoTimeSigMarker"])
def test_a_tempo_map_that_cannot_be_put_in_leaves_the_user_s_own(tmp_path: Path, name: str, skip: int) -> None:
    reaper = Reaper()
    reaper.ext_state["stembridge", "tempo"] = "always"
    reaper.project.tempo = [Tempo(0.0, 77.0, 4, 4), Tempo(1.0, 78.0, 4, 4)]
    before = reaper.project.state()
    reaper.fail_next(name, skip=skip)
    reaper.run(make_drop(tmp_path, tempo=MAP).script)
    assert reaper.project.state() == before
    assert "change of tempo" in reaper.messages[0] or "set the tempo" in reaper.messages[0]


def muted(reaper: Reaper) -> list[bool]:
    return [bool(track.values.get("B_MUTE")) for track in reaper.project.tracks[:2]]


def with_source(reaper: Reaper, folder: Path) -> SmallDrop:
    mine, other = Track(texts={"P_NAME": "Mine"}), Track(texts={"P_NAME": "Other one"})
    mine.values["I_SELECTED"] = other.values["I_SELECTED"] = 0.0
    mine.items.append(Item(values={"D_POSITION": 0.0, "D_LENGTH": 1.0}))
    other.items.append(Item(values={"D_POSITION": 0.0, "D_LENGTH": 1.0}))
    reaper.project.tracks = [mine, other]
    guids = (mine.guid, other.items[0].guid, "{00000000-0000-0000-0000-000000000000}")
    return make_drop(folder, source=Source("tracks", "{p}", guids))


def test_the_source_is_muted_with_the_import_and_never_again(tmp_path: Path) -> None:
    reaper = Reaper()
    drop = with_source(reaper, tmp_path)
    before = reaper.project.state()
    reaper.run(drop.script)
    assert muted(reaper) == [True, False]
    assert reaper.project.tracks[1].items[0].values["B_MUTE"] == 1
    reaper.project.track("Mine").values["B_MUTE"] = 0.0
    reaper.project.delete_track(reaper.project.track("Drums"))
    reaper.run(drop.script)
    assert muted(reaper) == [False, False]
    while reaper.undo():
        pass
    assert reaper.project.state() == before


def test_nothing_is_muted_where_the_user_does_not_want_it(tmp_path: Path) -> None:
    reaper = Reaper()
    drop = with_source(reaper, tmp_path)
    reaper.ext_state["stembridge", "mute_source"] = "no"
    reaper.run(drop.script)
    assert muted(reaper) == [False, False]


@pytest.mark.parametrize("layout", ["sends", "folders"])
def test_stems_join_the_track_they_were_rendered_before_and_pass_its_fader_once(tmp_path: Path, layout: str) -> None:
    reaper = Reaper()
    parent = Track(texts={"P_NAME": "Band"})
    parent.values |= {"D_VOL": 0.25, "D_PANLAW": 1.0, "I_SELECTED": 0.0}
    reaper.project.tracks.append(parent)
    drop = make_drop(tmp_path, preset=NESTED, source=Source("bus", "{p}", (), parent.guid))
    reaper.run(rewritten(drop, layout=layout).script)
    assert np.abs(heard(reaper) - 0.25 * drop.mix).max() < 1e-12, routing(reaper.project)
    once = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == once


def test_a_track_to_join_that_is_gone_is_said_and_the_stems_go_to_the_master(tmp_path: Path) -> None:
    reaper = Reaper()
    drop = make_drop(tmp_path, source=Source("bus", "{p}", (), "{00000000-0000-0000-0000-000000000000}"))
    reaper.run(drop.script)
    assert np.abs(heard(reaper) - drop.mix).max() < 1e-12
    assert reaper.messages == ["The track that the stems belong to is not in this project: they go to the master."]
