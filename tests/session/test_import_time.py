"""Where things lie in time: where the render came from, to the sample, and there they stay whatever the tempo does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import rppxml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.render import Origin
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.session.layout import start_seconds
from bridge.session.rpp import project_file
from tests.reaper.standin.beats import beat_at, seconds_at
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.state import Item, Project, Tempo, Track
from tests.session.small_drops import FRAMES, make_drop
from tests.session.test_session_rpp import chunks, lines, number
from tests.session.users import part_of_user

RATES = st.sampled_from([8000, 11025, 22050, 44100, 48000, 88200, 96000, 176400, 192000])
EDIT = """
reaper.Undo_BeginBlock2(0)
assert(reaper.SetTempoTimeSigMarker(0, -1, {seconds!r}, -1, -1, {bpm!r}, 0, 0, {ramp}))
reaper.Undo_EndBlock2(0, "tempo", -1)
"""
tempi = st.builds(
    Tempo, st.floats(0, 9).map(lambda at: round(at, 3)), st.floats(20, 300), st.just(4), st.just(4), st.booleans()
)


def tempo_maps(most: int) -> st.SearchStrategy[list[Tempo]]:
    """Draw changes in order of time, each at a time of its own."""
    found = st.lists(tempi, max_size=most, unique_by=lambda one: one.seconds)
    return found.map(lambda made: sorted(made, key=lambda one: one.seconds))


@given(RATES, st.integers(0, 40_000_000), st.sampled_from([0.0, 3600.0, -2.0, 0.04]), tempo_maps(3), st.booleans())
@settings(max_examples=30, deadline=None)
def test_stems_lie_at_the_origin_to_the_sample_at_any_rate_tempo_and_project_offset(
    rate: int, origin_frames: int, offset: float, tempo: list[Tempo], is_timecode: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        reaper = Reaper()
        reaper.project.time_offset, reaper.project.tempo = offset, tempo
        told = origin_frames / rate + (max(0.0, offset) if is_timecode else 0.0)
        origin = Origin(told, "bext" if is_timecode else "sidecar")
        song = TempoMap((TempoChange(0.0, 93.0),), "sidecar")
        drop = make_drop(Path(place), rate=rate, stems=("vocals", "other"), origin=origin, tempo=song)
        reaper.run(drop.script)
        wanted = origin_frames
        if is_timecode and offset < 0:
            wanted = round((told - offset) * rate)
        for item in reaper.project.items():
            assert round(item.values["D_POSITION"] * rate) == wanted
            assert item.values["D_POSITION"] * rate == pytest.approx(wanted, abs=1e-3)
            assert round(item.values["D_LENGTH"] * rate) == FRAMES
        project = rppxml.loads(project_file(drop.plan))
        (use,) = lines(project, "SAMPLERATE")
        assert [int(number(one)) for one in use[:2]] == [rate, 1], "the project's own rate, and it is used"
        for track in chunks(project, "TRACK"):
            (item,) = chunks(track, "ITEM")
            assert round(number(lines(item, "POSITION")[0][0]) * rate) == round(start_seconds(drop.plan) * rate)
            (file,) = (str(lines(source, "FILE")[0][0]) for source in chunks(item, "SOURCE"))
            assert (drop.folder / file).is_file()
            assert not Path(file).is_absolute()
            assert "\\" not in file


def user_item(tied: float) -> Track:
    track = Track(items=[Item(values={"D_POSITION": 4.0, "D_LENGTH": 1.0, "C_BEATATTACHMODE": tied})])
    track.values["I_SELECTED"] = 0.0
    return track


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_items_keep_their_time_whatever_the_tempo_map_does(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        reaper = Reaper()
        reaper.project.timebase = data.draw(st.sampled_from([0, 1, 2]))
        reaper.project.tempo = data.draw(tempo_maps(3))
        is_asked = data.draw(st.booleans())
        reaper.ext_state["stembridge", "tempo"] = "always" if is_asked else "empty"
        said = data.draw(tempo_maps(3))
        changes = [TempoChange(one.seconds, one.bpm, 4, 4, one.is_ramp) for one in said]
        tempo = TempoMap.of(changes, "sidecar") if changes else None
        reaper.run(make_drop(Path(place), origin=Origin(1.25, "sidecar"), tempo=tempo).script)
        before = [(dict(item.values), [dict(take.values) for take in item.takes]) for item in reaper.project.items()]
        for edit in data.draw(st.lists(tempi, min_size=1, max_size=3)):
            ramp = str(edit.is_ramp).lower()
            reaper.run_text(EDIT.format(seconds=edit.seconds, bpm=edit.bpm, ramp=ramp))
        after = [(item.values, [take.values for take in item.takes]) for item in reaper.project.items()]
        assert after == before


@pytest.mark.parametrize(("tied", "place", "length"), [(0.0, 4.0, 1.0), (1.0, 2.0, 0.5), (2.0, 2.0, 1.0)])
def test_in_the_stand_in_an_item_that_is_tied_to_beats_does_move(tied: float, place: float, length: float) -> None:
    reaper = Reaper()
    reaper.project.tracks.append(user_item(tied))
    reaper.run_text(EDIT.format(seconds=0.0, bpm=240.0, ramp="false"))
    (item,) = reaper.project.items()
    assert (item.values["D_POSITION"], item.values["D_LENGTH"]) == (pytest.approx(place), pytest.approx(length))


def test_tempo_that_was_not_asked_for_moves_nothing_of_the_user_s(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.project.tracks.append(user_item(1.0))
    before = reaper.project.state()
    tempo = TempoMap((TempoChange(0.0, 93.0, is_ramp=True), TempoChange(3.0, 140.0)), "midi")
    reaper.run(make_drop(tmp_path, tempo=tempo).script)
    assert part_of_user(reaper.project, [reaper.project.tracks[0].guid]) == before


@given(tempo_maps(5), st.floats(0, 30))
def test_the_stand_in_s_beats_and_seconds_are_each_other_s_inverse(tempo: list[Tempo], seconds: float) -> None:
    project = Project(tempo=tempo)
    assert seconds_at(project, beat_at(project, seconds)) == pytest.approx(seconds, abs=1e-9)
