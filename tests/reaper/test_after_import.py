"""What a user does once the stems are in: update them, hear what they lack, and take the project elsewhere."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Project, Take
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
