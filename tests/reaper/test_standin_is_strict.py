"""The stand-in refuses what REAPER would, and does what it says: pointers, undo, failures, sound."""

from __future__ import annotations

from pathlib import Path

import lupa.lua54
import numpy as np
import pytest
import soundfile

from tests.reaper.standin.calls import Calls
from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Item, Send, Source, Take, Tempo, Track
from tests.reaper.standin.text import arrangement, routing

IN_BLOCK = 'reaper.Undo_BeginBlock2(0)\n{}\nreaper.Undo_EndBlock2(0, "edit", -1)'
TRACK = "local track = reaper.GetTrack(0, 0)\n"


def one_track() -> Reaper:
    reaper = Reaper()
    reaper.project.tracks.append(Track(texts={"P_NAME": "One"}))
    return reaper


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("reaper.NoSuchFunction()", "attempt to call a nil value"),
        ("reaper.BR_GetMediaTrackByGUID(0, 'x')", "attempt to call a nil value"),
        ("reaper.CountTracks(0, 1)", "2 arguments, 1 expected"),
        ("reaper.ShowMessageBox('a', 'b')", "argument #3"),
        ("reaper.ShowMessageBox(1, 'b', 0)", "string expected, got number"),
        ("reaper.GetTrack(0, 0.5)", "no integer representation"),
        ("reaper.GetTrack(0, '0')", "number expected, got string"),
        ("reaper.GetProjectTimeOffset(0, 1)", "boolean expected, got number"),
        ("reaper.CountTrackMediaItems(reaper)", "MediaTrack expected"),
        ("reaper.CountTrackMediaItems(nil)", "MediaTrack expected, got nil"),
        (TRACK + "reaper.CountTakes(track)", "MediaItem expected, got MediaTrack"),
        (TRACK + "reaper.GetMediaTrackInfo_Value(track, 'D_VOLUME')", "unknown key 'D_VOLUME'"),
        (TRACK + "reaper.GetMediaTrackInfo_Value(track, 'B_MUTE_ACTUAL')", "unknown key"),
        (TRACK + "return track.name", "attempt to index"),
        ("reaper.InsertTrackAtIndex(0, false)", "outside an undo block"),
        ("reaper.defer(1)", "function expected, got number"),
        ("reaper.ColorToNative(0/0, 1, 2)", "finite number expected"),
        (TRACK + "reaper.EditTempoTimeSigMarker(0, 0)", "does not model"),
        ("surprise = 1", "global variable 'surprise'"),
        ("return surprise", "global variable 'surprise'"),
        ("reaper.extra = 1", "read-only"),
    ],
)
def test_a_wrong_call_is_refused(code: str, message: str) -> None:
    with pytest.raises(lupa.lua54.LuaError, match=message):
        one_track().run_text(code)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("reaper.SetMediaTrackInfo_Value(track, 'I_TCPH', 40)", "read-only"),
        ("reaper.SetMediaTrackInfo_Value(track, 'P_PARTRACK', 0)", "unknown key"),
        ("reaper.SetMediaTrackInfo_Value(track, 'I_NCHAN', 3)", "out of range"),
        ("reaper.SetMediaTrackInfo_Value(track, 'D_PAN', 1.5)", "out of range"),
        ("reaper.SetMediaTrackInfo_Value(track, 'B_MUTE', 2)", "takes 0 or 1"),
        ("reaper.SetMediaTrackInfo_Value(track, 'I_SOLO', 0.5)", "whole number"),
        ("reaper.SetMediaTrackInfo_Value(track, 'D_VOL', 1/0)", "finite number"),
        ("reaper.SetMediaTrackInfo_Value(track, 'D_VOL', true)", "number expected, got boolean"),
        ("reaper.GetSetMediaTrackInfo_String(track, 'P_EXT:', 'x', true)", "unknown key"),
        ("reaper.GetSetMediaTrackInfo_String(track, 'P_NAME', 'a\\nb', true)", "does not fit on a line"),
        ("reaper.CreateTrackSend(track, track)", "another track"),
        ("reaper.SetTrackSendInfo_Value(track, 0, 0, 'D_VOL', 1)", "no send 0"),
        ("reaper.DeleteTrack(track) reaper.CountTrackMediaItems(track)", "MediaTrack is gone"),
        ("reaper.Undo_DoUndo2(0)", "undo inside"),
    ],
)
def test_a_wrong_edit_is_refused(edit: str, message: str) -> None:
    with pytest.raises(lupa.lua54.LuaError, match=message):
        one_track().run_text(IN_BLOCK.format(TRACK + edit))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("pcall(reaper.CountTracks, 1, 2)", "2 arguments"),
        ("reaper.PreventUIRefresh(1)", "out of balance by 1"),
        ("reaper.Undo_BeginBlock2(0)", "left open"),
        ("reaper.PCM_Source_CreateFromFile({file})", "sources leak"),
        ("local function f() reaper.defer(f) end f()", "for ever"),
    ],
)
def test_what_a_script_hides_or_leaves_behind_is_found(code: str, message: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((10, 2)), 8000)
    with pytest.raises(AssertionError, match=message):
        one_track().run_text(code.format(file=f"[[{tmp_path / 'a.wav'}]]"))


