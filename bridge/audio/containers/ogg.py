"""Ogg with Vorbis, Opus or FLAC: whole when its last page is whole and says that it is the last."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bridge.audio.containers.flac import read_stream_information
from bridge.audio.containers.source import Header, Source
from bridge.domain.render import AudioFormat

__all__ = ["parse"]

_LARGEST_PAGE_BYTES = 27 + 255 + 255 * 255
_END_OF_STREAM = 4
_NO_POSITION = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    position: int
    """Samples up to the end of this page."""
    content: int
    """Offset of its content."""
    end: int
    """Offset of the byte after it."""


def parse(source: Source) -> Header:
    """Judge a file that begins with OggS. Raises ReadError for what can never be right."""
    first = _page(source, 0)
    if first is None or first.end > source.size:
        return Header("unfinished", "its first page is not written yet", None)
    shape, skipped = _read_identification(source, source.at(first.content, min(first.end - first.content, 64)))
    last = _last_page(source)
    if last is None:
        return Header("truncated", "its last page is cut short", shape, first.end, source.size - first.end)
    if not last.flags & _END_OF_STREAM:
        reason = "its last page does not end the stream: it is still being written, or cut short"
        return Header("unfinished", reason, shape, first.end, source.size - first.end)
    frames = 0 if last.position == _NO_POSITION else max(0, last.position - skipped)
    source.check_length(frames, shape.sample_rate)
    known = AudioFormat(shape.sample_rate, shape.channels, frames, shape.subtype, "OGG")
    return Header("complete", "", known, first.end, source.size - first.end)


def _page(source: Source, offset: int) -> _Page | None:
    head = source.at(offset, 27)
    if len(head) < 27 or head[:5] != b"OggS\0":
        return None
    segments = source.at(offset + 27, head[26])
    content = offset + 27 + head[26]
    return _Page(head[5], int.from_bytes(head[6:14], "little"), content, content + sum(segments))


def _last_page(source: Source) -> _Page | None:
    """Find the page that ends where the file ends."""
    start = max(0, source.size - _LARGEST_PAGE_BYTES)
    tail = source.at(start, _LARGEST_PAGE_BYTES)
    at = tail.rfind(b"OggS\0")
    while at >= 0:
        page = _page(source, start + at)
        if page is not None and page.end == source.size:
            return page
        at = tail.rfind(b"OggS\0", 0, at)
    return None


def _read_identification(source: Source, content: bytes) -> tuple[AudioFormat, int]:
    """Return the format, and the samples a decoder leaves out at the start."""
    content = content.ljust(64, b"\0")
    skipped = 0
    if content[:7] == b"\x01vorbis":
        channels, sample_rate = struct.unpack("<BI", content[11:16])
        subtype = "VORBIS"
    elif content[:8] == b"OpusHead":
        channels, skipped, sample_rate = content[9], int.from_bytes(content[10:12], "little"), 48_000
        subtype = "OPUS"
    elif content[:5] == b"\x7fFLAC":
        shape = read_stream_information(source, content[17:51])
        return shape, 0
    else:
        raise source.refusal("is an Ogg file without Vorbis, Opus or FLAC.", "Render it as WAV, FLAC or AIFF.")
    source.check_shape(sample_rate, channels)
    return AudioFormat(sample_rate, channels, 0, subtype, "OGG"), skipped
