"""The JSON Schema of presets: it and the loader say the same, but for what only a loader can know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import strict_yaml
from bridge.errors import PresetError
from bridge.presets.catalog import EFFECTS, STEP_FIELDS
from bridge.presets.keys import BUS_FIELDS, OUTPUT_FIELDS, PRESET_FIELDS, SEND_FIELDS, STEM_FIELDS
from bridge.presets.loader import parse
from bridge.presets.schema import schema
from bridge.presets.shelf import template
from bridge.resources import shipped

SHIPPED = sorted(shipped("presets").glob("*.yaml"))
RULES = json.loads(json.dumps(schema()))
ELSEWHERE = re.compile(
    r"there is no (bus|variable|preset) '|calls itself|closes a loop|nothing uses|own parents|two targets|"
    r"depend on level|depends on level|a chain that nobody hears|hears itself"
)
"""Refused for what another place of the preset says, which no schema knows."""
BASE = """
version: 1
tags: [vocals]
variables: {loud: 3}
buses: {A: {print: true, gain_db: -1}}
stems: {vocals: {gain_db: $loud, bus: A, target_lufs: -20, chain: [{Gain: {gain_db: 1}}]}}
instruments: {keys: {plugin: {path: Keys.vst3, parameters: {decay: 1}}, bus: A}}
output: {format: flac}
"""


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
                at_its_end = want.removesuffix("$") + r"\Z"  # an editor's $ does not overlook a last newline
                good = not isinstance(value, str) or re.search(at_its_end, value) is not None
            case "required":
                good = not isinstance(value, dict) or set(want) <= set(value)
            case "properties":
                good = not isinstance(value, dict) or all(valid(value[k], want[k], whole) for k in want if k in value)
            case "additionalProperties":
                extra = set(value) - set(rule.get("properties", ())) if isinstance(value, dict) else set()
                good = not extra if want is False else all(valid(value[k], want, whole) for k in extra)
            case "propertyNames":
                good = not isinstance(value, dict) or all(valid(one, want, whole) for one in value)
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


@pytest.mark.parametrize(
    "text",
    [
        "extends: base",
        "extends: base\nstems: {vocals: {target_lufs: , gain_db: 2}}\nvariables: {loud: }",
        "extends: base\nstems: {vocals: }\nvariables:",
        "extends: base\nbuses: {A: {gain_db: , print: }}\ntags:\noutput: {format: }",
        "extends: base\ninstruments: {keys: {gain_db: $loud}}",
        "extends: base\ninstruments: {keys: {plugin: {parameters: {decay: 2}}}}",
        "extends: base\ninstruments: {keys: {plugin: {parameters: {decay: }}}}",
    ],
)
def test_a_preset_that_says_only_what_is_different_is_valid_too(text: str, tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(BASE, encoding="utf-8")
    assert valid(document(text), RULES, RULES)
    parse(text, name="mine", find_base=lambda _, __: base)


def preset_with(table: str, key: str, value: object) -> dict[str, Any]:
    """Put one value in its place of a preset that loads."""
    bus: dict[str, Any] = {"reaper_fx": ["ReaComp"]}
    preset: dict[str, Any] = {"version": 1, "stems": {"vocals": {}}, "buses": {"A": bus, "B": dict(bus)}}
    places = {"preset": preset, "stem": preset["stems"]["vocals"], "bus": bus}
    if table == "send":
        preset["sends"] = [{"from": "A", "to": "B"} | {key: value}]
    elif table == "output":
        preset["output"] = {key: value}
    elif table in places:
        places[table][key] = value
    else:
        needed = {name: field.low for name, field in EFFECTS[table].parameters.items() if field.required}
        step = {table: needed | {key: value}}
        preset["stems"]["vocals"] = {"reference_lufs": -20, "chain": [step]}
    return preset


TABLES = {
    "preset": PRESET_FIELDS,
    "stem": STEM_FIELDS,
    "bus": BUS_FIELDS,
    "send": SEND_FIELDS,
    "output": OUTPUT_FIELDS,
    **{name: {**spec.parameters, **STEP_FIELDS} for name, spec in EFFECTS.items() if name != "Ducker"},
}
PLACES = [(table, key) for table, fields in TABLES.items() for key in (*fields, "unknown")]
WILD = st.one_of(
    st.booleans(),
    st.integers(-100, 100) | st.sampled_from([10**9, -(10**9)]),
    st.floats(-100, 30000),
    st.sampled_from(
        ["auto", "dry", "1/8", "1/8d", "1/3", "0/4", "#ffffff", "#fff", "red", "wav", "sends", "", "x" * 101]
    ),
    st.text(alphabet="aA/.\u00fc\n", max_size=3),
    st.just([]) | st.just({}) | st.just(["x"]) | st.just({"x": 1}),
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(PLACES), WILD)
def test_schema_and_loader_agree_on_every_key_whatever_it_holds(place: tuple[str, str], value: object) -> None:
    preset = preset_with(*place, value)
    is_valid = valid(preset, RULES, RULES)
    refused = ""
    try:
        parse(json.dumps(preset), name="p")
    except PresetError as error:
        refused = error.message
    assert is_valid == (not refused) or ELSEWHERE.search(refused), f"{place} = {value!r}: {refused or 'it loads'}"
