"""What a user does once the stems are in: update them, hear what they lack, and take the project elsewhere."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from bridge.domain.render import Origin, Source
from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Item, Project, Take
from tests.reaper.workplace import workplace
from tests.session.small_drops import FRAMES, RATE, ROUTED, make_drop


def cut(project: Project) -> None:
    """Cut the vocals in two and move the second piece, as a user does."""
    track = project.track("Vocals")
    (item,) = track.items
    second = copy.deepcopy(item)
    second.guid = "{second}"
    item.values["D_LENGTH"] = 0.02
    second.values |= {"D_POSITION": 3.0, "D_LENGTH": 0.03, "D_FADEINLEN": 0.004}
    for take in second.takes:
        take.values["D_STARTOFFS"] = 0.02
    track.items.append(second)
    track.values |= {"D_VOL": 0.3, "B_MUTE": 1.0}


def without_new_takes(project: Project) -> object:
    rest = copy.deepcopy(project)
    for item in rest.items():
        item.takes = [take for take in item.takes if "newer" not in take.texts.get("P_EXT:stembridge", "")]
        item.active = 0
    return rest.state()


def updated(tmp_path: Path, fail: tuple[str, int] | None = None) -> tuple[Reaper, object]:
    place = workplace(tmp_path)
    reaper = Reaper()
    reaper.run(make_drop(tmp_path / "old", drop_id="older000", preset=ROUTED).script)
    cut(reaper.project)
    reaper.messages.clear()
    before = reaper.project.state()
    newer = make_drop(tmp_path / "new", drop_id="newer000", preset=ROUTED)
    if fail:
        reaper.fail_next(fail[0], skip=fail[1])
    reaper.answers.append(str(newer.script))
    reaper.run(place.script("Update stems"))
    return reaper, before


def test_a_newer_drop_adds_a_take_to_every_piece_and_moves_nothing_else(tmp_path: Path) -> None:
    reaper, before = updated(tmp_path)
    assert without_new_takes(reaper.project) == before
    pieces = reaper.project.track("Vocals").items
    for piece in pieces:
        old, new = piece.takes
        assert piece.active == 1
        assert new.source is not None
        assert "/new/" in new.source.path
        assert new.values["D_STARTOFFS"] == old.values.get("D_STARTOFFS", 0.0)
    assert [piece.takes[1].values["D_STARTOFFS"] for piece in pieces] == [0.0, 0.02]
    assert reaper.undo()
    assert reaper.project.state() == before
    assert not reaper.messages


def test_updating_twice_is_updating_once(tmp_path: Path) -> None:
    reaper, _ = updated(tmp_path)
    once = reaper.project.state()
    reaper.answers.append(str(tmp_path / "new" / "import.lua"))
    reaper.run(tmp_path / "Scripts" / "Stem Bridge" / "stembridge_Update stems.lua")
    assert reaper.project.state() == once
    assert "No item of the project lacks" in reaper.messages[-1]


@pytest.mark.parametrize(
    "name", ["AddTakeToMediaItem", "SetMediaItemTake_Source", "SetMediaItemTakeInfo_Value", "PCM_Source_CreateFromFile"]
)
def test_an_update_is_whole_or_not_there(tmp_path: Path, name: str) -> None:
    assert name in FAILURES
    reaper, before = updated(tmp_path, (name, 1))
    if reaper.messages:
        assert reaper.project.state() == before
    else:
        assert all(len(item.takes) == 2 for item in reaper.project.track("Vocals").items)


def place_of(item: Item) -> float:
    """Return where in the project the file of the active take begins."""
    assert item.active_take is not None
    return item.values["D_POSITION"] - item.active_take.values.get("D_STARTOFFS", 0.0)


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        (Source("bus", "{p}", ("{a}", "{b}"), "{bus}"), Source("bus", "{p}", ("{a}", "{b}", "{c}"), "{bus}"), True),
        (Source("bus", "{p}", ("{a}",), "{bus}"), Source("bus", "{p}", ("{a}",), "{other}"), False),
        (Source("tracks", "{p}", ("{a}",), "{bus}"), Source("tracks", "{p}", ("{b}",), "{bus}"), False),
        (Source("tracks", "{p}", ("{a}",), "{bus}"), Source("tracks", "{p}", (), "{bus}"), True),
        (Source("master", "{p}", ("{a}",)), Source("time", "{p}", ("{a}",)), False),
        (Source("master", "{p}", ("{a}",)), None, False),
        (None, None, True),
    ],
)
def test_only_stems_of_the_same_source_are_updated(
    tmp_path: Path, old: Source | None, new: Source | None, is_same: bool
) -> None:
    place, reaper = workplace(tmp_path), Reaper()
    make_drop(tmp_path / "old", drop_id="older000", title="One", source=old)
    make_drop(tmp_path / "else", drop_id="else0000", title="Two", source=Source("items", "{p}", ("{x}",), "{y}"))
    for name in ("old", "else"):
        reaper.run(tmp_path / name / "import.lua")
    reaper.messages.clear()
    newer = make_drop(tmp_path / "new", drop_id="newer000", title="One", source=new)
    reaper.answers.append(str(newer.script))
    reaper.run(place.script("Update stems"))
    counts = [len(item.takes) for track in reaper.project.tracks for item in track.items if len(item.takes) > 1]
    assert counts == [2] * 5 * is_same
    assert bool(reaper.messages) is not is_same


def test_a_render_without_a_source_and_of_another_name_updates_what_is_there_alone(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), Reaper()
    reaper.run(make_drop(tmp_path / "one", drop_id="one00000", title="Song v1").script)
    newer = make_drop(tmp_path / "new", drop_id="newer000", title="Song v2")
    for is_alone in (True, False):
        if not is_alone:
            reaper.run(make_drop(tmp_path / "two", drop_id="two00000", title="Other").script)
            newer = make_drop(tmp_path / "next", drop_id="next0000", title="Song v3")
        reaper.messages.clear()
        reaper.answers.append(str(newer.script))
        reaper.run(place.script("Update stems"))
        assert bool(reaper.messages) is not is_alone


@pytest.mark.parametrize("mode", ["master", "items"])
@pytest.mark.parametrize("moved", [0.0, 2.0])
def test_a_newer_render_that_begins_elsewhere_stays_where_it_sounded(tmp_path: Path, mode: str, moved: float) -> None:
    place, reaper = workplace(tmp_path), Reaper()
    source = Source(mode, "{p}", ("{a}",))  # type: ignore[arg-type]
    old = make_drop(tmp_path / "old", drop_id="older000", source=source, origin=Origin(3.0, "sidecar"))
    reaper.run(old.script)
    for item in reaper.project.items():
        item.values["D_POSITION"] += moved
    newer = make_drop(tmp_path / "new", drop_id="newer000", source=source, origin=Origin(5.0, "sidecar"))
    reaper.answers.append(str(newer.script))
    reaper.run(place.script("Update stems"))
    # Moved by as much as the render, all of the project was moved; else the file has to begin where it was rendered.
    wanted = 3.0 + moved if mode == "items" else 5.0
    assert [place_of(item) for item in reaper.project.items() if len(item.takes) > 1] == [wanted] * 5


def test_the_null_check_is_silence_and_its_second_run_puts_all_back(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = Reaper()
    reaper.run(make_drop(tmp_path / "drop").script)
    before = reaper.project.state()
    reaper.run(place.script("Null check"))
    assert np.abs(master(reaper.project, sample_rate=RATE, frames=FRAMES)).max() < 1e-12
    assert [name for name, *_ in reaper.undo_points] == ["Stem Bridge: import Song", "Stem Bridge: null check"]
    reaper.run(place.script("Null check"))
    assert reaper.project.state() == before


def test_a_null_check_without_an_original_says_so(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.run(workplace(tmp_path).script("Null check"))
    assert "no original" in reaper.messages[0]


def brought_in(tmp_path: Path, file: str) -> Reaper:
    place = workplace(tmp_path)
    reaper = Reaper()
    reaper.project.file = file
    reaper.ext_state["stembridge", "media"] = "project"
    drop = make_drop(tmp_path / "drop", preset=ROUTED)
    reaper.answers.append(str(drop.script))
    reaper.run(place.script("Bring stems in"))
    return reaper


def files(reaper: Reaper) -> set[Path]:
    takes: list[Take] = list(reaper.project.takes())
    return {take.source.file for take in takes if take.source}


def test_media_follows_a_saved_project_under_names_that_are_free(tmp_path: Path) -> None:
    media = tmp_path / "song" / "Media"
    media.mkdir(parents=True)
    (media / "Song - Vocals.wav").write_bytes(b"another song's")
    reaper = brought_in(tmp_path, str(tmp_path / "song" / "song.rpp"))
    assert {path.parent for path in files(reaper)} == {media}
    assert (media / "Song - Vocals.wav").read_bytes() == b"another song's"
    copied = (media / "Song - Vocals (2).wav").read_bytes()
    assert copied == (tmp_path / "drop" / "stems" / "Song - Vocals.wav").read_bytes()


def test_media_of_an_unsaved_project_stays_in_the_drop_and_that_is_said(tmp_path: Path) -> None:
    reaper = brought_in(tmp_path, "")
    assert all(path.is_relative_to(tmp_path / "drop") for path in files(reaper))
    assert any("not saved yet" in message for message in reaper.messages)


def test_media_that_cannot_be_copied_is_told_and_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "song").write_text("a file where the folder should be")
    reaper = brought_in(tmp_path, str(tmp_path / "song" / "song.rpp"))
    assert not reaper.project.tracks
    assert "cannot be copied" in reaper.messages[0]


def test_the_same_name_and_size_with_other_sound_is_another_file(tmp_path: Path) -> None:
    media = tmp_path / "song" / "Media"
    media.mkdir(parents=True)
    make_drop(tmp_path / "drop", preset=ROUTED)
    vocals = (tmp_path / "drop" / "stems" / "Song - Vocals.wav").read_bytes()
    (media / "Song - Vocals.wav").write_bytes(vocals[:-8] + bytes(8))
    reaper = brought_in(tmp_path, str(tmp_path / "song" / "song.rpp"))
    assert media / "Song - Vocals (2).wav" in files(reaper)
    assert media / "Song - Vocals.wav" not in files(reaper)


def test_waveforms_are_built_to_the_end_while_another_project_is_open(tmp_path: Path) -> None:
    reaper, drop = Reaper(), make_drop(tmp_path)
    mine = reaper.project
    reaper.start(drop.script)
    reaper.open_tab()
    reaper.pump()
    reaper.end()
    assert all(take.source and take.source.peaks == 0 for take in mine.takes())


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_a_script_that_is_ended_in_another_tab_leaves_no_waveform_half_built(tmp_path: Path, turns: int) -> None:
    reaper, drop = Reaper(), make_drop(tmp_path)
    reaper.start(drop.script)
    for _ in range(turns):
        reaper.turn()
    reaper.open_tab()
    reaper.end()


@pytest.mark.parametrize("name", ["Bring stems in", "Update stems"])
def test_nothing_is_brought_in_by_hand_while_reaper_records(tmp_path: Path, name: str) -> None:
    place, reaper = workplace(tmp_path), Reaper()
    reaper.run(make_drop(tmp_path / "old", drop_id="older000").script)
    before = reaper.project.state()
    reaper.answers.append(str(make_drop(tmp_path / "new", drop_id="newer000").script))
    reaper.play_state = 1 | 4
    reaper.run(place.script(name))
    assert reaper.messages == ["REAPER is recording. Stop it first."]
    assert reaper.project.state() == before
