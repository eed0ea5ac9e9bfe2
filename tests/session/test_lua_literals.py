"""A value written as a Lua literal reads back as itself, and nothing in it ever runs."""

from __future__ import annotations

import math
import re
from typing import Any

import lupa.lua54
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.session.lua import literal
from bridge.session.reascript import drop_data

LUA = lupa.lua54.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
READ = LUA.execute(b"return function(text) return assert(load(text, '=text', 't', {}))() end")

texts = st.text() | st.sampled_from(['"', "]]", "]===]", "--", "\\", "\0", "\n", "${x}", "\u202e", "\ud800", "\udcff"])
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def as_bytes(text: str) -> bytes:
    return re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text).encode("utf-8", "surrogateescape")


def same(read: Any, value: object) -> bool:
    """Compare what Lua read with what was written."""
    if isinstance(value, dict):
        wanted = {as_bytes(key): one for key, one in value.items() if one is not None}
        return set(read) == set(wanted) and all(same(read[key], one) for key, one in wanted.items())
    if isinstance(value, list):
        return all(same(read[place], one) for place, one in enumerate(value, 1))
    if isinstance(value, str):
        return bool(read == as_bytes(value))
    if isinstance(value, float):
        return isinstance(read, float) and math.copysign(1, read) == math.copysign(1, value) and read == value
    return type(read) is type(value) and read == value


@given(values)
@settings(max_examples=200)
def test_every_value_reads_back_as_itself(value: object) -> None:
    if isinstance(value, dict) and len({as_bytes(key) for key in value}) < len(value):
        return
    assert same(READ(b"return " + literal(value).encode("ascii")), value)


@given(values)
@settings(max_examples=100)
def test_no_literal_can_call_anything(value: object) -> None:
    assert not re.search(r"[^A-Za-z0-9\s{}\[\]=,.\"\\_+-]", literal(value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**63, -(2**63) - 1])
def test_a_number_that_lua_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"Lua|64 bits"):
        literal({"number": value})


@pytest.mark.parametrize("value", [object(), {1.5: 1}, {None: 1}, {1, 2}])
def test_what_has_no_literal_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        literal(value)


def test_keys_that_are_words_of_lua_are_quoted() -> None:
    assert literal({"end": 1, "ending": 2, "a b": 3, 4: 5}) == '{["end"] = 1, ending = 2, ["a b"] = 3, [4] = 5}'


def test_long_tables_are_broken_into_lines_that_people_can_read() -> None:
    text = literal({"name": "x" * 60, "list": ["y" * 60, "z"]})
    assert text.splitlines() == [
        "{",
        f'  name = "{"x" * 60}",',
        f'  list = {{"{"y" * 60}", "z"}},',
        "}",
    ]


def test_a_manifest_is_a_data_file_that_needs_no_environment() -> None:
    manifest = {"version": 1, "files": [{"path": "stems/a ]] b.wav", "peak": -0.25, "dry": None}], "is_whole": True}
    read = READ(drop_data(manifest).encode("ascii"))
    assert read[b"files"][1][b"path"] == b"stems/a ]] b.wav"
    assert read[b"files"][1][b"dry"] is None
    assert read[b"is_whole"] is True
