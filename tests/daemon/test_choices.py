"""What scripts in REAPER can choose from is written as data, and only when it changed."""

from __future__ import annotations

import os
from pathlib import Path

import lupa.lua54

from bridge.config import Presets, Settings
from bridge.daemon.choices import write_choices


def read(path: Path) -> dict[bytes, object]:
    lua = lupa.lua54.LuaRuntime(encoding=None)
    found = lua.execute(path.read_bytes())
    return {
        b"presets": {one[b"name"]: one[b"description"] for one in found[b"presets"].values()},
        b"models": list(found[b"models"].values()),
    }


def test_usable_presets_and_all_models_are_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "toene.yaml").write_text("version: 1\nname: toene\ndescription: 'It ]] is\"'\n", encoding="utf-8")
    (mine / "broken.yaml").write_text("nonsense: [", encoding="utf-8")
    write_choices(tmp_path, Settings(presets=Presets(folders=(mine,))))
    found = read(tmp_path / "presets.lua")
    presets = found[b"presets"]
    assert isinstance(presets, dict)
    assert presets[b"toene"] == b'It ]] is"'
    assert b"clean" in presets
    assert b"broken" not in presets
    assert b"htdemucs" in found[b"models"]  # type: ignore[operator]


def test_it_is_not_written_again_without_need_and_a_refusal_does_no_harm(tmp_path: Path) -> None:
    write_choices(tmp_path, Settings())
    before = (tmp_path / "presets.lua").stat()
    write_choices(tmp_path, Settings())
    after = (tmp_path / "presets.lua").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_choices(tmp_path / "missing", Settings())


def test_a_preset_that_changes_is_told_and_while_none_does_none_is_read(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    preset = mine / "toene.yaml"
    preset.write_text("version: 1\ndescription: One.\n")
    settings = Settings(presets=Presets(folders=(mine,)))
    write_choices(tmp_path, settings)
    time = preset.stat().st_mtime_ns
    # Another content of the same size and time: what was not read cannot be told.
    preset.write_text("version: 1\ndescription: Two.\n")
    os.utime(preset, ns=(time, time))
    write_choices(tmp_path, settings)
    assert read(tmp_path / "presets.lua")[b"presets"][b"toene"] == b"One."  # type: ignore[index]
    os.utime(preset, ns=(time + 1, time + 1))
    write_choices(tmp_path, settings)
    assert read(tmp_path / "presets.lua")[b"presets"][b"toene"] == b"Two."  # type: ignore[index]


def test_a_folder_of_presets_that_cannot_be_read_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    write_choices(tmp_path, Settings())
    before = (tmp_path / "presets.lua").read_bytes()
    (tmp_path / "mine").write_text("no folder")
    write_choices(tmp_path, Settings(presets=Presets(folders=(tmp_path / "mine",))))
    assert (tmp_path / "presets.lua").read_bytes() == before
