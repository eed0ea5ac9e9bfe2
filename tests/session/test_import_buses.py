"""Which tracks of a project stand for buses of a drop: those it made, those of other drops, those of the user."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.preset import Bus, Preset, Send, StemPreset
from bridge.domain.render import Origin, Source
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Item, Project, Track
from tests.session.small_drops import FRAMES, RATE, make_drop
from tests.session.users import BUSES, part_of_user, picture

ADOPTING = Preset("p", "", {"*": StemPreset(bus="ALL")}, {"ALL": Bus("ALL", adopt=("DRUM*", "any"))})


def mine(name: str, **values: float) -> Track:
    """A track of the user's that changes no sound: its own pan law, no fader, no effects."""
    track = Track(texts={"P_NAME": name})
    track.values |= {"D_PANLAW": 1.0, "I_SELECTED": 0.0} | values
    return track


def heard(reaper: Reaper, frames: int = FRAMES) -> np.ndarray:
    return master(reaper.project, sample_rate=RATE, frames=frames)


def fed(reaper: Reaper) -> list[str]:
    return sorted({send.target.name for track in reaper.project.tracks for send in track.sends if send.target})


def test_two_songs_share_the_bus_of_one_name_and_nothing_else(tmp_path: Path) -> None:
    one = make_drop(tmp_path / "one", drop_id="1" * 16, preset=BUSES, title="One")
    two = make_drop(tmp_path / "two", drop_id="2" * 16, preset=BUSES, title="Two", origin=Origin(0.1, "sidecar"))
    reaper = Reaper()
    reaper.run(one.script)
    guids = [track.guid for track in reaper.project.tracks]
    before = reaper.project.state()
    reaper.run(two.script)
    assert part_of_user(reaper.project, guids) == before
    assert [track.name for track in reaper.project.tracks].count("ALL") == 1
    assert len(reaper.project.tracks) == 2 * len(guids) - 1
    start = round(0.1 * RATE)
    sound = heard(reaper, start + FRAMES)
    assert np.abs(sound[:, :FRAMES] - one.mix).max() < 1e-12, picture(reaper.project)
    assert np.abs(sound[:, start:] - two.mix).max() < 1e-12
    once = reaper.project.state()
    reaper.run(one.script)
    reaper.run(two.script)
    assert reaper.project.state() == once


def test_a_shared_bus_that_went_with_its_song_comes_back_for_the_other(tmp_path: Path) -> None:
    one = make_drop(tmp_path / "one", drop_id="1" * 16, preset=BUSES)
    two = make_drop(tmp_path / "two", drop_id="2" * 16, preset=BUSES)
    reaper = Reaper()
    reaper.run(one.script)
    own = list(reaper.project.tracks)
    reaper.run(two.script)
    for track in own:
        reaper.project.delete_track(track)
    assert not heard(reaper).any()
    reaper.run(two.script)
    assert np.abs(heard(reaper) - two.mix).max() < 1e-12


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_bus_that_was_given_another_name_is_still_the_bus(tmp_path: Path, is_ours: bool) -> None:
    reaper = Reaper()
    if is_ours:
        reaper.run(make_drop(tmp_path / "one", drop_id="1" * 16, preset=ADOPTING).script)
        bus = reaper.project.track("ALL")
    else:
        bus = mine("Drum Bus")
        reaper.project.tracks.append(bus)
    drop = make_drop(tmp_path / "two", drop_id="2" * 16, preset=ADOPTING)
    reaper.run(drop.script)
    bus.texts["P_NAME"] = "Renamed"
    reaper.project.tracks.append(mine("Drums, another one"))
    reaper.project.delete_track(next(one for one in reversed(reaper.project.tracks) if one.name == "Drums"))
    count = len(reaper.project.tracks)
    reaper.run(drop.script)
    assert len(reaper.project.tracks) == count + 1, "the stem that was deleted, and no second bus"
    assert fed(reaper) == ["Renamed"], picture(reaper.project)
    once = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == once


