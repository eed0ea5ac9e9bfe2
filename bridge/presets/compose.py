"""One preset out of several texts: what it extends lies below it, and its variables are filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from bridge import strict_yaml
from bridge.errors import PresetError
from bridge.presets.fields import entries
from bridge.strict_yaml import Node
from bridge.words import did_you_mean

__all__ = ["VARIABLE", "FindBase", "joined", "layers_of", "read_text"]

FindBase = Callable[[str, Path | None], "Path | Iterable[str]"]
"""Told a name or path that a preset extends, and the preset's own file: gives the file, or the names that there are."""

VARIABLE = r"\$[a-z][a-z0-9_]{0,40}"
"""Regular expression of a variable where it is used."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_DEEPEST = 8
_FILLED = ("stems", "buses", "sends", "instruments", "output")
_OWN = ("name", "extends")
"""Keys that are not inherited."""


def read_text(path: Path) -> bytes:
    """Read a preset file; raises PresetError."""
    try:
        return strict_yaml.read_bytes(path)
    except (OSError, ValueError) as exc:
        reason = (isinstance(exc, OSError) and exc.strerror) or str(exc)
        raise PresetError(f"The preset {path} cannot be read: {reason}.", hint="Check the path.", path=path) from exc


def layers_of(data: bytes, *, name: str, path: Path | None, find_base: FindBase) -> list[tuple[Node, bytes]]:
    """Return the document and all that it extends, the ground last, each with its text.

    Raises PresetError for what is no YAML, a base that is not there, and a circle.
    """
    layers: list[tuple[Node, bytes]] = []
    places: list[Path | None] = []
    while True:
        root = strict_yaml.load(data, what=name, error=PresetError, path=path)
        layers.append((root, data))
        places.append(path.resolve() if path is not None else None)
        base = entries(root, "a preset").get("extends") if root.value is not None else None
        if base is None:
            return layers
        path = _base(base, path, places, find_base)
        name, data = path.stem, read_text(path)


def joined(layers: Sequence[Node]) -> Node:
    """Return the first layer with all others below it and every variable filled in.

    Maps are merged key by key, everything else is replaced; a key with nothing behind it takes out what lies below.
    Raises PresetError for variables that are not declared or not used.
    """
    document = layers[-1]
    for root in reversed(layers[:-1]):
        document = _merged(document, root, top=True)
    return _filled(document)


def _base(node: Node, path: Path | None, places: Sequence[Path | None], find_base: FindBase) -> Path:
    if not isinstance(node.value, str) or not node.value:
        raise node.fail("'extends' must be the name of a preset", "write 'extends: vocal-air'")
    found = find_base(node.value, path)
    if not isinstance(found, Path):
        hint = did_you_mean(node.value, found) or "list them with: stem-bridge presets list"
        raise node.fail(f"there is no preset '{node.value[:60]}' to extend", hint)
    if found.resolve() in places:
        raise node.fail(f"'{node.value[:60]}' extends itself in a circle", "take one 'extends' of the circle out")
    if len(places) >= _DEEPEST:
        raise node.fail(f"more than {_DEEPEST} presets extend each other", "extend a preset nearer to the ground")
    return found


def _merged(base: Node, over: Node, *, top: bool = False) -> Node:
    if not isinstance(base.value, Mapping) or not isinstance(over.value, Mapping):
        return over
    values = {key: value for key, value in base.value.items() if not (top and key in _OWN)}
    for key, value in over.value.items():
        if value.value is None and key in values:
            del values[key]
        else:
            values[key] = _merged(values[key], value) if key in values else value
    return Node(values, over.line, over.source)


def _filled(root: Node) -> Node:
    if root.value is None:
        return root
    parts = entries(root, "a preset")
    declared = entries(parts["variables"], "variables") if "variables" in parts else {}
    for key, value in declared.items():
        if not _NAME.fullmatch(key):
            raise value.fail(f"a variable cannot be called '{key[:60]}'", "use small letters, digits and '_'")
        if not isinstance(value.value, str | bool | int | float):
            raise value.fail(f"the variable '{key}' must be a number, a word, true or false", f"write '{key}: 3'")
    used: set[str] = set()
    values = {key: _substituted(value, declared, used) if key in _FILLED else value for key, value in parts.items()}
    for key, value in declared.items():
        if key not in used:
            hint = did_you_mean(key, set(declared) - {key}) or f"write ${key} where its value belongs, or take it out"
            raise value.fail(f"nothing uses the variable '{key}'", hint)
    return Node(values, root.line, root.source)


def _substituted(node: Node, declared: Mapping[str, Node], used: set[str]) -> Node:
    value = node.value
    if isinstance(value, Mapping):
        return Node({key: _substituted(one, declared, used) for key, one in value.items()}, node.line, node.source)
    if isinstance(value, tuple):
        return Node(tuple(_substituted(one, declared, used) for one in value), node.line, node.source)
    if not isinstance(value, str) or not value.startswith("$"):
        return node
    if value.startswith("$$"):
        return Node(value[1:], node.line, node.source)
    name = value[1:]
    if name not in declared:
        hint = did_you_mean(name, declared) or f"declare it with 'variables: {{{name[:40]}: ...}}'"
        raise node.fail(f"there is no variable '{name[:60]}'", hint)
    used.add(name)
    return Node(cast("str | bool | int | float", declared[name].value), node.line, node.source)
