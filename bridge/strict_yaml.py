"""Read YAML that people write by hand, strictly: plain maps, lists and scalars with their line numbers, nothing clever.

What makes YAML dangerous or surprising is refused with its line: aliases and anchors (exponential bombs), merge keys,
tags (code), duplicate keys, several documents, NaN and infinity, and texts beyond fixed limits of size, depth and
number. Scalars are resolved as in YAML 1.2's JSON schema: only `true` and `false` are booleans, so `no`, `on`, `1:30`,
`010` and dates stay text.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bridge.errors import BridgeError
from bridge.words import sentence

__all__ = ["MAX_BYTES", "Node", "Scalar", "Source", "load", "read_bytes"]

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_NODES = 2000

Scalar = str | bool | int | float | None

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
LONGEST_NUMBER = 40
WORDS: Mapping[str, Scalar] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Source:
    """A text that is being read, and the error its faults raise."""

    place: str
    error: type[BridgeError]
    path: Path | None

    def fail(self, line: int, what: str, hint: str) -> BridgeError:
        """Make the error for a fault in `line`: 'file:line: <what>.'; both are given without their full stop."""
        return self.error(f"{self.place}:{line}: {what}.", hint=sentence(hint), path=self.path)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value and where it stands."""

    value: Scalar | Mapping[str, Node] | Sequence[Node]
    line: int
    """Line of the key it belongs to, from 1; the value's own line where there is no key."""
    source: Source

    def fail(self, what: str, hint: str) -> BridgeError:
        """Make the error for a fault of this value; it knows what it is `at`."""
        error = self.source.fail(self.line, what, hint)
        error.at = self
        return error

    def plain(self) -> object:
        """Return dict, list and scalars without lines."""
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    def line_of(self, keys: Sequence[str | int]) -> int:
        """Find the line of the key, or list item, at `keys`; of its nearest parent where the way ends earlier."""
        node = self
        for key in keys:
            child = node._child(key)
            if child is None:
                break
            node = child
        return node.line

    def _child(self, key: str | int) -> Node | None:
        if isinstance(self.value, Mapping):
            return self.value.get(str(key))
        if isinstance(self.value, tuple) and isinstance(key, int) and key < len(self.value):
            child: Node = self.value[key]
            return child
        return None


def read_bytes(path: Path) -> bytes:
    """Read a file, or as much of an endless one as shows `load` that it is too large. Raises OSError, ValueError."""
    with open(path, "rb", opener=_open_plain) as file:
        return file.read(MAX_BYTES + 1)


def _open_plain(path: str, flags: int) -> int:
    """Open for reading, but no pipe, whose writer would be waited for; /dev/null is an empty file to many."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", path)
    return descriptor


def load(text: str | bytes, *, what: str, error: type[BridgeError], path: Path | None = None) -> Node:
    """Read one YAML document; an empty text gives a Node of None.

    `what` names the text where there is no `path`. Raises `error`, whose message begins with 'file:line:'.
    """
    return _Reader(Source(str(path) if path else what, error, path)).read(text)


class _Reader:
    """Turns parser events into nodes; YAML's own composer is not used, since it expands aliases and recurses."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.fail = source.fail
        self.nodes = 0

    def read(self, text: str | bytes) -> Node:
        decoded = self._decode(text)
        try:
            return self._document(yaml.parse(decoded, Loader=yaml.SafeLoader))
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            raise self.fail(mark.line + 1 if mark else 1, str(exc.problem), _syntax_hint(str(exc.problem))) from exc
        except yaml.reader.ReaderError as exc:
            line = decoded.count("\n", 0, exc.position) + 1
            raise self.fail(line, "a character that no text file should hold", "save the file as plain text") from exc

    def _decode(self, text: str | bytes) -> str:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        if len(data) > MAX_BYTES:
            raise self.fail(
                1, f"more than {MAX_BYTES // 1024} KiB is too large", "name another file, or make it shorter"
            )
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = data.count(b"\n", 0, exc.start) + 1
            raise self.fail(line, "not UTF-8 text", "save the file with the encoding UTF-8") from exc

    def _document(self, events: Iterator[yaml.Event]) -> Node:
        root = Node(None, 1, self.source)
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.fail(_line(event), "a second document begins here", "remove the line '---'")
                if event.version or event.tags:
                    raise self.fail(1, "% directives are not used here", "remove the line")
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, depth=1)
        return root

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], *, depth: int, line: int = 0) -> Node:
        self._check(event, depth)
        line = line or _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event), line, self.source)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self._node(event, events, depth=depth + 1))
            return Node(tuple(items), line, self.source)
        entries: dict[str, Node] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, depth + 1)
            if key in entries:
                first = entries[key].line
                raise self.fail(_line(event), f"'{key}' is set twice (first in line {first})", "keep one of them")
            entries[key] = self._node(next(events), events, depth=depth + 1, line=_line(event))
        return Node(entries, line, self.source)

    def _check(self, event: yaml.Event, depth: int) -> None:
        line = _line(event)
        self.nodes += 1
        if isinstance(event, yaml.AliasEvent):
            raise self.fail(line, f"alias '*{event.anchor}'", "write the value out; to mean a text, put it in quotes")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise self.fail(line, f"anchor '&{event.anchor}'", "write the value out where it is needed")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise self.fail(line, f"tag '{event.tag}'", "remove it; values are plain text, numbers, true and false")
        if depth > MAX_DEPTH:
            raise self.fail(line, f"nested deeper than {MAX_DEPTH} levels", "write it flatter")
        if self.nodes > MAX_NODES:
            raise self.fail(line, f"more than {MAX_NODES} values", "write less")

    def _key(self, event: yaml.Event, depth: int) -> str:
        line = _line(event)
        self._check(event, depth)
        if not isinstance(event, yaml.ScalarEvent) or (event.implicit[0] and event.value in ("", "~")):
            raise self.fail(line, "a key must be a word", "write 'name: value'")
        if event.implicit[0] and event.value == "<<":
            raise self.fail(line, "merge key '<<'", "write the values out where they are needed")
        return str(event.value)

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        text: str = event.value
        line = _line(event)
        if not event.implicit[0]:  # quoted or block text
            return text
        if text in WORDS:
            return WORDS[text]
        if NOT_FINITE.fullmatch(text):
            raise self.fail(line, f"{text} is not a usable number", "give a finite number")
        if LEADING_ZERO.fullmatch(text) or not FLOAT.fullmatch(text):
            return text
        number = float(text)
        if len(text) > LONGEST_NUMBER or not math.isfinite(number):
            raise self.fail(line, f"the number {text[:20]}... is too long or too large", "give a smaller number")
        return int(text) if INTEGER.fullmatch(text) else number


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _syntax_hint(problem: str) -> str:
    if "\\t" in problem:
        return "indent with spaces, not with tabs"
    if "mapping values are not allowed" in problem or "alphabetic" in problem:
        return "check the indentation; text with ':', '#', '*' or '&' needs quotes"
    return "check indentation, brackets and quotes around this line"
