"""The library: presets are found by name or path, a broken one does not break the list, the schema knows the format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bridge import strict_yaml
from bridge.errors import PresetError
from bridge.presets.loader import parse
from bridge.presets.shelf import entries, find, schema, template
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


def valid(value: object, rule: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Judge by the part of JSON Schema that our schema uses; an unknown keyword is an error."""
    for key, want in rule.items():
        match key:
            case "$ref":
                good = valid(value, whole["$defs"][want.rsplit("/")[-1]], whole)
            case "type":
                kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
                names = want if isinstance(want, list) else [want]
                real = isinstance(value, int | float) and not isinstance(value, bool)
                good = any(real if name == "number" else isinstance(value, kinds[name]) for name in names)
            case "enum":
                good = value in want
            case "anyOf":
                good = any(valid(value, one, whole) for one in want)
            case "minimum":
                good = not isinstance(value, int | float) or value >= want
            case "maximum":
                good = not isinstance(value, int | float) or value <= want
            case "pattern":
                good = not isinstance(value, str) or re.search(want, value) is not None
            case "required":
                good = not isinstance(value, dict) or set(want) <= set(value)
            case "properties":
                good = not isinstance(value, dict) or all(valid(value[k], want[k], whole) for k in want if k in value)
            case "additionalProperties":
                extra = set(value) - set(rule.get("properties", ())) if isinstance(value, dict) else set()
                good = not extra if want is False else all(valid(value[k], want, whole) for k in extra)
            case "items":
                good = not isinstance(value, list) or all(valid(one, want, whole) for one in value)
            case "minItems" | "minProperties":
                good = not isinstance(value, list | dict) or len(value) >= want
            case "maxProperties":
                good = not isinstance(value, dict) or len(value) <= want
            case "$schema" | "$defs" | "title" | "description" | "default":
                good = True
            case _:
                raise AssertionError(f"unknown keyword {key}")
        if not good:
            return False
    return True


def document(text: str) -> object:
    return strict_yaml.load(text, what="x", error=PresetError).plain()


def test_what_loads_is_valid_by_the_schema_which_is_plain_json() -> None:
    rules = json.loads(json.dumps(schema()))
    for text in [*(path.read_text(encoding="utf-8") for path in SHIPPED), template("x")]:
        assert valid(document(text), rules, rules)


@pytest.mark.parametrize(
    "text",
    [
        "name: x",
        "version: 2",
        "version: 1\nstems: {vokals: {}}",
        "version: 1\nstems: {vocals: {pan: 2}}",
        "version: 1\nstems: {vocals: {tail: 61}}",
        "version: 1\nstems: {vocals: {chain: [{Compresor: {}}]}}",
        "version: 1\nstems: {vocals: {chain: [{Compressor: {threshold_db: -6}}]}}",
        "version: 1\nstems: {vocals: {chain: [{Compressor: {threshold_db: -6, ratio: yes}}]}}",
        "version: 1\nstems: {vocals: {chain: [{Invert: {}, Gain: {gain_db: 1}}]}}",
        "version: 1\nsends: [{from: A}]",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    rules = schema()
    assert not valid(document(text), rules, rules)
    with pytest.raises(PresetError):
        parse(text, name="x")
