"""Names of folders and files, built rather than taken: good on every system, and no two the same to any of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection
from pathlib import Path

from bridge.errors import DeliveryError

__all__ = ["PATH_LIMIT", "check_length", "path_length", "safe_name", "same_name_key", "unique_name"]

PATH_LIMIT = 240
"""Characters of a full path on Windows, whose own limit is 260."""
_LONGEST_BYTES = 80
_FALLBACK = "render"
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [device + digit for device in ("com", "lpt") for digit in "0123456789¹²³"]
)
"""Windows takes these for devices, in any folder and with any suffix."""


def safe_name(text: str, *, max_bytes: int = _LONGEST_BYTES) -> str:
    """Build a file or folder name from any text: never empty, at most `max_bytes` of UTF-8 (> 0), idempotent.

    NFC; control, invisible and direction characters are dropped, what Windows forbids becomes '_', spaces are single,
    dots and spaces at the ends go, device names (CON, COM¹) get a '_' in front.
    """
    kept = "".join(map(_safe_character, unicodedata.normalize("NFC", text)))
    name = _cut(" ".join(unicodedata.normalize("NFC", kept).split()).lstrip(". "), max_bytes)
    if name.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
        name = _cut(f"_{name}", max_bytes)
    return name or _FALLBACK[:max_bytes]


def _safe_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp") or character in "\t\n\v\f\r":
        return " "
    if category in ("Cc", "Cf"):
        return ""
    # Cs: halves of a pair, or bytes that are no text. Co, Cn: macOS refuses some, others show as boxes.
    return "_" if category[0] == "C" or character in _FORBIDDEN else character


def _cut(name: str, max_bytes: int) -> str:
    """Shorten to whole characters, and leave no dot or space at the end."""
    return name.encode("utf-8")[:max_bytes].decode("utf-8", "ignore").rstrip(". ")


def same_name_key(name: str) -> str:
    """Return what two names share when some file system takes them for one: case and Unicode form do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def unique_name(wanted: str, taken: Callable[[str], bool] | Collection[str], *, max_bytes: int = _LONGEST_BYTES) -> str:
    """Return `wanted`, or 'wanted 2', 'wanted 3', ... : the first that is not taken.

    A collection is compared without regard to case and Unicode form; a function decides by itself. The number counts
    into `max_bytes`.
    """
    if not callable(taken):
        keys = {same_name_key(name) for name in taken}
        return unique_name(wanted, lambda name: same_name_key(name) in keys, max_bytes=max_bytes)
    name, number = wanted, 1
    while taken(name):
        number += 1
        name = f"{_cut(wanted, max_bytes - len(f' {number}'))} {number}"
    return name


def check_length(path: Path, *, limit: int = PATH_LIMIT) -> None:
    """Raise DeliveryError when a full path has more than `limit` characters as Windows counts them (UTF-16)."""
    length = path_length(str(path))
    if length > limit:
        raise DeliveryError(
            f"A path of the drop would be {length} characters long, more than {limit}: {path}.",
            hint="Choose an outbox with a shorter path (--outbox).",
            path=path,
        )


def path_length(text: str) -> int:
    """Count characters as Windows does: those beyond U+FFFF are two."""
    return len(text) + sum(character > "\uffff" for character in text)
