"""Pruning: only whole drops of ours go, never a file of the user's, never what a project uses."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.delivery import manifest as drop_json
from bridge.delivery.prune import Delivered, Projects, find_drops, reason_to_keep, remove_drop, superseded
from bridge.delivery.publish import publish
from bridge.errors import ConfigError, DeliveryError
from tests.delivery.small_drops import stage_drop


@pytest.fixture
def drops(tmp_path: Path) -> list[Delivered]:
    """Two drops of one render, the second an hour younger."""
    outbox = tmp_path / "outbox"
    for number in range(2):
        folder = publish(stage_drop(outbox, f"job-{number}")).folder
        manifest = drop_json.read(folder / "drop.json")
        later = manifest.created + timedelta(hours=number)
        drop_json.write(folder, manifest.model_copy(update={"created": later, "drop_id": f"{number}" * 16}))
    return find_drops(outbox)


def project(folder: Path, text: str) -> Projects:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "song.RPP").write_text(text, encoding="utf-8")
    return Projects([folder])


def test_drops_are_found_and_nothing_else(drops: list[Delivered], tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    (outbox / "theirs").mkdir()
    (outbox / "other").mkdir()
    (outbox / "other" / "drop.json").write_text("{}", encoding="utf-8")
    assert find_drops(outbox) == drops
    assert find_drops(tmp_path / "nowhere") == []


def test_a_drop_is_superseded_by_a_newer_one_of_the_same_render_and_preset(drops: list[Delivered]) -> None:
    assert superseded(drops) == drops[:1]
    assert superseded(drops[:1]) == []


def test_a_removed_drop_leaves_nothing_and_its_neighbour_alone(drops: list[Delivered]) -> None:
    (drops[0].folder / "stems" / "song - Vocals.wav.reapeaks").write_bytes(b"peaks")
    remove_drop(drops[0])
    assert sorted(entry.name for entry in drops[1].folder.parent.iterdir()) == [drops[1].folder.name]
    assert drop_json.verify(drops[1].folder) == []


@pytest.mark.parametrize("name", ["my take.wav", "stems/comp.rpp", "Media/x.wav", "notes.txt"])
def test_a_drop_that_holds_a_file_of_the_user_s_is_kept(drops: list[Delivered], name: str) -> None:
    mine = drops[0].folder / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    with pytest.raises(DeliveryError, match="which is not ours"):
        remove_drop(drops[0])
    assert mine.read_bytes() == b"mine"


def test_a_drop_that_was_changed_is_kept(drops: list[Delivered]) -> None:
    vocals = drops[0].folder / "stems" / "song - Vocals.wav"
    vocals.write_bytes(b"edited")
    assert "it was changed" in reason_to_keep(drops[0])
    vocals.unlink()
    assert "it was changed" in reason_to_keep(drops[0])


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_in_a_drop_is_not_ours_and_a_linked_drop_is_none(drops: list[Delivered], tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (drops[0].folder / "link").symlink_to(tmp_path / "precious")
    assert "link" in reason_to_keep(drops[0])
    (tmp_path / "outbox" / "linked").symlink_to(drops[1].folder)
    assert len(find_drops(tmp_path / "outbox")) == 2


@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", "`{}`"])
def test_a_project_keeps_what_it_plays_by_any_way_to_write_the_path(
    drops: list[Delivered], tmp_path: Path, quoted: str
) -> None:
    folder = tmp_path / "projects" / "deep"
    full = drops[0].folder / "stems" / "song - Vocals.wav"
    for written in (str(full), os.path.relpath(full, folder)):
        used = project(folder, f"<SOURCE WAVE\n      FILE {quoted.format(written)}\n    >\n")
        assert used.user_of(drops[0]) == folder / "song.RPP"
        assert used.user_of(drops[1]) is None
    parents = project(folder, f"  FILE {quoted.format(drops[0].folder.parent / 'song - Vocals.wav')}\n")
    assert parents.user_of(drops[0]) is None


def test_a_project_keeps_what_its_import_script_made_wherever_the_files_lie(
    drops: list[Delivered], tmp_path: Path
) -> None:
    used = project(tmp_path / "projects", f"<EXT\n  stembridge {drops[1].manifest.drop_id}/stem:vocals\n>\n")
    assert used.user_of(drops[1]) is not None
    assert used.user_of(drops[0]) is None


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_project_that_cannot_be_read_keeps_everything(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Projects([tmp_path / "unplugged"])
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / "gone.rpp").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot be read"):
        Projects([tmp_path / "projects"])
