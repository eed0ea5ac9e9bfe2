"""Strict YAML: what people write is read plainly; what is clever, dangerous or huge is refused with its line."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError, PresetError
from bridge.strict_yaml import load


def plain(text: str | bytes) -> object:
    return load(text, what="x", error=PresetError).plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment", None),
        ("a: no\nb: on\nc: yes\nd: True", {"a": "no", "b": "on", "c": "yes", "d": "True"}),
        ("a: true\nb: false\nc: null\nd:", {"a": True, "b": False, "c": None, "d": None}),
        ("[010, 1:30, 2020-01-01, 0x10, 1_0]", ["010", "1:30", "2020-01-01", "0x10", "1_0"]),
        ("a: -20\nb: .5\nc: +1e3\nd: 1.", {"a": -20, "b": 0.5, "c": 1000.0, "d": 1.0}),
        ("a: '1'\nb: \"true\"\nc: |\n  1\n", {"a": "1", "b": "true", "c": "1\n"}),
        ("no: 1\n'*': 2", {"no": 1, "*": 2}),
        (b"\xef\xbb\xbfa: \xc3\xbc", {"a": "ü"}),
        ("a:\r\n  - 1\r\n  - {b: [x, y]}\r\n", {"a": [1, {"b": ["x", "y"]}]}),
    ],
)
def test_plain_values_are_read_as_written(text: str | bytes, value: object) -> None:
    assert plain(text) == value


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: &x 2", 2, "anchor"),
        ("a: 1\nb: *x", 2, "alias"),
        ("a: 1\n<<: {b: 1}", 2, "merge"),
        ("a: 1\nb: !!python/object:os.system x", 2, "tag"),
        ("a: 1\nb: 2\n'a': 3", 3, "twice"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("%YAML 1.1\n---\na: 1", 1, "directive"),
        ("a:\n  b: .nan", 2, ".nan"),
        ("a:\n  b: -.INF", 2, ".INF"),
        ("a: 1e999", 1, "too large"),
        ("a: " + "9" * 5000, 1, "too long"),
        ("a:\n\tb: 1", 2, "\\t"),
        ("a: 1\nb: [1, 2", 2, "expected"),
        ("a: b: c", 1, "mapping"),
        ("? [a]\n: 1", 1, "key"),
        ("a: \x01", 1, "character"),
        ("a: \ud800", 1, "UTF-8"),
        (b"a: 1\nb: \xff", 2, "UTF-8"),
        ("a: 1".encode("utf-16"), 1, "UTF-8"),
        ("x" * 70_000, 1, "too large"),
        ("[" * 60_000, 1, "deeper"),
        ("- " * 30_000, 1, "deeper"),
        ("[\n" * 30_000, 17, "deeper"),
        ("-\n" * 30_000, 2000, "more than"),
    ],
)
def test_what_is_refused_is_refused_at_once_with_its_line(text: str | bytes, line: int, word: str) -> None:
    started = time.perf_counter()
    with pytest.raises(PresetError) as caught:
        plain(text)
    assert time.perf_counter() - started < 2.0, "a bomb must not go off"
    assert caught.value.message.startswith(f"x:{line}: ")
    assert word in caught.value.message
    assert caught.value.hint


def test_the_caller_chooses_the_error_and_every_key_knows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    node = load("a:\n  - b: 1\n  - c:\n      2\n", what="settings", error=ConfigError, path=path)
    assert [node.line_of(keys) for keys in (["a"], ["a", 1, "c"], ["a", 1, "gone"], ["gone"])] == [1, 3, 3, 1]
    with pytest.raises(ConfigError, match=r"bridge\.yaml:2: ") as caught:
        load("a: 1\na: 2", what="settings", error=ConfigError, path=path)
    assert caught.value.path == path


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=80), st.text("{}[]:-,&*!|>'\"\n #%?<ab1.", max_size=60), st.binary(max_size=60)))
def test_any_text_is_read_or_refused_and_nothing_else(text: str | bytes) -> None:
    with contextlib.suppress(PresetError):
        plain(text)
