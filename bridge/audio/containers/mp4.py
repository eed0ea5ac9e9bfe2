"""M4A: atoms inside atoms; whole when the index (`moov`) is there and no atom ends past the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bridge.audio.containers.riff import Chunk
from bridge.audio.containers.source import MOST_CHUNKS, Header, Source
from bridge.domain.render import AudioFormat

__all__ = ["parse"]

_SUBTYPES = {b"mp4a": "AAC", b"alac": "ALAC"}


def parse(source: Source) -> Header:
    """Judge a file whose first atom is `ftyp`; the length comes from its index. Raises ReadError."""
    index: Chunk | None = None
    data: Chunk | None = None
    end = 0
    for atom in _atoms(source, 0, source.size):
        if atom.name == b"moov":
            index = atom
        elif atom.name == b"mdat":
            data = atom
        end = max(end, atom.offset + atom.size)
    if index is None or data is None:
        return Header("unfinished", "its index is not written yet", None)
    shape = _read_sound_track(source, index)
    if end > source.size:
        reason = f"its header says {end} bytes, only {source.size} are there"
        return Header("truncated", reason, shape, data.offset, data.size)
    source.check_length(shape.frames, shape.sample_rate)
    return Header("complete", "", shape, data.offset, data.size)


def _atoms(source: Source, start: int, end: int) -> Iterator[Chunk]:
    position = start
    for _ in range(MOST_CHUNKS):
        head = source.at(position, 16) if position + 8 <= end else b""
        if len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head[:8])
        width = 8
        if size == 1 and len(head) == 16:
            size, width = int.from_bytes(head[8:], "big"), 16
        elif size == 0:
            size = end - position
        if size < width:
            raise source.refusal("has a damaged header.", "Render it as WAV, FLAC or AIFF.")
        yield Chunk(name, position + width, size - width)
        position += size
    raise source.refusal(f"has more than {MOST_CHUNKS} parts.", "Render it as WAV, FLAC or AIFF.")


def _inside(source: Source, atom: Chunk, *names: bytes) -> Chunk | None:
    """Go down one path of names, always into the first atom of that name."""
    here: Chunk | None = atom
    for name in names:
        if here is None:
            return None
        inner = _atoms(source, here.offset, min(here.offset + here.size, source.size))
        here = next((one for one in inner if one.name == name), None)
    return here


def _read_sound_track(source: Source, index: Chunk) -> AudioFormat:
    for track in _atoms(source, index.offset, min(index.offset + index.size, source.size)):
        media = _inside(source, track, b"mdia") if track.name == b"trak" else None
        handler = _inside(source, media, b"hdlr") if media else None
        if media is None or handler is None or source.at(handler.offset + 8, 4) != b"soun":
            continue
        header, table = _inside(source, media, b"mdhd"), _inside(source, media, b"minf", b"stbl", b"stsd")
        if header is None or table is None:
            break
        wide = source.at(header.offset, 1) == b"\x01"
        times = source.at(header.offset + (20 if wide else 12), 12).ljust(12, b"\0")
        sample_rate, duration = struct.unpack(">IQ", times) if wide else struct.unpack(">II", times[:8])
        entry = source.at(table.offset + 8, 36).ljust(36, b"\0")
        channels = int.from_bytes(entry[24:26], "big")
        if entry[4:8] not in _SUBTYPES:
            raise source.refusal("holds sound that is neither AAC nor ALAC.", "Render it as WAV, FLAC or AIFF.")
        source.check_shape(sample_rate, channels)
        return AudioFormat(sample_rate, channels, duration, _SUBTYPES[entry[4:8]], "M4A")
    raise source.refusal("holds no sound track.", "Render it as WAV, FLAC or AIFF.")