def test_a_source_has_one_owner(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((10, 2)), 8000)
    code = f"""
      local track = reaper.GetTrack(0, 0)
      local item = reaper.AddMediaItemToTrack(track)
      local one, two = reaper.AddTakeToMediaItem(item), reaper.AddTakeToMediaItem(item)
      local source = reaper.PCM_Source_CreateFromFile([[{tmp_path / "a.wav"}]])
      reaper.SetMediaItemTake_Source(one, source)
      %s"""
    one_track().run_text(IN_BLOCK.format(code % ""))
    for wrong in ("reaper.SetMediaItemTake_Source(two, source)", "reaper.PCM_Source_Destroy(source)"):
        with pytest.raises(lupa.lua54.LuaError, match="belongs to a take"):
            one_track().run_text(IN_BLOCK.format(code % wrong))


def test_an_older_version_lacks_newer_functions() -> None:
    Reaper(version="6.30").run_text("assert(not reaper.PCM_Source_BuildPeaks and reaper.CountTracks)")
    Reaper(version="7.78").run_text("assert(reaper.PCM_Source_BuildPeaks)")


def test_pointers_are_opaque_equal_and_die_with_undo() -> None:
    reaper = one_track()
    reaper.run_text(IN_BLOCK.format("reaper.InsertTrackAtIndex(1, false)"))
    reaper.run_text(
        """
        local one, two = reaper.GetTrack(0, 0), reaper.GetTrack(0, 1)
        assert(type(one) == "userdata" and one == reaper.GetTrack(0, 0) and one ~= two)
        assert(reaper.ValidatePtr2(0, one, "MediaTrack*") and not reaper.ValidatePtr2(0, one, "MediaItem*"))
        assert(reaper.Undo_CanUndo2(0) == "edit" and reaper.Undo_DoUndo2(0) == 1)
        assert(not reaper.ValidatePtr2(0, one, "MediaTrack*"))
        assert(reaper.CountTracks(0) == 1 and reaper.GetTrack(0, 1) == nil)
        """
    )


def test_undo_and_redo_bring_back_exact_states() -> None:
    reaper = one_track()
    states = [reaper.project.state()]
    for number in range(3):
        reaper.run_text(IN_BLOCK.format(f"reaper.InsertTrackAtIndex({number}, false)"))
        states.append(reaper.project.state())
    for state in reversed(states[:-1]):
        assert reaper.undo()
        assert reaper.project.state() == state
    assert not reaper.undo()
    for state in states[1:]:
        assert reaper.redo()
        assert reaper.project.state() == state


def test_a_seeded_failure_comes_once_and_does_nothing() -> None:
    reaper = one_track()
    reaper.fail_next("AddMediaItemToTrack", skip=1)
    reaper.run_text(
        IN_BLOCK.format(
            TRACK
            + "local add = reaper.AddMediaItemToTrack\n"
            + "assert(add(track)) assert(add(track) == nil) assert(add(track))"
        )
    )
    assert len(reaper.project.tracks[0].items) == 2


def test_every_documented_failure_is_of_a_modelled_function() -> None:
    assert not [name for name in FAILURES if not hasattr(Calls, name)]


def test_deferred_functions_run_later_under_a_clock() -> None:
    reaper = Reaper()
    reaper.run_text(
        """
        local before, turns = reaper.time_precise(), 0
        local function step()
          turns = turns + 1
          if turns < 3 then reaper.defer(step) else
            reaper.ShowMessageBox(("%.2f"):format(reaper.time_precise() - before), "x", 0)
          end
        end
        reaper.defer(step)
        assert(turns == 0)
        """
    )
    assert reaper.messages == ["0.09"]


def sounding(folder: Path, level: float, name: str = "a.wav") -> Track:
    """A track with one second of a constant, no fades."""
    soundfile.write(folder / name, np.full((8000, 2), level), 8000, "DOUBLE")
    values = {"D_POSITION": 0.0, "D_LENGTH": 1.0, "D_VOL": 1.0}
    source = Source.open(name, folder / name)
    return Track(items=[Item(takes=[Take(source)], values=values)], texts={"P_NAME": name})