def test_of_two_tracks_that_fit_the_first_is_used_and_one_track_is_never_two_buses(tmp_path: Path) -> None:
    buses = {"KICK": Bus("KICK", adopt=("drum*",), parent="KIT"), "KIT": Bus("KIT", adopt=("dr?m*",))}
    preset = Preset("p", "", {"drums": StemPreset(bus="KICK"), "bass": StemPreset(bus="KIT")}, buses)
    drop = make_drop(tmp_path, preset=preset)
    reaper = Reaper()
    reaper.project.tracks = [mine("Drums A"), mine("Drums B"), mine("Drums C")]
    reaper.run(drop.script)
    assert fed(reaper) == ["Drums A", "Drums B"]
    assert np.abs(heard(reaper) - drop.mix).max() < 1e-12, picture(reaper.project)
    other = Reaper()
    other.project.tracks = [mine("Drums A")]
    other.run(drop.script)
    assert len([one for one in other.project.tracks if one.name in ("KICK", "KIT")]) == 1
    assert np.abs(heard(other) - drop.mix).max() < 1e-12, picture(other.project)


UNFIT = {
    "muted": [mine("Drums", B_MUTE=1.0)],
    "in a muted folder": [mine("F", B_MUTE=1.0, I_FOLDERDEPTH=1.0), mine("Drums", I_FOLDERDEPTH=-1.0)],
    "heard nowhere": [mine("Drums", B_MAINSEND=0.0)],
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_track_in_which_the_stems_would_fall_silent_is_not_used(tmp_path: Path, why: str) -> None:
    drop = make_drop(tmp_path, preset=ADOPTING)
    reaper = Reaper()
    reaper.project.tracks = list(UNFIT[why])
    reaper.run(drop.script)
    assert np.abs(heard(reaper) - drop.mix).max() < 1e-12, picture(reaper.project)
    assert fed(reaper) == ["ALL"]


@pytest.mark.parametrize("mute_source", ["yes", "no"])
def test_a_bus_that_was_rendered_is_not_used_again_since_its_effects_are_in_the_stems(
    tmp_path: Path, mute_source: str
) -> None:
    reaper = Reaper()
    reaper.ext_state["stembridge", "mute_source"] = mute_source
    bus = mine("Drum Bus", D_VOL=0.5)
    reaper.project.tracks.append(bus)
    drop = make_drop(tmp_path, preset=ADOPTING, source=Source("master", "{p}", (bus.guid,)))
    reaper.run(drop.script)
    assert np.abs(heard(reaper) - drop.mix).max() < 1e-12, picture(reaper.project)


def test_a_track_with_too_few_channels_is_not_used(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=ADOPTING, channels=6)
    reaper = Reaper()
    reaper.project.master_channels = 6
    reaper.project.tracks = [mine("Drums, stereo"), mine("Drums, wide", I_NCHAN=8.0)]
    reaper.run(drop.script)
    assert fed(reaper) == ["Drums, wide"]
    assert np.abs(heard(reaper) - drop.mix).max() < 1e-12


@pytest.mark.parametrize(
    ("tracks", "is_used"),
    [
        ([mine("ALL")], True),
        ([mine("all")], False),
        ([mine("Folder", I_FOLDERDEPTH=1.0), mine("ALL", I_FOLDERDEPTH=-1.0)], False),
    ],
)
def test_an_empty_track_of_the_bus_s_name_is_the_bus_where_it_leads_to_the_same_place(
    tmp_path: Path, tracks: list[Track], is_used: bool
) -> None:
    reaper = Reaper()
    reaper.project.tracks = list(tracks)
    drop = make_drop(tmp_path, preset=BUSES)
    reaper.run(drop.script)
    assert len(reaper.project.tracks) == len(tracks) + len(drop.plan.tracks) + (not is_used)


def test_a_track_of_the_bus_s_name_that_somebody_plays_on_is_no_bus(tmp_path: Path) -> None:
    reaper = Reaper()
    guitar = mine("ALL")
    guitar.items.append(Item(values={"D_POSITION": 0.0, "D_LENGTH": 1.0}))
    reaper.project.tracks.append(guitar)
    reaper.run(make_drop(tmp_path, preset=BUSES).script)
    assert [track.name for track in reaper.project.tracks].count("ALL") == 2


def test_a_bus_of_another_drop_is_shared_only_where_it_goes_on_alike(tmp_path: Path) -> None:
    stems = {"*": StemPreset(bus="ALL")}
    verb = {"ALL": Bus("ALL"), "VERB": Bus("VERB", reaper_fx=("ReaVerbate",))}
    sent = Preset("sent", "", stems, verb, (Send("ALL", "VERB", -6.0),))
    reaper = Reaper()
    reaper.run(make_drop(tmp_path / "a", drop_id="a" * 16, preset=BUSES).script)
    reaper.run(make_drop(tmp_path / "b", drop_id="b" * 16, preset=sent).script)
    reaper.run(make_drop(tmp_path / "c", drop_id="c" * 16, preset=sent).script)
    names = [track.name for track in reaper.project.tracks]
    assert (names.count("ALL"), names.count("VERB")) == (2, 1), picture(reaper.project)


NAMES = st.sampled_from(["A", "B", "Drums", "drum bus", "Any", "Mine"])


@st.composite
def projects(draw: st.DrawFn) -> Project:
    """Tracks that change no sound, in any folders, some of them muted or heard nowhere, some with items."""
    project = Project()
    for name in draw(st.lists(NAMES, max_size=6)):
        track = mine(name, I_FOLDERDEPTH=float(draw(st.integers(-2, 1))))
        track.values |= {"B_MUTE": float(draw(st.booleans())), "B_MAINSEND": float(draw(st.booleans()))}
        if draw(st.booleans()):
            track.items.append(Item(values={"D_POSITION": 0.0, "D_LENGTH": 1.0}))
        project.tracks.append(track)
    return project


@st.composite
def presets(draw: st.DrawFn) -> Preset:
    patterns = st.lists(st.sampled_from(["DRUM*", "a*", "*", "any"]), max_size=2).map(tuple)
    buses = {
        "A": Bus("A", parent=draw(st.sampled_from([None, "B"])), adopt=draw(patterns)),
        "B": Bus("B", adopt=draw(patterns)),
    }
    stem = st.builds(StemPreset, bus=st.sampled_from([None, "A", "B"]))
    layout = draw(st.sampled_from(["sends", "folders"]))
    return Preset("p", "", draw(st.dictionaries(st.sampled_from(["drums", "bass", "*"]), stem)), buses, layout=layout)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_whatever_stands_for_its_buses_a_drop_is_heard_once_and_whole(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        reaper = Reaper()
        reaper.project = data.draw(projects())
        if data.draw(st.booleans()):
            reaper.run(make_drop(Path(place) / "one", drop_id="1" * 16, preset=data.draw(presets())).script)
            for track in reaper.project.tracks:
                if track.texts.get("P_EXT:stembridge", "").startswith("1" * 16 + "/stem"):
                    track.values["B_MUTE"] = 1.0
        guids = [track.guid for track in reaper.project.tracks]
        rendered = tuple(data.draw(st.sets(st.sampled_from(guids)))) if guids else ()
        before = reaper.project.state()
        reaper.ext_state["stembridge", "mute_source"] = "no"
        source = Source("master", "{p}", rendered)
        drop = make_drop(Path(place) / "two", drop_id="2" * 16, preset=data.draw(presets()), source=source)
        reaper.run(drop.script)
        assert part_of_user(reaper.project, guids) == before
        assert np.abs(heard(reaper) - drop.mix).max() < 1e-12, picture(reaper.project)
        for track in reaper.project.tracks:
            track.values["B_MUTE"] = float(track.guid in rendered or bool(track.values.get("B_MUTE")))
        assert np.abs(heard(reaper) - drop.mix).max() < 1e-12, picture(reaper.project)
        once = reaper.project.state()
        reaper.run(drop.script)
        assert reaper.project.state() == once


@pytest.mark.parametrize(("there", "is_told"), [(2, True), (6, False), (8, False)])
def test_channels_that_nobody_would_hear_are_told_with_the_first_import_alone(
    tmp_path: Path, there: int, is_told: bool
) -> None:
    reaper = Reaper()
    reaper.project.master_channels = there
    drop = make_drop(tmp_path, preset=BUSES, channels=6)
    reaper.run(drop.script)
    assert any("6 channels" in text and "has 2" in text for text in reaper.messages) == is_told
    told = list(reaper.messages)
    reaper.project.delete_track(reaper.project.track("Drums"))
    reaper.run(drop.script)
    assert reaper.messages == told
