"""The library: presets are found by name or path, a broken one does not break the list, the template loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.errors import PresetError
from bridge.presets.loader import parse
from bridge.presets.shelf import entries, find, template
from bridge.resources import shipped

SHIPPED = sorted(shipped("presets").glob("*.yaml"))


def test_a_users_preset_hides_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    mine = tmp_path / "Clean.yaml"
    mine.write_text("version: 1\ndescription: Mine.\n", encoding="utf-8")
    assert find("clean").description != "Mine."
    assert find("clean", [tmp_path]).description == "Mine."
    assert [entry.shipped for entry in entries([tmp_path]) if entry.name.casefold() == "clean"] == [False]


def test_of_two_folders_the_first_wins(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.yml").write_text(f"version: 1\ndescription: {name}\n", encoding="utf-8")
    assert find("own", [tmp_path / "first", tmp_path / "second"]).description == "first"


def test_a_preset_is_found_by_path(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("version: 1\n", encoding="utf-8")
    assert find(str(path)).name == "deep"


@pytest.mark.parametrize("name", ["", ".", "..", "~nobody", "a\0b", "a\0.yaml", "no/such", "x" * 5000, "con", "{}"])
def test_any_name_that_is_no_preset_is_a_preset_error(name: str) -> None:
    with pytest.raises(PresetError) as caught:
        find(name)
    assert caught.value.hint


def test_an_unknown_name_brings_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(PresetError) as caught:
        find("vocal-aire", [tmp_path / "not there"])
    assert "'vocal-air'" in caught.value.hint


def test_a_broken_preset_is_listed_with_its_fault(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("version: 1\nstem: {}\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a preset", encoding="utf-8")
    (tmp_path / "folder.yaml").mkdir()
    listed = {entry.name: entry for entry in entries([tmp_path])}
    assert "broken.yaml:2: " in listed["broken"].error
    assert not {"notes", "folder"} & set(listed)
    assert {path.stem for path in SHIPPED} < set(listed)
    assert all(entry.description and not entry.error for entry in listed.values() if entry.shipped)


def test_the_template_loads_as_it_is_and_with_its_examples_switched_on() -> None:
    for name in ("mine", 'a: "b" #{c}', "on", "2024", "Übung 🎤"):
        assert parse(template(name), name=name).name == name
    played = re.sub(r"^# (instruments:|  keys:)", r"\1", template("mine"), flags=re.MULTILINE)
    assert list(parse(played, name="mine").instruments) == ["keys"]
    examples = re.sub(r"^      # ", "      ", template("mine"), flags=re.MULTILINE)
    assert len(parse(examples, name="mine").stems["vocals"].chain) == 9
