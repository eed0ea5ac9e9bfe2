"""The one place where a value becomes Lua text: data can never turn into code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

__all__ = ["literal"]

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _.-")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORD = re.compile(
    "and|break|do|else|elseif|end|false|for|function|goto|if|in|local|nil|not|or|repeat|return|then|true|until|while"
)
_NOT_A_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_ONE_LINE_CHARACTERS = 96
_INDENT = "  "


def literal(value: object) -> str:
    """Write None, bool, int, float, str, bytes, a sequence or a mapping as a Lua 5.4 literal that reads back the same.

    Text is UTF-8; bytes that Python smuggled through `surrogateescape` come out as they were, other lone surrogates
    become U+FFFD. Every byte outside `[A-Za-z0-9 _.-]` is a decimal escape, so no string can end early, and the
    result holds no parenthesis, colon or comment sign. Mappings keep their order; entries that are None are left
    out, since a Lua table cannot hold nil. Raises ValueError for numbers that Lua cannot hold (not finite, beyond 64
    bits), TypeError for any other type.
    """
    return _write(value, "")


def _write(value: object, indent: str) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _string(_NOT_A_BYTE.sub("\ufffd", value).encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return _string(value)
    if isinstance(value, Mapping):
        deeper = indent + _INDENT
        pairs = [f"{_key(key)} = {_write(one, deeper)}" for key, one in value.items() if one is not None]
        return _table(pairs, indent)
    if isinstance(value, Sequence):
        return _table([_write(one, indent + _INDENT) for one in value], indent)
    raise TypeError(f"Lua has no literal for {type(value).__name__}")


def _integer(value: int) -> str:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} does not fit into 64 bits")
    # Lua reads the digits before it applies the minus, and the digits alone would overflow into a float.
    return "0x8000000000000000" if value == -(2**63) else str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"Lua has no literal for {value}")
    return repr(value)


def _string(text: bytes) -> str:
    return '"' + "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in text) + '"'


def _key(key: object) -> str:
    if isinstance(key, str) and _NAME.fullmatch(key) and not _KEYWORD.fullmatch(key):
        return key
    if isinstance(key, (str, bytes, int)):
        return f"[{_write(key, '')}]"
    raise TypeError(f"{type(key).__name__} is no key of a Lua table")


def _table(entries: list[str], indent: str) -> str:
    line = "{" + ", ".join(entries) + "}"
    if "\n" not in line and len(indent) + len(line) <= _ONE_LINE_CHARACTERS:
        return line
    deeper = indent + _INDENT
    return "{\n" + "".join(f"{deeper}{entry},\n" for entry in entries) + indent + "}"
