"""Sound files made by hand from bytes, so that every field can be wrong."""

from __future__ import annotations

import struct

__all__ = ["FLOAT", "PCM", "chunk", "fmt", "rf64", "riff"]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, content: bytes, size: int | None = None, *, pad: bool = True) -> bytes:
    """One RIFF chunk; `size` overrides what is declared."""
    declared = len(content) if size is None else size
    return name + struct.pack("<I", declared) + content + (b"\0" if pad and len(content) % 2 else b"")


def fmt(
    *,
    tag: int = PCM,
    channels: int = 2,
    rate: int = 44100,
    bits: int = 16,
    align: int | None = None,
    mask: int | None = None,
) -> bytes:
    """A format chunk; with a `mask` as WAVE_FORMAT_EXTENSIBLE."""
    align = channels * bits // 8 & 0xFFFF if align is None else align
    outer = tag if mask is None else EXTENSIBLE
    content = struct.pack("<HHIIHH", outer, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    if mask is not None:
        content += struct.pack("<HHIH", 22, bits, mask, tag) + TAIL
    return chunk(b"fmt ", content)


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF", form: bytes = b"WAVE") -> bytes:
    """A RIFF file; `size` overrides what is declared."""
    body = form + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def rf64(samples: bytes, *, data_size: int | None = None, magic: bytes = b"RF64") -> bytes:
    """A 16-bit stereo RF64 file; `data_size` overrides what ds64 declares."""
    declared = len(samples) if data_size is None else data_size
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 72 + len(samples), declared, declared // 4, 0))
    return riff(ds64, fmt(), chunk(b"data", samples, 0xFFFFFFFF), size=0xFFFFFFFF, magic=magic)
