"""Files with a plugin's state, held against the format before any plugin sees them.

Source: VST 3 Preset File Format, in vstpresetfile.h of Steinberg's SDK. Little-endian: 'VST3', an int32 version, 32 hex
digits of the class, an int64 offset to the list; chunks; 'List', an int32 count, and of every chunk its name of four
letters, an int64 offset and an int64 size.
"""

from __future__ import annotations

import struct
from pathlib import Path

from bridge.errors import PresetError
from bridge.words import reason_of

__all__ = ["MOST_BYTES", "fault_of", "owner_of", "read_state"]

MOST_BYTES = 64 << 20
"""Of a state; those of samplers have a few MB."""
_HEADER = struct.Struct("<4si32sq")
_LIST = struct.Struct("<4si")
_CHUNK = struct.Struct("<4sqq")
_HEX = b"0123456789ABCDEFabcdef"
_MOST_CHUNKS = 128
"""As many as Steinberg's reader takes."""
_OTHERS = {b"CcnK": "an FXP or FXB of VST2", b"VC2!": "a state as another host keeps it inside its projects"}


def read_state(path: Path) -> bytes:
    """Read a state. Raises PresetError when it cannot be, is too large, or is no whole .vstpreset."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise PresetError(
            f"The state {path} cannot be read: {reason_of(exc)}.", hint="Check its permissions.", path=path
        ) from exc
    what = fault_of(data) if path.suffix.casefold() == ".vstpreset" or len(data) > MOST_BYTES else ""
    if what:
        hint = "Save it again as a .vstpreset: in the plugin's window, in a DAW, or by a job that keeps it in a drop."
        raise PresetError(f"The state {path.name} {what}.", hint=hint, path=path)
    return data


def fault_of(data: bytes) -> str:
    """Say what is wrong with a .vstpreset, to go on after 'the state ...'; empty = nothing."""
    if len(data) > MOST_BYTES:
        return f"is larger than {MOST_BYTES >> 20} MiB"
    if data[:4] in _OTHERS:
        return f"is no .vstpreset but {_OTHERS[data[:4]]}"
    if data[:4] != b"VST3":
        return "is no .vstpreset" if data else "is empty"
    return "" if _is_whole(data) else "is damaged or cut short"


def owner_of(data: bytes) -> str:
    """Return the class of the plugin whose .vstpreset this is, 32 hex digits; empty where it says none."""
    return data[8:40].decode("ascii", "replace").upper() if data[:4] == b"VST3" else ""


def _is_whole(data: bytes) -> bool:
    if len(data) < _HEADER.size:
        return False
    _, _, owner, start = _HEADER.unpack_from(data)
    entries = start + _LIST.size
    if not set(owner) <= set(_HEX) or not _HEADER.size <= start <= entries <= len(data):
        return False
    name, count = _LIST.unpack_from(data, start)
    if name != b"List" or not 0 < count <= _MOST_CHUNKS or entries + count * _CHUNK.size > len(data):
        return False
    chunks = (_CHUNK.unpack_from(data, entries + number * _CHUNK.size) for number in range(count))
    return all(_HEADER.size <= offset <= len(data) and 0 <= size <= len(data) - offset for _, offset, size in chunks)
