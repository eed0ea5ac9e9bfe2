"""The promises of import.lua, kept in a real Lua under the strict stand-in for REAPER."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.domain.render import Marker, Origin
from bridge.units import db_to_gain
from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Project, Track
from tests.session.small_drops import FRAMES, RATE, ROUTED, make_drop
from tests.session.users import BUSES, part_of_user, picture, user_project


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("law_db", [0.0, -3.0, -6.0, 3.0])
def test_dry_stems_null_against_the_original_at_any_pan_law(tmp_path: Path, channels: int, law_db: float) -> None:
    drop = make_drop(tmp_path, preset=BUSES, channels=channels, common_gain_db=-4.0, origin=Origin(0.5, "sidecar"))
    reaper = Reaper()
    reaper.project.pan_law = db_to_gain(law_db)
    reaper.project.master_channels = max(2, channels)
    reaper.run(drop.script)
    start = RATE // 2
    heard = master(reaper.project, sample_rate=RATE, frames=start + FRAMES + 10)
    original = np.repeat(drop.mix, 2, axis=0) if channels == 1 else drop.mix
    assert np.abs(heard[:, start : start + FRAMES] - original).max() < 1e-12, picture(reaper.project)
    assert not heard[:, :start].any()
    assert not heard[:, start + FRAMES :].any()


def test_the_unmuted_original_is_the_original(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=ROUTED, common_gain_db=-4.0)
    reaper = Reaper()
    reaper.project.pan_law = 0.5
    reaper.run(drop.script)
    for track in reaper.project.tracks:
        track.values["B_MUTE"] = float(track.name != "Song (original)")
    heard = master(reaper.project, sample_rate=RATE, frames=FRAMES)
    assert np.array_equal(heard, drop.mix)


def test_each_stem_reaches_the_master_once_at_the_level_of_the_plan_and_sends_come_on_top(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=ROUTED)
    reaper = Reaper()
    reaper.run(drop.script)
    vocals = drop.stems["vocals"] * db_to_gain(-3.0) * np.array([[0.75], [1.0]]) * db_to_gain(1.5)
    expected = drop.stems["drums"] + drop.stems["other"] + vocals * (1.0 + db_to_gain(-14.0))
    heard = master(reaper.project, sample_rate=RATE, frames=FRAMES)
    assert np.abs(heard - expected).max() < 1e-12, picture(reaper.project)


def test_a_wet_take_is_heard_with_its_tail_and_the_dry_one_waits_behind_it(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, printed=["vocals"], stems=["vocals", "other"])
    reaper = Reaper()
    reaper.run(drop.script)
    item = reaper.project.track("Vocals").items[0]
    assert [take.texts["P_NAME"] for take in item.takes] == ["Vocals", "Vocals (dry)"]
    assert item.active == 0
    assert item.values["D_LENGTH"] == pytest.approx((FRAMES + 50) / RATE)
    item.active = 1
    assert np.array_equal(master(reaper.project, sample_rate=RATE, frames=FRAMES), drop.mix)


def test_the_session_looks_as_the_preset_says(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.run(make_drop(tmp_path, preset=ROUTED).script)
    tracks = reaper.project.tracks
    assert [one.name for one in tracks] == [
        *("Drums", "Bass", "Other", "Vocals"),
        *("VOX", "MUSIC", "VERB"),
        "Song (original)",
    ]
    assert [one.name for one in tracks if one.values["B_MUTE"]] == ["Bass", "Song (original)"]
    assert reaper.project.track("Vocals").values["I_CUSTOMCOLOR"] == 0x1000000 | 0xD1 | 0x49 << 8 | 0x5B << 16
    assert [fx.name for fx in reaper.project.track("VOX").fx] == ["ReaComp"]
    (verb,) = reaper.project.track("VERB").fx
    assert (verb.name, verb.values["Dry"], verb.values["Wet"]) == ("ReaVerbate", 0.0, 0.5)
    assert reaper.messages == ["VERB: REAPER has no effect called No such effect."]
    assert [name for name, *_ in reaper.undo_points] == ["Stem Bridge: import Song"]


def test_an_import_waits_while_reaper_records_and_then_goes_into_the_project_that_was_open(tmp_path: Path) -> None:
    reaper, drop = Reaper(), make_drop(tmp_path)
    mine, empty = reaper.project, reaper.project.state()
    reaper.play_state = 1 | 4
    reaper.start(drop.script)
    for _ in range(100):
        reaper.turn(1.0)
    assert (mine.state(), reaper.undo_points, reaper.messages) == (empty, [], [])
    reaper.open_tab()
    reaper.play_state = 0
    reaper.turn(1.0)
    assert not reaper.project.tracks, "another project is open now"
    reaper.project = mine
    reaper.turn(1.0)
    assert [track.name for track in mine.tracks[:2]] == ["Drums", "Bass"]
    reaper.pump()
    assert [name for name, *_ in reaper.undo_points] == ["Stem Bridge: import Song"]
    reaper.end()


def test_an_import_whose_project_was_closed_while_it_waited_says_so(tmp_path: Path) -> None:
    reaper, drop = Reaper(), make_drop(tmp_path)
    reaper.play_state = 4
    reaper.start(drop.script)
    reaper.turn(1.0)
    reaper.open_tab()
    del reaper.tabs[0]
    reaper.play_state = 0
    reaper.turn(1.0)
    assert not reaper.project.tracks
    assert reaper.messages == [f"Song was not imported: its project was closed. Run again: {drop.script}"]
    reaper.end()


def test_nothing_new_is_selected_looped_faded_or_left_to_preferences(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.run(make_drop(tmp_path, preset=ROUTED, channels=6).script)
    for track in reaper.project.tracks:
        wanted = {"I_SELECTED": 0, "I_PANMODE": 3, "D_PANLAW": 1, "D_WIDTH": 1, "I_NCHAN": 6, "C_BEATATTACHMODE": 0}
        wanted |= {"I_PANLAW_FLAGS": 2}
        assert track.values.items() >= wanted.items()
        for send in track.sends:
            wanted = {"I_SENDMODE": 0, "I_MIDIFLAGS": 31, "I_SRCCHAN": 3 << 10, "I_DSTCHAN": 0, "D_PANLAW": 1}
            assert send.values.items() >= wanted.items()
    for item in reaper.project.items():
        fades = {f"D_FADE{way}LEN{kind}": 0 for way in ("IN", "OUT") for kind in ("", "_AUTO")}
        wanted = {"B_UISEL": 0, "B_LOOPSRC": 0, "C_BEATATTACHMODE": 0} | fades
        assert item.values.items() >= wanted.items()


def test_an_item_is_as_long_as_its_file(tmp_path: Path) -> None:
    drop = make_drop(tmp_path)
    soundfile.write(tmp_path / "stems" / "Song - Bass.wav", np.zeros((FRAMES + 123, 2)), RATE)
    reaper = Reaper()
    reaper.run(drop.script)
    assert reaper.project.track("Bass").items[0].values["D_LENGTH"] == pytest.approx((FRAMES + 123) / RATE)


@pytest.mark.parametrize("version", ["6.30", "7.78"])
def test_it_runs_in_old_and_new_versions_and_builds_the_waveforms(tmp_path: Path, version: str) -> None:
    reaper = Reaper(version=version)
    reaper.run(make_drop(tmp_path, preset=ROUTED, printed=["vocals"]).script)
    assert len(reaper.project.tracks) == 8
    assert all(take.source and take.source.peaks == 0 for take in reaper.project.takes())


def test_twice_is_once(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=ROUTED, printed=["vocals"], markers=[Marker(80, "Verse")])
    reaper = Reaper()
    reaper.project = user_project()
    reaper.run(drop.script)
    once = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == once
    assert len(reaper.undo_points) == 1
    assert reaper.messages[-1] == "Song is in this project already; nothing is missing."


def test_one_undo_restores_the_exact_project_and_redo_the_import(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=ROUTED, markers=[Marker(80, "Verse"), Marker(160, "Chorus", 80)])
    reaper = Reaper()
    reaper.project = user_project()
    before = reaper.project.state()
    reaper.run(drop.script)
    after = reaper.project.state()
    assert reaper.undo()
    assert reaper.project.state() == before
    assert reaper.redo()
    assert reaper.project.state() == after
    reaper.undo()
    reaper.run(drop.script)
    assert len(reaper.project.tracks) == 3 + 8, "undo took the identities away too"


@pytest.mark.parametrize("depths", [[], [-2], [1], [1, 0], [0, 1, 1, -1], [1, -1, 0], [0, 1, -1, 1, 1, 0]])
def test_what_the_user_has_stays_as_it_is_and_no_folder_swallows_the_stems(tmp_path: Path, depths: list[int]) -> None:
    reaper = Reaper()
    reaper.project = user_project()
    for number, depth in enumerate(depths):
        track = Track(texts={"P_NAME": f"Mine {number}"})
        track.values |= {"I_FOLDERDEPTH": float(depth), "D_VOL": 0.25}
        reaper.project.tracks.append(track)
    guids = [track.guid for track in reaper.project.tracks]
    before = reaper.project.state()
    drop = make_drop(tmp_path, preset=BUSES)
    reaper.run(drop.script)
    assert part_of_user(reaper.project, guids) == before
    if sum(depths) <= 0:
        assert [track.guid for track in reaper.project.tracks[: len(guids)]] == guids, "new tracks come last"
    heard = master(reaper.project, sample_rate=RATE, frames=FRAMES)
    assert np.abs(heard - drop.mix).max() < 1e-12, picture(reaper.project)


@pytest.mark.parametrize(
    ("origin", "offset", "seconds"),
    [
        (Origin(), 3600.0, 0.0),
        (Origin(12.25, "sidecar"), 3600.0, 12.25),
        (Origin(3612.25, "bext"), 3600.0, 12.25),
        (Origin(12.25, "bext"), 3600.0, 12.25),
        (Origin(100001 / 44100, "bext"), 0.0, 100001 / 44100),
    ],
)
def test_stems_lie_where_the_render_came_from(tmp_path: Path, origin: Origin, offset: float, seconds: float) -> None:
    reaper = Reaper()
    reaper.project.time_offset = offset
    reaper.run(make_drop(tmp_path, origin=origin).script)
    assert {item.values["D_POSITION"] for item in reaper.project.items()} == {seconds}


def test_whatever_call_fails_the_import_is_whole_or_not_there(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=ROUTED, stems=["vocals", "other"], printed=["vocals"], markers=[Marker(8, "A")])

    def busy_reaper() -> Reaper:
        reaper = Reaper()
        reaper.project = user_project()
        open_folder = Track(texts={"P_NAME": "Open"})
        open_folder.values["I_FOLDERDEPTH"] = 1.0
        reaper.project.tracks.append(open_folder)
        return reaper

    whole = busy_reaper()
    whole.run(drop.script)
    calls = [(name, skip) for name in sorted(FAILURES) for skip in range(whole.calls[name])]
    assert len(calls) > 150
    failed = 0
    for name, skip in calls:
        reaper = busy_reaper()
        before = reaper.project.state()
        reaper.fail_next(name, skip=skip)
        reaper.run(drop.script)
        if reaper.project.state() == before:
            failed += 1
            assert len(reaper.messages) == 1, f"{name} {skip}: {reaper.messages}"
            assert not reaper.undo_points
        else:
            assert names_and_sends(reaper.project) == names_and_sends(whole.project), f"{name} {skip}"
    assert failed > 50


def names_and_sends(project: Project) -> object:
    return [
        (one.name, [send.target.name for send in one.sends], [len(item.takes) for item in one.items])
        for one in project.tracks
    ]


def test_a_failure_that_cannot_be_undone_is_said(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.fail_next("CreateTrackSend")
    reaper.fail_next("Undo_DoUndo2")
    reaper.run(make_drop(tmp_path, preset=BUSES).script)
    assert reaper.messages == ["REAPER could not add a send.\nSome tracks were made: please undo once."]
    assert [name for name, *_ in reaper.undo_points] == ["Stem Bridge: failed import Song"]


def test_where_undo_is_switched_off_a_failure_never_undoes_the_user_s_own_work(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.project = user_project()
    reaper.undo_points.append(("Move items", Project(), reaper.project))
    reaper.is_undo_on = False
    reaper.fail_next("CreateTrackSend")
    reaper.run(make_drop(tmp_path, preset=BUSES).script)
    assert [name for name, *_ in reaper.undo_points] == ["Move items"]
    assert reaper.messages == ["REAPER could not add a send.\nSome tracks were made: please undo once."]


@pytest.mark.parametrize("harm", ["missing", "text", "empty"])
def test_media_that_is_not_there_or_no_sound_is_named_and_nothing_changes(tmp_path: Path, harm: str) -> None:
    drop = make_drop(tmp_path)
    victim = tmp_path / "stems" / "Song - Other.wav"
    victim.unlink()
    if harm != "missing":
        victim.write_bytes(b"Dear diary" if harm == "text" else b"")
    reaper = Reaper()
    reaper.project = user_project()
    before = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == before
    assert not reaper.undo_points
    assert len(reaper.messages) == 1
    assert str(victim) in reaper.messages[0]


AWKWARD = [
    'He said "hi"',
    "it's ]===] over ]] -- done",
    "line\nbreak\r\nand\ttab",
    "C:\\new\\table\\x41",
    "🎤 voix ñ 音楽",
    "\u202eback to front\u202c שלום",
    "${HOME} %s %d `id` $(id)",
    "nul\0byte",
    "\\",
    "'; os.exit() --",
    "e\u0301 \ufeff\u2028",
]


@pytest.mark.parametrize("title", AWKWARD)
def test_every_name_survives_and_none_becomes_code(tmp_path: Path, title: str) -> None:
    base = "Song" if os.name == "nt" else title.replace("/", "").replace("\0", "")
    drop = make_drop(tmp_path / base, title=title, base=base, preset=BUSES, markers=[Marker(80, title)])
    reaper = Reaper()
    reaper.run(drop.script)
    shown = reaper.project.tracks[-1].name.removesuffix(" (original)")
    cleaned = str.maketrans(dict.fromkeys("\0\n\r\t\u2028", " "))
    assert shown == title.replace("\r\n", "\n").translate(cleaned)
    assert [marker.name for marker in reaper.project.markers] == [shown]
    files = {take.source.file for take in reaper.project.takes() if take.source}
    assert files == set(drop.folder.rglob("*.wav"))
    reaper.run(drop.script)
    assert len(reaper.project.tracks) == 6


def test_a_drop_that_was_moved_still_imports_and_is_still_the_same_drop(tmp_path: Path) -> None:
    drop = make_drop(tmp_path / "outbox" / "Song", preset=BUSES)
    reaper = Reaper()
    reaper.run(drop.script)
    moved = tmp_path / "elsewhere, far (away)"
    shutil.move(drop.folder, moved)
    reaper.project.delete_track(reaper.project.track("Drums"))
    reaper.run(moved / "import.lua")
    (take,) = reaper.project.track("Drums").items[0].takes
    assert take.source is not None
    assert take.source.file.is_relative_to(moved)
    assert len(reaper.project.tracks) == 6


def test_on_windows_paths_are_windows_paths(tmp_path: Path) -> None:
    make_drop(tmp_path / "Song", preset=BUSES)
    reaper = Reaper(drives={"C:\\Users\\Zoë\\Drops": tmp_path})
    reaper.run("C:\\Users\\Zoë\\Drops\\Song\\import.lua")
    paths = {take.source.path for take in reaper.project.takes() if take.source}
    assert "C:\\Users\\Zoë\\Drops\\Song\\stems\\Song - Vocals.wav" in paths
    assert not [path for path in paths if "/" in path]
