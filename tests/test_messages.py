"""What users are told is made of sentences: what happened, what to do, and a command that can be copied."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import errors
from bridge.words import counted, did_you_mean, sentence

PACKAGE = Path(errors.__file__).parent
KINDS = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)} - {"Cancelled"}


def messages() -> Iterator[tuple[str, str, ast.expr]]:
    """Yield where an error or a notice is made, which part of it, and its text."""
    for module in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not (node.args or node.keywords):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = f"{module.relative_to(PACKAGE).as_posix()}:{node.lineno}"
            if name in KINDS or name in ("Notice", "notice"):
                yield place, "message", node.args[0]
            if name in KINDS:
                yield from ((place, "hint", keyword.value) for keyword in node.keywords if keyword.arg == "hint")


def ends(text: ast.expr) -> tuple[str | None, str | None]:
    """Return the first and the last piece that is written out; None where a value stands there."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    first, last = (one.value if isinstance(one, ast.Constant) else None for one in (parts[0], parts[-1]))
    return first, last


def test_every_message_and_every_hint_is_a_sentence() -> None:
    found = list(messages())
    assert len(found) > 150
    wrong = []
    for place, part, text in found:
        first, last = ends(text)
        whole = ast.unparse(text)
        ends_in_command = part == "hint" and ": stem-bridge " in whole
        if last is not None and not last.endswith((".", "?", "!")) and not ends_in_command:
            wrong.append(f"{place}: {part} has no full stop: {whole}")
        if first is not None and part == "hint" and not first[:1].isupper():
            wrong.append(f"{place}: {part} begins without a capital: {whole}")
    assert not wrong, "\n".join(wrong)


def test_every_error_says_what_to_do() -> None:
    silent = []
    for module in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS
            if made and "hint" not in {keyword.arg for keyword in node.keywords}:
                silent.append(f"{module.relative_to(PACKAGE).as_posix()}:{node.lineno}")
    assert not silent


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("give a number", "Give a number."),
        ("Did you mean 'x'?", "Did you mean 'x'?"),
        ("write one with: stem-bridge init", "Write one with: stem-bridge init"),
        ("run: stem-bridge init, or write it yourself.", "Run: stem-bridge init, or write it yourself."),
    ],
)
def test_fragments_become_sentences_and_commands_stay_whole(text: str, told: str) -> None:
    assert sentence(text) == told


def test_a_slip_is_answered_with_the_nearest_name() -> None:
    assert did_you_mean("compresor", ["Compressor", "Gain"]) == "Did you mean 'Compressor'?"
    assert did_you_mean("zzz", ["Compressor", "Gain"]) == ""


def test_one_thing_is_not_counted_as_several() -> None:
    assert [counted(number, "sound file") for number in (0, 1, 2)] == ["0 sound files", "1 sound file", "2 sound files"]
