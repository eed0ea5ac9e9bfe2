"""Parameters of a plugin: found by name, set to a number, a word or a text with its unit, read back and compared."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bridge.words import did_you_mean, sentence

__all__ = ["Parameter", "Refusal", "changed", "check_all", "read_all", "set_all", "shown"]

Value = bool | float | str

_NUMBER_AND_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")
_SCALES = {("khz", "hz"): 1e3, ("s", "ms"): 1e3, ("ms", "s"): 1e-3, ("hz", "khz"): 1e-3, ("sec", "ms"): 1e3}
"""Unit that is written and unit of the parameter to the factor between them."""
_ON, _OFF = ("on", "yes", "true", "enabled", "1"), ("off", "no", "false", "disabled", "0")
_WORDS = frozenset({*_ON, *_OFF} - {"0", "1"})
_MOST_CHANGED = 32
_LEAST_CHANGE = 1e-4
_STEPS = 1000
"""Pedalboard knows the values of a parameter at so many places between its ends."""


class Refusal(Exception):  # noqa: N818 - becomes the answer to the parent, which makes the error
    """Raised when a plugin cannot do what the preset asks: text and hint are sentences."""

    def __init__(self, message: str, hint: str, *, absent: bool = False) -> None:
        """`absent`: the plugin cannot be loaded at all, as if it were not there."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.absent = absent


class Parameter(Protocol):
    """What Pedalboard tells of a parameter."""

    raw_value: float
    """0..1."""
    default_raw_value: float
    is_automatable: bool
    name: str
    label: str | None
    type: type
    valid_values: Sequence[Any]
    range: tuple[Any, Any, Any]
    string_value: str


def set_all(plugin: Any, wanted: Mapping[str, Value]) -> None:
    """Set parameters in the order given. Raises Refusal for a name, a word, a unit or a number that cannot be."""
    known: Mapping[str, Parameter] = plugin.parameters
    for name, value in wanted.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"its names are in: stem-bridge plugins show '{plugin.name}'"
            raise Refusal(f"{plugin.name} has no parameter '{name[:60]}'.", sentence(hint))
        parameter = known[name]
        target = _target(plugin.name, name, parameter, value)
        try:
            setattr(plugin, name, target)
        except (ValueError, TypeError) as exc:
            raise Refusal(f"{plugin.name} does not take {name}: {_line(exc)}.", _allowed(parameter)) from exc
        if isinstance(target, float):
            _sharpen(parameter, target)


def check_all(plugin: Any, wanted: Mapping[str, Value]) -> None:
    """Compare what was set with what the plugin says now. Raises Refusal where it did something else."""
    for name, value in wanted.items():
        parameter: Parameter = plugin.parameters[name]
        target, there = _target(plugin.name, name, parameter, value), shown(parameter)
        if isinstance(target, float) and isinstance(there, float):
            same = abs(there - target) <= _tolerance(parameter, target)
        else:
            same = str(there).casefold() == str(target).casefold()
        if not same:
            raise Refusal(
                f"{plugin.name} was told {name} = {value} and says {there}.",
                "Another parameter, or its preset, holds it; leave one of them out.",
            )


def read_all(plugin: Any) -> dict[str, Value]:
    """Return every parameter by name."""
    return {name: shown(parameter) for name, parameter in plugin.parameters.items()}


def changed(plugin: Any) -> dict[str, float]:
    """Return up to 32 parameters that are not at their defaults, by the names a DAW shows; normalised, 0..1.

    Meters and names that several have are left out: another host is to find the same values.
    """
    known: Sequence[Parameter] = list(plugin.parameters.values())
    names = Counter(one.name for one in known)
    moved = [
        one
        for one in known
        if one.is_automatable and names[one.name] == 1 and abs(one.raw_value - one.default_raw_value) > _LEAST_CHANGE
    ]
    return {
        one.name: min(1.0, max(0.0, one.raw_value)) for one in moved[:_MOST_CHANGED] if math.isfinite(one.raw_value)
    }


def shown(parameter: Parameter) -> Value:
    """Return what a parameter is now, as a preset would say it."""
    if parameter.type is bool:
        return parameter.raw_value >= 0.5
    number = _NUMBER_AND_UNIT.fullmatch(parameter.string_value)
    if parameter.type is float and number and math.isfinite(float(number[1])):
        return float(number[1])
    return str(parameter.string_value)


def _target(plugin: str, name: str, parameter: Parameter, value: Value) -> Value:
    """Return what is to be set: bool, a float in the parameter's unit, or one of its words."""
    if parameter.type is str:
        return _word(plugin, name, parameter, value)
    if parameter.type is bool:
        if isinstance(value, bool) or value in (0.0, 1.0):
            return bool(value)
        if isinstance(value, str) and value.casefold() in (*_ON, *_OFF):
            return value.casefold() in _ON
        raise Refusal(f"{plugin} does not take {name} = {value}.", "Write true or false.")
    if isinstance(value, bool) or (isinstance(value, str) and value.casefold() in _WORDS):
        if tuple(parameter.range[:2]) != (0.0, 1.0):
            raise Refusal(f"{plugin} does not take {name} = {value}.", _allowed(parameter))
        return float(value if isinstance(value, bool) else value.casefold() in _ON)
    if isinstance(value, str):
        return _number(plugin, name, parameter, value)
    return float(value)


def _word(plugin: str, name: str, parameter: Parameter, value: Value) -> str:
    words = [str(one) for one in parameter.valid_values]
    if isinstance(value, bool):
        asked: tuple[str, ...] = _ON if value else _OFF
    else:
        asked = (value.casefold(),) if isinstance(value, str) else (f"{value:g}", str(value))
    for word in words:
        if word.strip().casefold() in asked:
            return word
    near = did_you_mean(str(value), words)
    raise Refusal(f"{plugin} does not take {name} = {value}.", sentence(near) if near else _allowed(parameter))


def _number(plugin: str, name: str, parameter: Parameter, value: str) -> float:
    found = _NUMBER_AND_UNIT.fullmatch(value)
    unit, own = (found[2].casefold() if found else ""), (parameter.label or "").strip().casefold()
    if found and unit in ("", own):
        return float(found[1])
    if found and (unit, own) in _SCALES:
        return float(found[1]) * _SCALES[unit, own]
    raise Refusal(f"{plugin} does not take {name} = {value}.", _allowed(parameter))


def _sharpen(parameter: Parameter, target: float) -> None:
    """Come nearer than Pedalboard's thousand places: where the scale is straight, the place can be computed."""
    low, high, _ = parameter.range
    if not isinstance(low, float) or not isinstance(high, float) or high <= low:
        return
    before, there = parameter.raw_value, shown(parameter)
    parameter.raw_value = min(max((target - low) / (high - low), 0.0), 1.0)
    now = shown(parameter)
    if isinstance(there, float) and isinstance(now, float) and abs(now - target) <= abs(there - target):
        return
    parameter.raw_value = before


def _tolerance(parameter: Parameter, target: float) -> float:
    low, high, _ = parameter.range
    nearest = min((abs(float(one) - target) for one in parameter.valid_values), default=0.0)
    return max(nearest * 1.01, (float(high) - float(low)) / _STEPS, 1e-9)


def _allowed(parameter: Parameter) -> str:
    if parameter.type is str:
        words = ", ".join(str(one) for one in parameter.valid_values[:12])
        return f"It may be {words}{' and more' if len(parameter.valid_values) > 12 else ''}."
    low, high, _ = parameter.range
    return f"It may be {low:g} to {high:g} {parameter.label or ''}".rstrip() + "."


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
