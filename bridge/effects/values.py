"""The values of an effect held against the catalog, for whoever makes presets without the loader."""

from __future__ import annotations

import math
import re

from bridge.domain.preset import Effect
from bridge.errors import PresetError
from bridge.presets.catalog import EFFECTS
from bridge.presets.fields import NOTE_VALUE, Field
from bridge.words import did_you_mean, sentence

__all__ = ["SEE_SCHEMA", "check_values"]

SEE_SCHEMA = "Names and ranges are in the output of: stem-bridge presets schema"
_MOST_SHOWN = 40


def check_values(effect: Effect) -> None:
    """Raise PresetError for an effect, a name or a value that no preset file could hold either."""
    spec = EFFECTS.get(effect.name)
    if spec is None:
        near = did_you_mean(str(effect.name), EFFECTS)
        raise PresetError(f"There is no effect '{_shown(effect.name)}'.", hint=sentence(near) if near else SEE_SCHEMA)
    for name, value in effect.parameters.items():
        field = spec.parameters.get(name)
        if field is None:
            near = did_you_mean(str(name), spec.parameters)
            hint = sentence(near) if near else SEE_SCHEMA
            raise PresetError(f"{effect.name} has no '{_shown(name)}'.", hint=hint)
        if not _fits(field, value):
            raise PresetError(f"{effect.name} does not take {name} = {_shown(value)}.", hint=SEE_SCHEMA)
    for name, field in spec.parameters.items():
        if field.required and name not in effect.parameters:
            raise PresetError(f"{effect.name} needs '{name}'.", hint=SEE_SCHEMA)
    if not (_is_number(effect.wet) and 0.0 <= effect.wet <= 1.0):
        raise PresetError(f"{effect.name} does not take wet = {_shown(effect.wet)}.", hint="Give 0 to 1.")


def _fits(field: Field, value: object) -> bool:
    if field.kind == "flag":
        return isinstance(value, bool)
    if isinstance(value, str):
        is_text = field.kind == "text" and re.fullmatch(field.pattern, value) is not None
        is_note = field.notes and re.fullmatch(NOTE_VALUE, value) is not None
        return value in field.choices or is_text or is_note
    if field.kind != "number" or not isinstance(value, int | float) or not _is_number(value):
        return False
    return field.low <= value <= field.high and (not field.only or value in field.only)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: object) -> str:
    return repr(value)[:_MOST_SHOWN] if not isinstance(value, str) else value[:_MOST_SHOWN]
