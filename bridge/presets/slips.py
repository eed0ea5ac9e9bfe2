"""All slips of a preset at once: what the loader refuses is taken out of the document, and the rest is read again.

So every slip is one that the loader finds, in its words. What is only refused because a part of it was taken out before
is not told; a slip after which nothing can be judged any more is the last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from bridge.errors import PresetError
from bridge.presets.compose import FindBase, joined, layers_of, read_text
from bridge.presets.loader import build
from bridge.strict_yaml import Node

__all__ = ["slips"]

Place = tuple[str | int, ...]
"""Keys and numbers that lead to a value."""

_MOST = 100
_NEUTRAL = "parallel"
"""With one branch, an empty one, it does nothing: it stands where an effect was taken out of a step."""


def slips(path: Path, find_base: FindBase = lambda _, __: ()) -> tuple[PresetError, ...]:
    """Return what is wrong with a preset's file: its own slips by line, then those of what it extends; none = it loads.

    At most a hundred. Deterministic.
    """
    found: list[PresetError] = []
    torn: set[Place] = set()
    try:
        layers = layers_of(read_text(path), name=path.stem, path=path, find_base=find_base)
        documents = tuple(root for root, _ in layers)
        # Variables first: what they stand for decides what everything else means.
        whole = Node(documents, 1, documents[0].source)
        rest = _cleaned(whole, lambda one: joined(_items(one)), documents, found, torn)
        if rest is not None:
            torn = {place[1:] for place in torn}
            document = joined(_items(rest))
            _cleaned(document, lambda one: build(one, b"", name=path.stem), _declared(document), found, torn)
    except PresetError as error:
        found.append(error)
    return tuple(sorted(found, key=lambda error: (error.path != path, str(error.path), _line(error))))


def _cleaned(
    root: Node, reads: Callable[[Node], object], firm: Collection[Node], found: list[PresetError], torn: set[Place]
) -> Node | None:
    """Take out of a document what `reads` refuses and add it to `found`, until it refuses nothing: return what is left.

    None where it is about one of `firm`, which others refer to, or about nothing that could be taken out. What is said
    of a map or list that a part was taken out of, now or before (`torn`, which gathers them), is not told, nor what is
    said of a variable after its other end was taken out.
    """
    places = dict(_places(root))
    gone: set[Node] = set()
    loose: set[Node] = set()
    while len(found) < _MOST:
        origin: dict[object, Node] = {}
        rest = _without(root, gone, origin)
        try:
            reads(rest)
        except PresetError as error:
            at = origin.get(error.at)
            if at is None or not (places[at] in torn or at in loose):
                found.append(error)
            if at is None or at is root or at in firm:
                return None
            gone.add(at)
            loose.update(_other_ends(at, places))
            torn.update(places[at][:depth] for depth in range(len(places[at])))
        else:
            return rest
    return None


def _without(node: Node, gone: Collection[Node], origin: dict[object, Node], *, is_item: bool = False) -> Node:
    """Copy a document but for what is `gone`; `origin` is told what each value was copied from."""
    value = node.value
    if isinstance(value, Mapping):
        kept = {key: _without(one, gone, origin) for key, one in value.items() if one not in gone}
        if is_item and not kept and len(value) == 1:
            branch = Node((), node.line, node.source)
            kept[_NEUTRAL] = Node((branch,), node.line, node.source)
            origin[branch] = origin[kept[_NEUTRAL]] = node
        value = kept
    elif isinstance(value, tuple):
        value = tuple(_without(one, gone, origin, is_item=True) for one in value if one not in gone)
    rest = Node(value, node.line, node.source)
    origin[rest] = node
    return rest


def _other_ends(node: Node, places: Mapping[Node, Place]) -> Iterator[Node]:
    """Yield the uses of a variable where it is declared, or of all; and for a use, which may have meant any, all
    declarations. The document is one of layers."""
    place = places[node][1:]
    if place[:1] == ("variables",):
        names = {f"${key}".casefold() for key in place[1:]}
        yield from (one for one in places if (use := _use(one)) and (not names or use in names))
    elif _use(node):
        yield from (one for one, where in places.items() if where[1:2] == ("variables",))


def _use(node: Node) -> str:
    return node.value.casefold() if isinstance(node.value, str) and node.value.startswith("$") else ""


def _declared(document: Node) -> set[Node]:
    """Return the buses, and what holds them: without them, all that names them would be refused."""
    buses = document.value.get("buses") if isinstance(document.value, Mapping) else None
    if buses is None:
        return set()
    return {buses, *(buses.value.values() if isinstance(buses.value, Mapping) else ())}


def _places(node: Node, place: Place = ()) -> Iterator[tuple[Node, Place]]:
    yield node, place
    inner = node.value.items() if isinstance(node.value, Mapping) else enumerate(_items(node))
    for key, one in inner:
        yield from _places(one, (*place, key))


def _items(node: Node) -> tuple[Node, ...]:
    return node.value if isinstance(node.value, tuple) else ()


def _line(error: PresetError) -> int:
    return error.at.line if isinstance(error.at, Node) else 0
