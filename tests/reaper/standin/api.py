"""What the ReaScript API allows, from api.json: functions, argument types, keys, and the ranges of values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Argument", "Function", "check_argument", "check_key", "check_value", "functions", "version_key"]

_DATA = Path(__file__).resolve().parent.parent / "api.json"


@dataclass(frozen=True)
class Argument:
    """One argument of a function."""

    name: str
    type: str
    is_free: bool
    """May be nil or left out."""


@dataclass(frozen=True)
class Function:
    """One function of the API."""

    name: str
    args: tuple[Argument, ...]
    returns: tuple[str, ...]
    since: tuple[int, ...]
    """First version whose SDK holds it."""


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(_DATA.read_text(encoding="utf-8"))
    return data


def version_key(version: str) -> tuple[int, ...]:
    """Turn '6.30' into something that compares."""
    return tuple(int(part) for part in version.split("."))


@cache
def functions(version: str) -> dict[str, Function]:
    """Give what a REAPER of this version has; a function of unknown age counts as new."""
    found = {
        name: Function(
            name,
            tuple(Argument(*arg) for arg in entry["args"]),
            tuple(entry["returns"]),
            version_key(entry["since"] or "0"),
        )
        for name, entry in _data()["functions"].items()
    }
    return {name: one for name, one in found.items() if one.since <= version_key(version)}


def check_key(function: str, key: str, *, is_set: bool) -> str | None:
    """Return what is wrong with a key of a Get/Set function, or None."""
    keys: dict[str, bool] = _data()["keys"][function]
    family = key.split(":")[0] + ":"
    known = next((one for one in keys if one == key or (":" in key and one.startswith(family))), None)
    if known is None or key == family:
        return f"unknown key {key!r}"
    return f"{key} is read-only" if is_set and keys[known] else None


def _one_of(*values: float) -> Callable[[float], bool]:
    return lambda value: value in values


def _between(low: float, high: float) -> Callable[[float], bool]:
    return lambda value: low <= value <= high


def _pan_law(value: float) -> bool:
    return value == -1 or 0 < value <= 4


_GAIN = _between(0.0, 1e4)
_PAN = _between(-1.0, 1.0)
_COLOR = _between(0, 0x1FFFFFF)

_RANGES: dict[str, dict[str, Callable[[float], bool]]] = {
    "MediaTrack": {
        "D_VOL": _GAIN,
        "D_PAN": _PAN,
        "D_WIDTH": _PAN,
        "D_PANLAW": _pan_law,
        "I_PANMODE": _one_of(-1, 0, 3, 5, 6),
        "I_NCHAN": lambda value: 2 <= value <= 128 and value % 2 == 0,
        "I_CUSTOMCOLOR": _COLOR,
        "I_FOLDERDEPTH": _between(-100, 1),
        "C_BEATATTACHMODE": _between(-1, 2),
    },
    "MediaItem": {
        "D_VOL": _GAIN,
        "D_POSITION": _between(0.0, math.inf),
        "D_LENGTH": _between(0.0, math.inf),
        "D_FADEINLEN": _between(0.0, math.inf),
        "D_FADEOUTLEN": _between(0.0, math.inf),
        "C_BEATATTACHMODE": _between(-1, 2),
    },
    "MediaItemTake": {
        "D_VOL": _between(-1e4, 1e4),
        "D_PAN": _PAN,
        "D_PANLAW": _pan_law,
        "D_PLAYRATE": _between(1e-3, 1e3),
    },
    "TrackSend": {
        "D_VOL": _GAIN,
        "D_PAN": _PAN,
        "D_PANLAW": _pan_law,
        "I_SENDMODE": _one_of(0, 1, 3, 8),
        "I_SRCCHAN": _between(-1, 64 << 10),
        "I_MIDIFLAGS": _between(0, 0xFFFFFF),
    },
}


def check_value(kind: str, key: str, value: float) -> str | None:
    """Return what is wrong with the value for a key of a track, item, take or send, or None."""
    letter = key[0]
    if letter in "BCI" and value != int(value):
        return f"{key} takes a whole number, got {value}"
    if letter == "B" and value not in (0, 1):
        return f"{key} takes 0 or 1, got {value}"
    allowed = _RANGES[kind].get(key)
    return f"{key} = {value} is out of range" if allowed and not allowed(value) else None


def check_argument(arg: Argument, lua_type: str, value: object) -> str | None:
    """Return what is wrong with a plain argument, or None. Pointers are checked where they are looked up."""
    wanted = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "function": "function"}
    if arg.type not in wanted:
        return None
    if lua_type != wanted[arg.type]:
        return f"{wanted[arg.type]} expected, got {lua_type}"
    if isinstance(value, float) and not math.isfinite(value):
        return "finite number expected"
    if arg.type == "integer" and isinstance(value, float) and value != int(value):
        return "number has no integer representation"
    return None
