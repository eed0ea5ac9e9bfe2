"""Where the drop of every render of a tree goes: decided before any work, from names alone; no two ever meet."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.delivery.names import safe_name, same_name_key, unique_name
from bridge.errors import ConfigError

__all__ = ["MIRROR", "Planned", "plan_tree"]

MIRROR = "{folder}/{name}"
"""The tree of the renders again, a drop where each render is."""
_FIELDS = ("folder", "name", "suffix", "preset", "model")
"""What a layout may use: folder and name of the render, its suffix, the preset and the model."""
_HINT = "Use {folder}, {name}, {suffix}, {preset} and {model}, and '/' between folders; for example {folder}/{name}."


@dataclass(frozen=True)
class Planned:
    """One render and the place of its drop."""

    render: Path
    outbox: Path
    name: str
    """Of the drop; safe, and unique in its outbox within the plan."""


def plan_tree(
    renders: Sequence[Path],
    top: Path,
    out: Path,
    *,
    layout: str = MIRROR,
    words: Mapping[str, str] | None = None,
    is_drop: Callable[[Path], bool] = lambda _: False,
) -> tuple[Planned, ...]:
    """Place the drop of every render below `out`, in their order; raises ConfigError for a layout that cannot be.

    `words` gives the fields that are the same for all. Renders whose drops would have one name all get their suffix
    into it, then numbers. No drop lies in another: where a folder is wanted and `is_drop`, the folder gets a number.
    The same renders give the same plan.
    """
    segments = _segments(layout)
    wanted = [_parts(segments, render, top, words or {}) for render in renders]
    clear: dict[Path, Path] = {}
    outboxes = [_clear_of_drops(out, parts[:-1], is_drop, clear) for parts in wanted]
    places = [(_key(outbox), parts[-1]) for outbox, parts in zip(outboxes, wanted, strict=True)]
    folders = {_key(folder) for outbox in set(outboxes) for folder in (outbox, *outbox.parents)}
    count = Counter((place, same_name_key(name)) for place, name in places)
    taken = set(folders)
    for place, name in places:
        if count[place, same_name_key(name)] == 1:
            taken.add((*place, same_name_key(name)))
    planned = []
    for render, outbox, (place, name) in zip(renders, outboxes, places, strict=True):
        alone = count[place, same_name_key(name)] == 1 and (*place, same_name_key(name)) not in folders
        if not alone:
            name = _free(_with_suffix(name, render), place, taken)
            taken.add((*place, same_name_key(name)))
        planned.append(Planned(render, outbox, name))
    return tuple(planned)


def _segments(layout: str) -> list[list[tuple[str, str]]]:
    """Split a layout at its slashes, and each piece into text and fields."""
    try:
        pieces = [list(string.Formatter().parse(piece)) for piece in layout.split("/")]
    except ValueError as exc:
        raise ConfigError(f"The layout {layout!r} cannot be read: {exc}.", hint=_HINT) from exc
    for piece in pieces:
        for text, field, form, conversion in piece:
            if field is not None and (field not in _FIELDS or form or conversion):
                raise ConfigError(f"The layout {layout!r} has '{{{field}}}', which is nothing.", hint=_HINT)
            if "\\" in text or text.strip() in (".", ".."):
                raise ConfigError(f"The layout {layout!r} leaves its folder.", hint=_HINT)
        if not piece:
            raise ConfigError(f"The layout {layout!r} has a folder without a name.", hint=_HINT)
    if not any(field == "name" for _, field, _, _ in pieces[-1]):
        raise ConfigError(f"The layout {layout!r} does not end in the name of the render.", hint=_HINT)
    return [[(text, field or "") for text, field, _, _ in piece] for piece in pieces]


def _parts(
    segments: Sequence[Sequence[tuple[str, str]]], render: Path, top: Path, words: Mapping[str, str]
) -> list[str]:
    """Build the names of the folders and, last, of the drop."""
    inside = render.parent.relative_to(top).parts
    values = {**words, "name": render.stem, "suffix": render.suffix.lstrip("."), "folder": " - ".join(inside)}
    parts: list[str] = []
    for segment in segments:
        if list(segment) == [("", "folder")]:
            parts.extend(map(safe_name, inside))
            continue
        text = "".join(literal + values.get(field, "") for literal, field in segment)
        # What joined an empty field must not be left over at an end.
        whole = any(literal for literal, _ in segment)
        parts.append(safe_name((text.strip(" -_.") if whole else text) or render.stem))
    return parts


def _clear_of_drops(out: Path, parts: Sequence[str], is_drop: Callable[[Path], bool], known: dict[Path, Path]) -> Path:
    """Return the folder for drops; where a drop of an earlier run has its name, the folder gets a number."""
    folder = out
    for part in parts:
        wanted = folder / part
        if wanted not in known:
            known[wanted] = _clear(folder, part, is_drop)
        folder = known[wanted]
    return folder


def _clear(folder: Path, part: str, is_drop: Callable[[Path], bool]) -> Path:
    return folder / unique_name(part, lambda name: is_drop(folder / name))


def _with_suffix(name: str, render: Path) -> str:
    return safe_name(f"{name} ({render.suffix.lstrip('.').lower()})") if render.suffix else name


def _free(name: str, place: tuple[str, ...], taken: set[tuple[str, ...]]) -> str:
    return unique_name(name, lambda one: (*place, same_name_key(one)) in taken)


def _key(folder: Path) -> tuple[str, ...]:
    """Return what two folders share when some file system takes them for one."""
    return tuple(map(same_name_key, folder.parts))
