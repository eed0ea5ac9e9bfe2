"""FLAC: the stream information says all, except sometimes the length."""

from __future__ import annotations

from bridge.audio.containers.source import MOST_CHUNKS, Header, Source
from bridge.domain.render import AudioFormat

__all__ = ["parse", "read_stream_information"]

_DEPTHS = {8: "PCM_S8", 16: "PCM_16", 20: "PCM_24", 24: "PCM_24"}
_INFORMATION_BYTES = 34


def read_stream_information(source: Source, content: bytes) -> AudioFormat:
    """Read the content of a STREAMINFO block; `frames` is 0 where the encoder did not know. Raises ReadError."""
    packed = int.from_bytes(content[10:18], "big")
    sample_rate, channels = packed >> 44, (packed >> 41 & 7) + 1
    bits, frames = (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    source.check_shape(sample_rate, channels)
    if bits not in _DEPTHS:
        raise source.refusal(f"is FLAC with {bits} bits, which is not supported.", "Render it with 16 or 24 bits.")
    source.check_length(frames, sample_rate)
    return AudioFormat(sample_rate, channels, frames, _DEPTHS[bits], "FLAC")


def parse(source: Source, start: int) -> Header:
    """Judge a file with the FLAC mark at `start`.

    Whether all frames are there, only decoding tells. Raises ReadError for what can never be right.
    """
    shape: AudioFormat | None = None
    position = start + 4
    for _ in range(MOST_CHUNKS):
        head = source.at(position, 4)
        if len(head) < 4:
            break
        size = int.from_bytes(head[1:], "big")
        if shape is None:
            content = source.at(position + 4, _INFORMATION_BYTES)
            if len(content) < _INFORMATION_BYTES or not any(content):
                break
            if head[0] & 0x7F or size != _INFORMATION_BYTES:
                raise source.refusal("has a damaged header.", "Render it again.")
            shape = read_stream_information(source, content)
        position += 4 + size
        if head[0] & 0x80:
            return _judge(source, shape, position)
    else:
        raise source.refusal(f"has more than {MOST_CHUNKS} metadata blocks.", "Render it again.")
    return Header("unfinished", "its header is not written yet", shape)


def _judge(source: Source, shape: AudioFormat, offset: int) -> Header:
    present = source.size - offset
    if present <= 0:
        return Header("unfinished", "it says that it holds no sound yet", shape, offset)
    sync = source.at(offset, 2)
    if len(sync) == 2 and (sync[0] != 0xFF or sync[1] & 0xFE != 0xF8):
        raise source.refusal("has a damaged header.", "Render it again.")
    notice = "" if shape.frames else "its header does not say how long it is"
    return Header("complete", notice, shape, offset, present)
