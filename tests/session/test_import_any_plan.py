"""Whatever the plan and whatever the project: twice is once, undo is exact, what the user has stays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.preset import Bus, Preset, Send, StemPreset
from bridge.domain.render import Marker, Origin
from bridge.session.routing import balance, walk
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Item, Project, Track
from tests.reaper.standin.text import arrangement, routing
from tests.session.small_drops import FRAMES, RATE, SmallDrop, make_drop

STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")
BUSES = ("A", "B", "C")
decibels = st.floats(-24.0, 12.0)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@st.composite
def presets(draw: st.DrawFn) -> Preset:
    pans = st.floats(-1.0, 1.0)
    parents = {"A": ["B", "C", None], "B": ["C", None], "C": [None]}
    buses = {
        name: Bus(
            name,
            draw(st.sampled_from(["", "#d1495b"])),
            draw(decibels),
            pan=draw(pans),
            parent=draw(st.sampled_from(parents[name])),
        )
        for name in BUSES
    }
    stem = st.builds(
        StemPreset,
        gain_db=decibels,
        pan=st.floats(-1.0, 1.0),
        mute=st.booleans(),
        bus=st.none() | st.sampled_from(BUSES),
    )
    pairs = draw(st.lists(st.sampled_from([("A", "B"), ("A", "C"), ("B", "C")]), unique=True))
    sends = tuple(Send(source, target, draw(decibels), draw(pans), draw(st.booleans())) for source, target in pairs)
    layout = draw(st.sampled_from(["sends", "folders"]))
    return Preset("any", "", draw(st.dictionaries(st.sampled_from([*STEMS, "*"]), stem)), buses, sends, layout=layout)


@st.composite
def projects(draw: st.DrawFn) -> Project:
    project = Project(cursor=draw(st.floats(0, 100)), pan_law=draw(st.sampled_from([0.5, 0.707, 1.0, 1.414, 2.0])))
    for name in draw(st.lists(names, max_size=5)):
        track = Track(texts={"P_NAME": name})
        track.values |= {"I_FOLDERDEPTH": float(draw(st.integers(-2, 1))), "I_SELECTED": float(draw(st.booleans()))}
        if draw(st.booleans()):
            track.items.append(Item(values={"D_POSITION": draw(st.floats(0, 9)), "D_LENGTH": 1.0, "B_UISEL": 1.0}))
        project.tracks.append(track)
    return project


@st.composite
def drops(draw: st.DrawFn, folder: Path) -> SmallDrop:
    stems = draw(st.lists(st.sampled_from(STEMS), min_size=1, unique=True))
    return make_drop(
        folder,
        title=draw(names),
        preset=draw(presets()),
        stems=stems,
        printed=draw(st.lists(st.sampled_from(stems), unique=True)),
        channels=draw(st.sampled_from([1, 2, 3, 6])),
        origin=Origin(draw(st.integers(0, 5000)) / RATE, "bext"),
        markers=draw(st.lists(st.builds(Marker, st.integers(0, FRAMES), names, st.integers(0, 9)), max_size=3)),
        common_gain_db=draw(st.floats(-12.0, 0.0)),
    )


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_plan_in_any_project(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        drop = data.draw(drops(Path(place)))
        reaper = Reaper(version=data.draw(st.sampled_from(["6.30", "7.78"])))
        reaper.project = data.draw(projects())
        guids = {track.guid for track in reaper.project.tracks}
        before = reaper.project.state()

        reaper.run(drop.script)
        once = reaper.project.state()
        mine = [track for track in reaper.project.tracks if track.guid in guids]
        markers = [] if before["markers"] == [] else reaper.project.markers  # type: ignore[index]
        rest = Project(**{**vars(reaper.project), "tracks": mine, "markers": markers})
        assert rest.state() == before
        assert_levels(reaper, drop, guids)

        reaper.run(drop.script)
        assert reaper.project.state() == once
        assert len(reaper.undo_points) == 1
        assert reaper.undo()
        assert reaper.project.state() == before


def assert_levels(reaper: Reaper, drop: SmallDrop, guids: set[str]) -> None:
    """Compare what reaches the master with the gains along the plan's routes, summed on the plan itself."""
    plan = drop.plan
    reach = walk(plan)
    channels = max(2, plan.tracks[0].channels + plan.tracks[0].channels % 2)
    expected = np.zeros((channels, FRAMES))
    for track in plan.tracks:
        if not track.key.startswith("stem:") or track.mute:
            continue
        sound = drop.stems[track.key.removeprefix("stem:")]
        sound = np.repeat(sound, 2, axis=0) if sound.shape[0] == 1 else sound
        sound = sound * (2.0 if len(track.item.takes) == 2 else 1.0)
        # The item's gain undoes that of its file; both are in the plan, and not in what the stem was made of.
        heard = reach[track.key].heard * balance(-track.item.gain_db, 0.0)
        gains = np.array([heard.left, heard.right, *[heard.rest] * (sound.shape[0] - 2)])
        expected[: sound.shape[0]] += sound * gains[:, None]
    start = round(plan.origin.seconds * RATE)
    alone = Project(tracks=[one for one in reaper.project.tracks if one.guid not in guids])
    alone.pan_law, alone.master_channels = reaper.project.pan_law, channels
    played = master(alone, sample_rate=RATE, frames=start + FRAMES)[:, start:]
    story = f"{arrangement(alone)}\n{routing(alone)}"
    assert np.abs(played - expected).max() < 1e-8, story
