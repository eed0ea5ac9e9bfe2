"""Writes the container of a WAV file: all metadata before the sound, and RF64 from 4 GB on.

libsndfile writes no broadcast extension and no speaker mask, must be told RF64 beforehand, and stamps the time of day
into float files, so that two equal runs would differ. Space for `ds64` is reserved at the front and used only when the
file outgrew 32 bits (EBU Tech 3306).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

from bridge.audio.containers.riff import SUBFORMAT_TAIL, UNKNOWN_SIZE

__all__ = ["LARGEST_RIFF_BYTES", "WaveFile"]

LARGEST_RIFF_BYTES = 0xFFFFFFFF
"""A RIFF of this size or more is closed as RF64."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_DS64_BYTES = 28


class WaveFile:
    """An open WAV file: the header when made, samples as bytes, the sizes when closed.

    Until `finish` its sizes are zero, which every reader, ours too, takes for unfinished.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        sample_rate: int,
        channels: int,
        bits: int,
        is_float: bool,
        channel_mask: int,
        chunks: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self._file = file
        self._block_bytes = channels * bits // 8
        self._data_bytes = 0
        self._fact_offset = 0
        tag = _FLOAT if is_float else _PCM
        extensible = channels > 2 or channel_mask != 0
        fields = (sample_rate, sample_rate * self._block_bytes, self._block_bytes, bits)
        content = struct.pack("<HHIIHH", _EXTENSIBLE if extensible else tag, channels, *fields)
        if extensible:
            content += struct.pack("<HHIH", 22, bits, channel_mask, tag) + SUBFORMAT_TAIL
        elif is_float:
            content += struct.pack("<H", 0)
        file.write(b"RIFF\0\0\0\0WAVE" + _chunk(b"JUNK", bytes(_DS64_BYTES)) + _chunk(b"fmt ", content))
        if is_float:
            self._fact_offset = file.tell() + 8
            file.write(_chunk(b"fact", bytes(4)))
        for name, body in chunks:
            file.write(_chunk(name, body))
        file.write(b"data\0\0\0\0")
        self._data_offset = file.tell()

    def write(self, samples: bytes) -> None:
        """Append whole frames, interleaved little-endian samples."""
        self._file.write(samples)
        self._data_bytes += len(samples)

    def finish(self) -> None:
        """Write the sizes; the file is complete then."""
        self._file.write(b"\0" * (self._data_bytes % 2))
        riff_bytes = self._file.tell() - 8
        frames = self._data_bytes // self._block_bytes
        wide = riff_bytes >= LARGEST_RIFF_BYTES
        if self._fact_offset:
            self._patch(self._fact_offset, struct.pack("<I", UNKNOWN_SIZE if wide else frames))
        self._patch(self._data_offset - 4, struct.pack("<I", UNKNOWN_SIZE if wide else self._data_bytes))
        if wide:
            self._patch(12, _chunk(b"ds64", struct.pack("<QQQI", riff_bytes, self._data_bytes, frames, 0)))
        self._patch(0, struct.pack("<4sI", b"RF64" if wide else b"RIFF", UNKNOWN_SIZE if wide else riff_bytes))

    def _patch(self, offset: int, content: bytes) -> None:
        self._file.seek(offset)
        self._file.write(content)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
