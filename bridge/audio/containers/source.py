"""A bounded view of an untrusted file, the answer every parser gives, and the limits all of them keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from bridge.domain.render import AudioFormat
from bridge.errors import ReadError
from bridge.units import format_duration

__all__ = ["LONGEST_SECONDS", "MOST_CHANNELS", "MOST_CHUNKS", "Header", "Source"]

LONGEST_SECONDS = 6 * 3600
SLOWEST_RATE_HZ = 8_000
FASTEST_RATE_HZ = 384_000
MOST_CHANNELS = 64
MOST_CHUNKS = 4096
"""Chunks, pages or atoms one file may have before we call it hostile."""
LARGEST_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """What a container says about itself."""

    state: Literal["complete", "unfinished", "truncated"]
    """unfinished = its writer has not closed it yet; truncated = it promises more than is there."""
    reason: str
    """Why it is not complete, one line; of a complete file a notice, or empty."""
    format: AudioFormat | None
    """None where the container does not get as far as saying it. `frames` is 0 where only decoding can tell (FLAC and
    MP3 without a length), and counts the encoder's padding for MP3 and M4A."""
    data_offset: int = 0
    """First byte of the sound."""
    data_bytes: int = 0
    """Bytes of sound the container declares."""


class Source:
    """An open file read by offset: every read is bounded, and never goes past the end."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self._file = file
        self.size = size
        """Bytes."""
        self.path = path

    def at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset`, fewer (or none) where the file ends."""
        if offset < 0 or offset >= self.size or count <= 0:
            return b""
        self._file.seek(offset)
        return self._file.read(min(count, LARGEST_READ_BYTES, self.size - offset))

    def refusal(self, message: str, hint: str) -> ReadError:
        """Return the error for a file that can never be right; `message` goes on after its name."""
        return ReadError(f"{self.path.name} {message}", hint=hint, path=self.path)

    def check_shape(self, sample_rate: int, channels: int) -> None:
        """Refuse channel counts and rates outside the limits. Raises ReadError."""
        if not 1 <= channels <= MOST_CHANNELS:
            raise self.refusal(f"declares {channels} channels.", f"Render it again with 1 to {MOST_CHANNELS} channels.")
        if not SLOWEST_RATE_HZ <= sample_rate <= FASTEST_RATE_HZ:
            raise self.refusal(
                f"declares a sample rate of {sample_rate} Hz.",
                f"Render it again at {SLOWEST_RATE_HZ} to {FASTEST_RATE_HZ} Hz.",
            )

    def check_length(self, frames: int, sample_rate: int) -> None:
        """Refuse what is longer than the limit. Raises ReadError."""
        if frames > LONGEST_SECONDS * sample_rate:
            raise self.refusal(
                f"is {format_duration(frames / sample_rate)} long; the limit is {format_duration(LONGEST_SECONDS)}.",
                "Split it and render the parts.",
            )

    def judged(self, shape: AudioFormat, offset: int, declared: int, *, notice: str = "") -> Header:
        """Compare the bytes of sound a header declares with the bytes that are there.

        Raises ReadError when it is whole but too long.
        """
        present = self.size - offset
        if declared > present:
            return Header(
                "truncated",
                f"its header says {declared} bytes of sound, only {max(0, present)} are there",
                shape,
                offset,
                declared,
            )
        if shape.frames == 0:
            return Header("unfinished", "it says that it holds no sound yet", shape, offset, declared)
        self.check_length(shape.frames, shape.sample_rate)
        return Header("complete", notice, shape, offset, declared)
