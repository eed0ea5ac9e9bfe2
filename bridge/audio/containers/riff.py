"""WAV, RF64 and BW64: walks the chunks, and says whether the writer has finished."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bridge.audio.containers.source import MOST_CHUNKS, Header, Source
from bridge.domain.render import AudioFormat
from bridge.words import decoded

__all__ = ["SUBFORMAT_TAIL", "UNKNOWN_SIZE", "Chunk", "WaveFormat", "parse", "read_format", "text_of", "walk"]

UNKNOWN_SIZE = 0xFFFFFFFF
"""In a size field: not known yet in a WAV, "look into ds64" in an RF64."""
_UNKNOWN_SIZE_64 = (1 << 64) - 1
"""What libsndfile writes into ds64 until it closes the file."""
SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""Last bytes of the sub-format of WAVE_FORMAT_EXTENSIBLE, after the two of the format tag."""
_EXTENSIBLE = 0xFFFE
_SUBTYPES = {
    (1, 8): "PCM_U8",
    (1, 16): "PCM_16",
    (1, 24): "PCM_24",
    (1, 32): "PCM_32",
    (3, 32): "FLOAT",
    (3, 64): "DOUBLE",
    (6, 8): "ALAW",
    (7, 8): "ULAW",
}
"""Format tag and bits to subtype; everything else is refused, so nothing is ever decoded as silence."""
_REFUSED = {2: "Microsoft ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a RIFF file."""

    name: bytes
    offset: int
    """First byte of its content."""
    size: int
    """Bytes of its content, as declared; in an RF64 the 64-bit size of `data`."""


@dataclass(frozen=True, slots=True)
class WaveFormat:
    """What a `fmt ` chunk says."""

    sample_rate: int
    channels: int
    subtype: str
    block_bytes: int
    """Bytes of one frame."""
    channel_mask: int

    def shape(self, container: Literal["WAV", "RF64", "W64"], data_bytes: int) -> AudioFormat:
        """Return the format of a file with so many bytes of sound."""
        frames = data_bytes // self.block_bytes
        return AudioFormat(self.sample_rate, self.channels, frames, self.subtype, container, self.channel_mask)


def walk(source: Source) -> Iterator[Chunk]:
    """Yield the chunks of a RIFF, RF64 or BW64 file in their order.

    An odd chunk whose writer forgot the pad byte is recognised by what follows. Raises ReadError past `MOST_CHUNKS`.
    """
    position, data_size = 12, UNKNOWN_SIZE
    for _ in range(MOST_CHUNKS):
        head = source.at(position, 8)
        if len(head) < 8:
            return
        name, size = struct.unpack("<4sI", head)
        if name == b"ds64" and size >= 16:
            data_size = struct.unpack("<Q", source.at(position + 16, 8).ljust(8, b"\xff"))[0]
        if name == b"data" and size == UNKNOWN_SIZE:
            size = data_size
        yield Chunk(name, position + 8, size)
        position += 8 + size
        if size % 2 and not (_is_name(source.at(position, 4)) and not _is_name(source.at(position + 1, 4))):
            position += 1
    raise source.refusal(f"has more than {MOST_CHUNKS} chunks.", "Render it again.")


def parse(source: Source) -> Header:
    """Judge a file that begins with RIFF, RF64 or BW64. Raises ReadError for what can never be right."""
    head = source.at(0, 12).ljust(12, b"\0")
    wide = head[:4] != b"RIFF"
    if source.size < 12 or not any(head[8:12]):
        return Header("unfinished", "its header is not written yet", None)
    if head[8:12] != b"WAVE":
        raise source.refusal("is a RIFF file without sound.", "Render it as WAV, FLAC or AIFF.")
    found: WaveFormat | None = None
    for chunk in walk(source):
        if chunk.name == b"fmt " and found is None:
            content = source.at(chunk.offset, min(chunk.size, 40))
            if not any(content) or chunk.offset + chunk.size > source.size:
                break
            found = read_format(source, content)
        elif chunk.name == b"data":
            if found is None:
                raise source.refusal("has sound before it says which format.", "Render it again.")
            return _judge(source, found, chunk, wide)
        elif not _is_name(chunk.name):
            if any(chunk.name):
                raise source.refusal("has a damaged header.", "Render it again.")
            break
    return Header("unfinished", "its header is not written yet", found.shape(_container(wide), 0) if found else None)


def read_format(source: Source, content: bytes) -> WaveFormat:
    """Read the content of a `fmt ` chunk. Raises ReadError for every encoding that is not on the list."""
    if len(content) < 16:
        raise source.refusal("has a damaged format chunk.", "Render it again.")
    tag, channels, sample_rate, _, block_bytes, bits = struct.unpack("<HHIIHH", content[:16])
    mask = 0
    if tag == _EXTENSIBLE:
        if len(content) < 40 or content[26:40] != SUBFORMAT_TAIL:
            raise source.refusal("has an unknown extensible format.", "Render it as 16, 24 or 32-bit WAV.")
        mask, tag = struct.unpack("<IH", content[20:26])
    subtype = _SUBTYPES.get((tag, bits))
    if subtype is None:
        what = _REFUSED.get(tag, f"format {tag:#06x}") + f" with {bits} bits"
        raise source.refusal(f"is encoded as {what}, which is not supported.", "Render it as 16, 24 or 32-bit WAV.")
    source.check_shape(sample_rate, channels)
    if block_bytes != channels * bits // 8:
        raise source.refusal(
            f"says that a frame of {channels} x {bits} bits has {block_bytes} bytes.", "Render it again."
        )
    return WaveFormat(sample_rate, channels, subtype, block_bytes, mask)


def _judge(source: Source, found: WaveFormat, data: Chunk, wide: bool) -> Header:
    riff_size, stated = _u32(source, 4), _u32(source, data.offset - 4)
    shape = found.shape(_container(wide), data.size)
    if data.size == 0 or (stated == UNKNOWN_SIZE and data.size in (UNKNOWN_SIZE, _UNKNOWN_SIZE_64)):
        what = "0 bytes" if data.size == 0 else "an unknown number of bytes"
        return Header("unfinished", f"its header says {what} of sound", found.shape(_container(wide), 0), data.offset)
    if not wide and source.size - 8 > UNKNOWN_SIZE:
        raise source.refusal(
            "is larger than 4 GB, but its header counts in 32 bits: most of it would be lost.",
            "Render it again as RF64 (in REAPER: Large files, Force RF64), Wave64 or FLAC.",
        )
    if not wide and riff_size == UNKNOWN_SIZE:
        return Header("unfinished", "its header says an unknown length", shape, data.offset, data.size)
    end = data.offset + data.size
    declared_end = end if wide or riff_size + 8 < end else riff_size + 8
    if end <= source.size < declared_end - 8:  # 8: some writers count the RIFF header itself
        reason = f"its header says {declared_end} bytes, only {source.size} are there"
        return Header("truncated", reason, shape, data.offset, data.size)
    return source.judged(shape, data.offset, data.size, notice=_notice(source, found, data, declared_end))


def _notice(source: Source, found: WaveFormat, data: Chunk, declared_end: int) -> str:
    torn = data.size % found.block_bytes
    if torn:
        return f"its last {torn} bytes are no whole frame and are ignored"
    trailing = source.size - declared_end - declared_end % 2
    if trailing > 0 and not _is_name(source.at(source.size - trailing, 4)):
        return f"{trailing} bytes after the end of its sound are ignored"
    return ""


def _container(wide: bool) -> Literal["WAV", "RF64"]:
    return "RF64" if wide else "WAV"


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def _u32(source: Source, offset: int) -> int:
    return int.from_bytes(source.at(offset, 4), "little")


def text_of(field: bytes) -> str:
    """Decode a field of text up to its first zero byte."""
    return decoded(field.split(b"\0", 1)[0])
