"""Sony Wave64: chunks named by GUIDs, with 64-bit sizes that include their own heads."""

from __future__ import annotations

import struct

from bridge.audio.containers.riff import WaveFormat, read_format
from bridge.audio.containers.source import MOST_CHUNKS, Header, Source

__all__ = ["RIFF_GUID", "parse"]

RIFF_GUID = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_WAVE, _FORMAT, _DATA = b"wave" + _TAIL, b"fmt " + _TAIL, b"data" + _TAIL
_HEAD_BYTES = 24


def parse(source: Source) -> Header:
    """Judge a file that begins with the Wave64 GUID. Raises ReadError for what can never be right."""
    if source.at(24, 16) != _WAVE:
        if source.size < 40 or not any(source.at(24, 16)):
            return Header("unfinished", "its header is not written yet", None)
        raise source.refusal("is a Wave64 file without sound.", "Render it as WAV, FLAC or AIFF.")
    position = 40
    found: WaveFormat | None = None
    for _ in range(MOST_CHUNKS):
        head = source.at(position, _HEAD_BYTES)
        if len(head) < _HEAD_BYTES or not any(head[:16]):
            return Header("unfinished", "its header is not written yet", found.shape("W64", 0) if found else None)
        name, size = struct.unpack("<16sQ", head)
        offset, content = position + _HEAD_BYTES, size - _HEAD_BYTES
        if name == _DATA and found is not None:
            if content <= 0:
                return Header("unfinished", "its header says 0 bytes of sound", found.shape("W64", 0), offset)
            return source.judged(found.shape("W64", content), offset, content)
        if content < 0 or name == _DATA:
            raise source.refusal("has a damaged header.", "Render it again.")
        if name == _FORMAT and found is None:
            if offset + content > source.size:
                return Header("unfinished", "it ends inside its header", None)
            found = read_format(source, source.at(offset, min(content, 40)))
        position += (size + 7) // 8 * 8
    raise source.refusal(f"has more than {MOST_CHUNKS} chunks.", "Render it again.")
