"""AIFF and AIFF-C: the common chunk says the length, the sound chunk must hold it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bridge.audio.containers.riff import Chunk
from bridge.audio.containers.source import MOST_CHUNKS, Header, Source
from bridge.domain.render import AudioFormat

__all__ = ["parse", "walk"]

_PCM = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}
_COMPRESSED = {
    b"FL32": ("FLOAT", 32),
    b"fl32": ("FLOAT", 32),
    b"FL64": ("DOUBLE", 64),
    b"fl64": ("DOUBLE", 64),
    b"ULAW": ("ULAW", 8),
    b"ulaw": ("ULAW", 8),
    b"ALAW": ("ALAW", 8),
    b"alaw": ("ALAW", 8),
    b"raw ": ("PCM_U8", 8),
}
_PLAIN = {b"NONE", b"twos", b"sowt"}


def walk(source: Source) -> Iterator[Chunk]:
    """Yield the chunks of an AIFF file in their order. Raises ReadError past `MOST_CHUNKS`."""
    position = 12
    for _ in range(MOST_CHUNKS):
        head = source.at(position, 8)
        if len(head) < 8 or not any(head[:4]):
            return
        name, size = struct.unpack(">4sI", head)
        yield Chunk(name, position + 8, size)
        position += 8 + size + size % 2
    raise source.refusal(f"has more than {MOST_CHUNKS} chunks.", "Render it again.")


def parse(source: Source) -> Header:
    """Judge a file that begins with FORM. Raises ReadError for what can never be right."""
    kind = source.at(8, 4)
    if source.size < 12 or not any(kind):
        return Header("unfinished", "its header is not written yet", None)
    if kind not in (b"AIFF", b"AIFC"):
        raise source.refusal("is an IFF file without sound.", "Render it as WAV, FLAC or AIFF.")
    shape: AudioFormat | None = None
    block_bytes = 1
    sound: Chunk | None = None
    for chunk in walk(source):
        if chunk.name == b"COMM" and shape is None:
            if chunk.offset + chunk.size > source.size:
                break
            shape, block_bytes = _read_common(source, source.at(chunk.offset, min(chunk.size, 22)), kind == b"AIFC")
        elif chunk.name == b"SSND" and sound is None:
            skipped = int.from_bytes(source.at(chunk.offset, 4), "big")
            sound = Chunk(chunk.name, chunk.offset + 8 + skipped, chunk.size - 8 - skipped)
        if shape is not None and sound is not None:
            return _judge(source, shape, block_bytes, sound)
    return Header("unfinished", "its header is not written yet", shape)


def _judge(source: Source, shape: AudioFormat, block_bytes: int, sound: Chunk) -> Header:
    declared = shape.frames * block_bytes
    if shape.frames == 0 or sound.size <= 0:
        return Header("unfinished", "its header says 0 bytes of sound", shape, sound.offset)
    if declared > sound.size:
        reason = f"its header says {shape.frames} frames, its sound chunk holds {sound.size // block_bytes}"
        return Header("truncated", reason, shape, sound.offset, sound.size)
    return source.judged(shape, sound.offset, declared)


def _read_common(source: Source, content: bytes, compressed: bool) -> tuple[AudioFormat, int]:
    if len(content) < (22 if compressed else 18):
        raise source.refusal("has a damaged common chunk.", "Render it again.")
    channels, frames, bits, exponent, mantissa = struct.unpack(">HIHHQ", content[:18])
    kind = content[18:22] if compressed else b"NONE"
    if kind in _COMPRESSED:
        subtype, width = _COMPRESSED[kind]
    elif kind in _PLAIN and bits in _PCM:
        subtype, width = _PCM[bits], bits
    else:
        what = f"{kind.decode('latin-1')!r} with {bits} bits"
        raise source.refusal(f"is encoded as {what}, which is not supported.", "Render it as 16, 24 or 32-bit WAV.")
    sample_rate = _extended(exponent, mantissa)
    source.check_shape(sample_rate, channels)
    return AudioFormat(sample_rate, channels, frames, subtype, "AIFF"), channels * width // 8


def _extended(exponent: int, mantissa: int) -> int:
    """Turn an 80-bit float into the whole number it is for every rate within the limits; others give 0."""
    shift = 16383 + 63 - exponent
    return mantissa >> shift if 0 <= shift < 64 else 0
