"""The format of presets as a JSON Schema, written from the same tables that the loader checks by, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.presets.catalog import EFFECTS, STEMS, STEP_FIELDS, EffectSpec
from bridge.presets.compose import VARIABLE
from bridge.presets.fields import NOTE_VALUE, Field
from bridge.presets.keys import BUS_FIELDS, OUTPUT_FIELDS, PRESET_FIELDS, SEND_FIELDS, STEM_FIELDS, TAG
from bridge.presets.plugin_step import INSERT_FIELDS, PLUGIN_FIELDS, parameters_schema

__all__ = ["schema"]

Json = dict[str, Any]

_VARIABLE: Json = {"type": "string", "pattern": f"^{VARIABLE}$"}


def schema() -> Json:
    """Return the JSON Schema, draft 7, the newest that every editor knows; a preset that loads is valid by it.

    What it cannot know is let through: names that are declared elsewhere, and what a preset that is extended says. So
    an empty value is valid wherever it can take out what lies below.
    """
    texts: Json = {"type": ["array", "null"], "items": {"type": "string"}}
    chained: dict[str, Json] = {"chain": {"$ref": "#/$defs/chain"}, "reaper_fx": texts}
    bus = _layer(BUS_FIELDS, adopt=texts, **chained)
    stem = _layer(STEM_FIELDS, **chained)
    player: Json = {"description": "The plugin.", **_layer(PLUGIN_FIELDS, parameters=parameters_schema("null"))}
    instrument = _layer(STEM_FIELDS, plugin=player, tracks=texts, **chained)
    root = _layer(
        PRESET_FIELDS,
        False,
        variables={
            "description": "Values by name; write $name where one belongs.",
            "type": ["object", "null"],
            "propertyNames": {"pattern": "^" + VARIABLE.removeprefix(r"\$") + "$"},
            "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
        },
        tags={"type": ["array", "null"], "items": {"type": "string", "pattern": f"^{TAG.pattern}$"}},
        stems={"type": ["object", "null"], "properties": {name: {"$ref": "#/$defs/stem"} for name in (*STEMS, "*")}},
        buses={"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/bus"}},
        instruments={
            "description": "Your own instruments (VST3; AU on macOS): each plays the .mid beside the render.",
            "type": ["object", "null"],
            "additionalProperties": {"$ref": "#/$defs/instrument"},
        },
        sends={"type": ["array", "null"], "items": _map(SEND_FIELDS)},
        output=_layer(OUTPUT_FIELDS),
    )
    root["properties"]["stems"]["additionalProperties"] = False
    steps = {name: _effect(spec) for name, spec in EFFECTS.items()}
    steps["parallel"] = {
        "description": "Branches that hear the same input; their outputs are aligned and summed. [] is the dry path.",
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/$defs/chain"},
    }
    steps["mid_side"] = {
        "description": "One chain on half the sum of left and right, one on half their difference.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {"mid": {"$ref": "#/$defs/chain"}, "side": {"$ref": "#/$defs/chain"}},
    }
    steps["plugin"] = {
        "description": "One of your own plugins (VST3; AU on macOS), in a process of its own.",
        **_map(INSERT_FIELDS, parameters=parameters_schema()),
    }
    step = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": steps,
    }
    chain = {"type": ["array", "null"], "items": {"$ref": "#/$defs/step"}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Stem Bridge preset",
        **root,
        "type": "object",
        "anyOf": [{"required": ["version"]}, {"required": ["extends"]}],
        "$defs": {"chain": chain, "step": step, "stem": stem, "bus": bus, "instrument": instrument},
    }


def _effect(spec: EffectSpec) -> Json:
    note = " Depends on level: give the stem a reference_lufs." if spec.level_dependent else ""
    whole = "" if spec.streams else " Needs the whole stem in memory."
    return {"description": spec.description + note + whole, **_map({**spec.parameters, **STEP_FIELDS})}


def _map(fields: Mapping[str, Field], **inner: Json) -> Json:
    required = [key for key, field in fields.items() if field.required]
    return {
        "type": "object" if required else ["object", "null"],
        "additionalProperties": False,
        "properties": {key: _value(field) for key, field in fields.items()} | inner,
        **({"required": required} if required else {}),
    }


def _layer(fields: Mapping[str, Field], filled: bool = True, /, **inner: Json) -> Json:
    """Return the rules of a map that may lie over another one: nothing in it must be said, any value may be empty."""
    values = {key: _value(field, filled=filled) for key, field in fields.items()}
    for value in values.values():
        value["anyOf"].append({"type": "null"})
    return {"type": ["object", "null"], "additionalProperties": False, "properties": values | inner}


def _value(field: Field, *, filled: bool = True) -> Json:
    """Return the rules of one value; only where variables are filled in, one may stand for it."""
    said: Json = {"description": f"{field.description} [{field.unit}]" if field.unit else field.description}
    if field.default is not None and not field.required:
        said["default"] = field.default
    return said | {"anyOf": [*_kinds(field), *([_VARIABLE] if filled else [])]}


def _kinds(field: Field) -> list[Json]:
    if field.kind == "flag":
        return [{"type": "boolean"}]
    if field.kind == "choice":
        return [{"enum": list(field.choices)}]
    if field.kind == "text":
        # Editors have no inline flags: a pattern with one is left to the loader.
        pattern: Json = {} if "(?i" in field.pattern else {"pattern": f"^(?:{field.pattern})$"}
        return [{"type": "string", **pattern}]
    span: Json = {"type": "number", "minimum": field.low, "maximum": field.high}
    if field.only:
        span = {"enum": list(field.only)}
    words: list[Json] = [{"enum": list(field.choices)}] if field.choices else []
    if field.notes:
        words.append({"type": "string", "pattern": f"^{NOTE_VALUE}$"})
    return [*words, span]
