"""MP3: has no mark of its end; only decoding tells whether it is whole, and only where a Xing header says how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bridge.audio.containers.source import Header, Source
from bridge.domain.render import AudioFormat

__all__ = ["counted_header", "parse", "tag_bytes"]

_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KILOBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By 'is MPEG 1'."""
_SEARCH_BYTES = 1 << 16
_LARGEST_BITS_INDEX = 14


@dataclass(frozen=True, slots=True)
class _Frame:
    sample_rate: int
    channels: int
    frames: int
    """Samples per channel in one MPEG frame."""
    size: int
    """Bytes."""
    information: int
    """Where a Xing or Info header would lie, from the start of the frame."""


def tag_bytes(head: bytes) -> int:
    """Return the length of the ID3v2 tag that begins with these ten bytes, 0 when there is none."""
    if len(head) < 10 or head[:3] != b"ID3" or any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def parse(source: Source, start: int) -> Header | None:
    """Judge a file as MP3 from `start` on, the end of its tag; None when it is none. Raises ReadError past the limits.

    The length comes from the Xing header (and counts the encoder's padding), else it is unknown.
    """
    first = _find(source, start)
    if first is None:
        return None
    offset, frame = first
    source.check_shape(frame.sample_rate, frame.channels)
    present = source.size - offset
    count = _stated_count(source.at(offset + frame.information, 12))
    frames = frame.frames * count
    source.check_length(frames, frame.sample_rate)
    shape = AudioFormat(frame.sample_rate, frame.channels, frames, "MPEG_LAYER_III", "MP3")
    notice = "" if frames else "its header does not say how long it is"
    return Header("complete", notice, shape, offset, present)


def counted_header(path: Path, start: int) -> bytes:
    """Return a Xing header for an MP3 that has none: counts the MPEG frames from byte `start` by walking all of them.

    Decoders only guess the length without one, and libsndfile stops where it guessed. Raises ReadError when the last
    frame is cut short.
    """
    with path.open("rb") as file:
        source = Source(file, path.stat().st_size, path)
        position, count = start, 0
        while True:
            frame = _frame(source.at(position, 4))
            if frame is None:
                found = _find(source, position)
                if found is None:
                    break
                position, frame = found
            count, position = count + 1, position + frame.size
        if position > source.size:
            raise source.refusal("is cut short: it ends inside a frame.", "Copy or render it again.")
        head = bytearray(source.at(start, 4))
    head[1] |= 1  # no checksum
    head[2] = _LARGEST_BITS_INDEX << 4 | head[2] & 0x0C  # room for the header at every rate
    frame = _frame(bytes(head))
    assert frame is not None
    stated = b"Xing" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return (bytes(head).ljust(frame.information, b"\0") + stated).ljust(frame.size, b"\0")


def _find(source: Source, start: int) -> tuple[int, _Frame] | None:
    """Find the first frame that another like it, or the end of the file, follows; without a tag only at the start."""
    window = source.at(start, _SEARCH_BYTES if start else 4)
    at = window.find(b"\xff")
    while at >= 0:
        frame = _frame(window[at : at + 4])
        if frame is not None:
            after = start + at + frame.size
            following = _frame(source.at(after, 4))
            alike = following is not None and following.sample_rate == frame.sample_rate
            if alike or after == source.size:
                return start + at, frame
        at = window.find(b"\xff", at + 1) if start else -1
    return None


def _frame(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # sync, and layer III
        return None
    version, rate_index, bits_index = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate_index == 3 or bits_index in (0, 15):
        return None
    first = version == 3
    sample_rate = _RATES_HZ[version][rate_index]
    channels = 1 if head[3] >> 6 == 3 else 2
    frames = 1152 if first else 576
    size = frames // 8 * 1000 * _KILOBITS[first][bits_index] // sample_rate + (head[2] >> 1 & 1)
    side = (17 if channels == 1 else 32) if first else (9 if channels == 1 else 17)
    return _Frame(sample_rate, channels, frames, size, 4 + side)


def _stated_count(content: bytes) -> int:
    """Return the number of MPEG frames that a Xing or Info header states, 0 where it does not."""
    stated = len(content) == 12 and content[:4] in (b"Xing", b"Info") and content[7] & 1
    return int.from_bytes(content[8:12], "big") if stated else 0