def test_sound_follows_folders_sends_faders_and_pan_laws(tmp_path: Path) -> None:
    reaper = Reaper()
    folder, child, outside = Track(), sounding(tmp_path, 0.5, "child.wav"), sounding(tmp_path, 0.25, "outside.wav")
    for track in (folder, child, outside):
        track.values["D_PANLAW"] = 1.0
    folder.values |= {"I_FOLDERDEPTH": 1.0, "D_VOL": 0.5}
    child.values |= {"I_FOLDERDEPTH": -1.0, "D_PAN": -1.0}
    outside.sends.append(Send(folder))
    outside.sends[0].values |= {"D_PANLAW": 1.0, "D_VOL": 0.5}
    reaper.project.tracks = [folder, child, outside]
    for track in (child, outside):
        track.items[0].takes[0].values["D_PANLAW"] = 1.0
    heard = master(reaper.project, sample_rate=8000, frames=8000)
    assert np.allclose(heard[:, 4000], [0.5 * (0.5 + 0.125) + 0.25, 0.5 * 0.125 + 0.25])
    outside.values["D_PANLAW"] = -1.0
    reaper.project.pan_law = 0.5
    assert np.allclose(master(reaper.project, sample_rate=8000, frames=8000)[1, 4000], 0.5 * 0.0625 + 0.125)
    reaper.project.tracks[0].values["B_MUTE"] = 1.0
    assert np.allclose(master(reaper.project, sample_rate=8000, frames=8000)[:, 4000], 0.125)


@pytest.mark.parametrize(("law", "middle", "side"), [(0.5, 0.5, 1.0), (1.0, 1.0, 1.0), (2.0, 1.0, 2.0)])
def test_a_pan_law_with_gain_compensation_is_louder_at_the_sides(
    tmp_path: Path, law: float, middle: float, side: float
) -> None:
    reaper = Reaper()
    track = sounding(tmp_path, 1.0)
    track.items[0].takes[0].values["D_PANLAW"] = 1.0
    reaper.project.tracks, reaper.project.pan_law = [track], law
    assert master(reaper.project, sample_rate=8000, frames=8000)[:, 4000] == pytest.approx(middle)
    track.values["D_PAN"] = 1.0
    assert master(reaper.project, sample_rate=8000, frames=8000)[:, 4000] == pytest.approx([0.0, side])


def test_fades_and_loops_are_heard(tmp_path: Path) -> None:
    reaper = Reaper()
    track = sounding(tmp_path, 1.0)
    track.values["D_PANLAW"] = 1.0
    track.items[0].takes[0].values["D_PANLAW"] = 1.0
    track.items[0].values |= {"D_FADEINLEN": 0.1, "D_LENGTH": 1.5}
    reaper.project.tracks.append(track)
    heard = master(reaper.project, sample_rate=8000, frames=12000)
    assert heard[0, 400] == pytest.approx(0.5)
    assert heard[0, 11000] == 0.0
    track.items[0].values["B_LOOPSRC"] = 1.0
    assert master(reaper.project, sample_rate=8000, frames=12000)[0, 11000] == 1.0


def test_a_project_can_be_read_as_text(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.project.tracks = [Track(texts={"P_NAME": "Folder"}), sounding(tmp_path, 1.0), Track(texts={"P_NAME": "Bus"})]
    folder, child, bus = reaper.project.tracks
    folder.values["I_FOLDERDEPTH"], child.values["I_FOLDERDEPTH"] = 1.0, -1.0
    child.sends = [Send(bus), Send(bus)]
    child.sends[1].values |= {"I_SENDMODE": 3.0, "D_PAN": -0.5, "D_VOL": 0.5, "B_MUTE": 1.0}
    bus.hardware.append(Send(None))
    reaper.project.tempo.append(Tempo(1.0, 93.5, 7, 8, True))
    told = arrangement(reaper.project)
    assert "* '' a.wav" in told
    assert "tempo 1.000000 93.500000 7/8 ramp" in told
    assert routing(reaper.project).splitlines() == [
        "'Folder' +0.00 dB pan +0.00 -> master",
        "'a.wav' +0.00 dB pan +0.00 -> folder 'Folder', 'Bus' +0.00 dB, 'Bus' -6.02 dB pan -0.50 pre-fader muted",
        "'Bus' +0.00 dB pan +0.00 -> master, sound card +0.00 dB",
    ]
