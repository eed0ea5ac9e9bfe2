"""Writes the container of a WAV file: all metadata before the sound, and RF64 from 4 GB on.

libsndfile writes no broadcast extension and no speaker mask, must be told RF64 beforehand, and stamps the time of day
into float files, so that two equal runs would differ. Space for `ds64` is reserved at the front and used only when the
file outgrew 32 bits (EBU Tech 3306).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from bridge.audio.containers.riff import SUBFORMAT_TAIL, UNKNOWN_SIZE

__all__ = ["LARGEST_RIFF_BYTES", "WaveFile", "WaveHead"]

LARGEST_RIFF_BYTES = 0xFFFFFFFF
"""A RIFF of this size or more is closed as RF64."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_DS64_BYTES = 28


@dataclass(frozen=True)
class WaveHead:
    """All that stands before the sound."""

    sample_rate: int
    channels: int
    bits: int
    is_float: bool
    channel_mask: int
    chunks: Sequence[tuple[bytes, bytes]]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8

    def encoded(self, data_bytes: int | None) -> bytes:
        """Return the bytes of a file with so much sound; None: of one that is not finished, equally long.

        Without sizes every reader, ours too, takes it for unfinished.
        """
        tag = _FLOAT if self.is_float else _PCM
        extensible = self.channels > 2 or self.channel_mask != 0
        fields = (self.sample_rate, self.sample_rate * self.frame_bytes, self.frame_bytes, self.bits)
        content = struct.pack("<HHIIHH", _EXTENSIBLE if extensible else tag, self.channels, *fields)
        if extensible:
            content += struct.pack("<HHIH", 22, self.bits, self.channel_mask, tag) + SUBFORMAT_TAIL
        elif self.is_float:
            content += struct.pack("<H", 0)
        after = b"".join(_chunk(name, body) for name, body in self.chunks)
        before_bytes = 12 + 8 + _DS64_BYTES + len(_chunk(b"fmt ", content)) + 12 * self.is_float + len(after) + 8
        sound = data_bytes or 0
        frames, riff_bytes = sound // self.frame_bytes, before_bytes - 8 + sound + sound % 2
        wide = data_bytes is not None and riff_bytes >= LARGEST_RIFF_BYTES
        sizes = [UNKNOWN_SIZE] * 3 if wide else [0] * 3 if data_bytes is None else [riff_bytes, frames, sound]
        room = struct.pack("<QQQI", riff_bytes, sound, frames, 0) if wide else bytes(_DS64_BYTES)
        parts = [b"RF64" if wide else b"RIFF", struct.pack("<I", sizes[0]), b"WAVE"]
        parts += [_chunk(b"ds64" if wide else b"JUNK", room), _chunk(b"fmt ", content)]
        parts += [_chunk(b"fact", struct.pack("<I", sizes[1]))] if self.is_float else []
        return b"".join([*parts, after, b"data", struct.pack("<I", sizes[2])])


class WaveFile:
    """An open WAV file: the head when made, samples as bytes, the sizes when finished."""

    def __init__(self, file: BinaryIO, head: WaveHead, frames: int | None = None) -> None:
        """`frames` is how many will come, where that is known: the file is then hashed while it is written."""
        self._file = file
        self._head = head
        self._data_bytes = 0
        self._expected_bytes = None if frames is None else frames * head.frame_bytes
        self._digest = hashlib.sha256(b"" if frames is None else head.encoded(self._expected_bytes))
        file.write(head.encoded(None))

    def write(self, samples: bytes | memoryview) -> None:
        """Append whole frames, the bytes of interleaved little-endian samples."""
        self._file.write(samples)
        self._data_bytes += len(samples)
        if self._expected_bytes is not None:
            self._digest.update(samples)

    def finish(self) -> str | None:
        """Write the sizes: the file is complete then. Returns its SHA-256, hex; None when other frames were expected,
        or none."""
        pad = b"\0" * (self._data_bytes % 2)
        self._file.write(pad)
        self._file.seek(0)
        self._file.write(self._head.encoded(self._data_bytes))
        self._digest.update(pad)
        return self._digest.hexdigest() if self._data_bytes == self._expected_bytes else None


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
