"""What one key of a preset may hold, as data: the loader checks by it, and the JSON Schema is written from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.strict_yaml import Node
from bridge.words import did_you_mean

__all__ = ["Field", "Value", "check", "choice", "entries", "flag", "number", "read", "string"]

Value = bool | float | str

NOTE_VALUE = r"([1-9]\d?)/(1|2|4|8|16|32|64)([dt]?)"
"""Regular expression of a note value: '1/8', dotted '1/8d', triplet '1/4t'."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key: its kind, the range that is let through, what it is when not given, and a sentence for people."""

    kind: Literal["number", "flag", "choice", "text"]
    description: str
    default: Value | None = None
    """None where there is none; for an effect this is Pedalboard's own default."""
    required: bool = False
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    below_nyquist: bool = False
    """A frequency that is brought below half the sample rate of the render when the preset is bound to it."""
    choices: tuple[str, ...] = ()
    """The words a choice may be; for a number, words it may be instead."""
    pattern: str = ""
    """Regular expression a text has to match whole."""
    only: tuple[float, ...] = ()
    """The only numbers it may be; empty = all in the range."""
    notes: bool = False
    """A time that may be a note value instead, resolved from the tempo; as a rate, one turn lasts that long."""


def number(
    low: float,
    high: float,
    unit: str,
    description: str,
    *,
    default: float | str | None = None,
    required: bool = False,
    below_nyquist: bool = False,
    words: tuple[str, ...] = (),
    only: tuple[float, ...] = (),
    notes: bool = False,
) -> Field:
    """Make a number within low..high (one of `only`, where it is given), or one of `words`, or a note value."""
    return Field("number", description, default, required, low, high, unit, below_nyquist, words, "", only, notes)


def flag(description: str, *, default: bool = False) -> Field:
    """Make a true or false."""
    return Field("flag", description, default)


def choice(choices: tuple[str, ...], description: str, *, default: str | None = None, required: bool = False) -> Field:
    """Make one word out of several."""
    return Field("choice", description, default, required, choices=choices)


def string(pattern: str, description: str, *, default: str | None = None, required: bool = False) -> Field:
    """Make a text that matches `pattern` whole."""
    return Field("text", description, default, required, pattern=pattern)


def entries(node: Node, what: str) -> Mapping[str, Node]:
    """Return the entries of a map; nothing written at all is an empty map. Raises the node's error."""
    if node.value is None:
        return {}
    if not isinstance(node.value, Mapping):
        raise node.fail(f"{what} must be a map, not {_shown(node)}", "write 'name: value' lines below it")
    return node.value


def read(node: Node, fields: Mapping[str, Field], what: str, *, inner: Iterable[str] = ()) -> dict[str, Value]:
    """Check every key of a map and return the given values; keys in `inner` are let through for the caller to read.

    Raises the node's error for an unknown key, a missing one, a wrong kind or a value out of range.
    """
    allowed = [*fields, *inner]
    values: dict[str, Value] = {}
    given = entries(node, what)
    for key, child in given.items():
        if key in fields:
            values[key] = check(child, fields[key], key)
        elif key not in allowed:
            hint = did_you_mean(key, allowed) or f"it may have: {', '.join(allowed) or 'nothing'}"
            raise child.fail(f"{what} has no '{key[:60]}'", hint)
    for key, field in fields.items():
        if field.required and key not in given:
            raise node.fail(f"{what} needs '{key}'", f"add '{key}: ...', {_wanted(field)} ({field.description})")
    return values


def check(node: Node, field: Field, key: str) -> Value:
    """Return one value, numbers as float. Raises the node's error when it is of the wrong kind or out of range."""
    value = node.value
    if field.kind == "flag" and isinstance(value, bool):
        return value
    if field.kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        if field.low <= value <= field.high and (not field.only or value in field.only):
            return float(value)
        raise node.fail(f"'{key}' is {value:g}, out of range", f"give {_wanted(field)}")
    if field.notes and isinstance(value, str) and re.fullmatch(NOTE_VALUE, value):
        return value
    if isinstance(value, str):
        if value in field.choices:
            return value
        if field.kind == "text":
            if re.fullmatch(field.pattern, value):
                return value
            raise node.fail(f"'{key}' cannot be '{value[:40]}'", field.description)
    raise node.fail(f"'{key}' must be {_wanted(field)}, not {_shown(node)}", _hint(node, field))


def _wanted(field: Field) -> str:
    if field.kind == "flag":
        return "true or false"
    words = " or ".join(f"'{word}'" for word in field.choices)
    if field.kind == "choice":
        return words
    if field.kind == "text":
        return "a text"
    span = f"a number from {field.low:g} to {field.high:g} {field.unit}".rstrip()
    if field.low == field.high:
        span = f"{field.low:g} {field.unit}".rstrip()
    if field.only:
        span = f"{', '.join(f'{one:g}' for one in field.only)} {field.unit}".rstrip()
    if field.notes:
        words = "a note value such as 1/8, 1/8d or 1/4t"
    return f"{words} or {span}" if words else span


def _hint(node: Node, field: Field) -> str:
    if field.kind == "number" and isinstance(node.value, str) and re.fullmatch(NOTE_VALUE, node.value):
        return "note values stand for times of effects only; give a number"
    if field.kind == "text" and isinstance(node.value, bool | int | float):
        return "put it in quotes to make it a text"
    if node.value is None:
        return "give a value; a value that begins with '#' needs quotes: \"#d1495b\""
    return (isinstance(node.value, str) and did_you_mean(node.value, field.choices)) or field.description


def _shown(node: Node) -> str:
    """Write a value for a message: short, and so that text, number and nothing look different."""
    value = node.value
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text '{value[:40]}'"
    if isinstance(value, int | float):
        return f"the number {value:g}"
    return "a map" if isinstance(value, Mapping) else "a list"
