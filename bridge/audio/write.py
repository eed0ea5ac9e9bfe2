"""Blocks of sound into a file: our own rounding, exact integers, and all or nothing."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import numpy.typing as npt
import soundfile

from bridge.audio.chunks import Chunks
from bridge.audio.containers import aiff
from bridge.audio.containers.source import Source
from bridge.audio.header import inspect
from bridge.audio.libsndfile import library_name
from bridge.audio.tag_write import add_to_aiff, add_to_flac, riff_chunks
from bridge.audio.wave_file import WaveFile, WaveHead
from bridge.disk import disk_error
from bridge.domain.stems import FloatArray
from bridge.errors import BridgeError, DeliveryError

__all__ = ["SoundWriter"]

Subtype = Literal["FLOAT", "PCM_24", "PCM_16"]
_BITS = {"FLOAT": 32, "PCM_24": 24, "PCM_16": 16}
_LARGEST_AIFF_BYTES = 0xFFFFFFFF
_LITTLE_SPACE_BYTES = 1 << 20


class SoundWriter:
    """A sound file being written, block by block. A context manager: the file appears on entering.

    On leaving it is flushed to the disk and whole; after any error nothing is left. An existing file is never
    overwritten. WAV files carry `chunks` and `channel_mask`, and become RF64 by themselves from 4 GB on; FLAC and AIFF
    carry the tags among the chunks only. Equal calls make equal bytes. FLAC holds no FLOAT and at most 8 channels.

    Raises DeliveryError (cannot be written like this), NoSpaceError, DestinationError.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        channels: int,
        subtype: Subtype,
        container: Literal["WAV", "FLAC", "AIFF"],
        frames: int | None = None,
        chunks: Chunks | None = None,
        channel_mask: int = 0,
    ) -> None:
        """`frames`, where known, lets a file that its container cannot hold be refused before any work, and a WAV file
        that gets exactly so many be hashed while it is written."""
        self.path = path
        self.frames = 0
        """Written so far."""
        self.sha256: str | None = None
        """Of a whole WAV file, hex, once it is closed; None where it has to be read for that."""
        self._expected_frames = frames
        self._sample_rate = sample_rate
        self._channels = channels
        self._subtype = subtype
        self._container = container
        self._chunks = chunks or Chunks()
        self._channel_mask = channel_mask
        self._file: BinaryIO | None = None
        self._wave: WaveFile | None = None
        self._library: Any = None
        if container == "FLAC" and (subtype == "FLOAT" or channels > 8):
            what = "32-bit float" if subtype == "FLOAT" else f"{channels} channels"
            raise DeliveryError(f"FLAC cannot hold {what}.", hint="Set output format: wav.", path=path)
        self._check_size(frames or 0)

    def __enter__(self) -> Self:
        self._guarded(self._open)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._guarded(self._finish)
        else:
            self._abandon()

    def write(self, block: FloatArray) -> None:
        """Append samples, (channels, frames) float32; fixed point is rounded to nearest (ties to even), no dither,
        and what it cannot hold becomes its nearest value.

        Raises DeliveryError for NaN and infinite samples, which are never written.
        """
        if not np.isfinite(block).all():
            raise DeliveryError(
                f"{self.path.name}: a sample after frame {self.frames} is not a number.",
                hint="An effect or the network gave unusable sound; try another preset or model.",
                path=self.path,
            )
        if self._subtype == "FLOAT":
            self._append(np.ascontiguousarray(block.T, dtype="<f4"))  # (T, C)
            return
        bits = _BITS[self._subtype]
        limit = 1 << (bits - 1)
        steps = np.rint(block.astype(np.float64) * limit)  # (C, T)
        held = np.clip(steps, -limit, limit - 1).astype(np.int32)
        self._append(np.ascontiguousarray(held.T) << (32 - bits))  # (T, C)

    def write_integers(self, block: npt.NDArray[np.int32]) -> None:
        """Append left-justified integers, (channels, frames) int32, exactly; lower bits than the file has are cut.

        A FLOAT file gets them divided by 2^31.
        """
        if self._subtype == "FLOAT":
            self._append(np.ascontiguousarray(block.T / 2.0**31, dtype="<f4"))  # (T, C)
        else:
            self._append(np.ascontiguousarray(block.T))  # (T, C)

    def wave_head(self, frames: int) -> bytes:
        """Return what stands before the sound in the whole WAV file of so many frames; nothing is written."""
        return self._wave_head().encoded(frames * self._channels * _BITS[self._subtype] // 8)

    def _wave_head(self) -> WaveHead:
        return WaveHead(
            sample_rate=self._sample_rate,
            channels=self._channels,
            bits=_BITS[self._subtype],
            is_float=self._subtype == "FLOAT",
            channel_mask=self._channel_mask,
            chunks=[*self._chunks.encoded(), *riff_chunks(self._chunks.tags)],
        )

    def _append(self, samples: npt.NDArray[Any]) -> None:
        """Write (frames, channels) float32, or left-justified int32."""
        if samples.shape[1] != self._channels:
            raise ValueError(f"{samples.shape[1]} channels for a file of {self._channels}")
        if not samples.size:
            return
        self._check_size(self.frames + samples.shape[0])
        self._guarded(lambda: self._put(samples))
        self.frames += samples.shape[0]

    def _put(self, samples: npt.NDArray[Any]) -> None:
        if self._wave is not None:
            self._wave.write(_packed(samples, self._subtype))
        elif self._library is not None:
            self._library.write(samples)
        else:
            raise ValueError("the writer is not open")

    def _open(self) -> None:
        self._file = self.path.open("xb")
        if self._container == "WAV":
            self._wave = WaveFile(self._file, self._wave_head(), self._expected_frames)
            return
        self._file.close()
        self._library = soundfile.SoundFile(
            library_name(self.path),
            "w",
            samplerate=self._sample_rate,
            channels=self._channels,
            subtype=self._subtype,
            format=self._container,
        )

    def _finish(self) -> None:
        if self._wave is not None and self._file is not None:
            self.sha256 = self._wave.finish()
        elif self._library is not None:
            self._library.close()
            if self._container == "FLAC" and self._chunks.tags:
                add_to_flac(self.path, self._chunks.tags)
            self._file = self.path.open("r+b")
            if self._container == "AIFF":
                _clear_time_stamp(self._file, self.path)
                if self._chunks.tags:
                    add_to_aiff(self._file, self._chunks.tags)
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        if self._library is not None and self.frames:
            self._check_whole()

    def _check_whole(self) -> None:
        """libsndfile may close a file that the disk cut short without a word."""
        header = inspect(self.path)
        if header.state != "complete" or header.format is None or header.format.frames != self.frames:
            raise self._failure("it does not read back whole.")

    def _check_size(self, frames: int) -> None:
        size = frames * self._channels * _BITS[self._subtype] // 8
        if self._container == "AIFF" and size + 4096 > _LARGEST_AIFF_BYTES:
            raise DeliveryError(
                f"{self.path.name} would be larger than 4 GB, which AIFF cannot hold.",
                hint="Set output format: wav or flac.",
                path=self.path,
            )

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a step; on failure leave no file, and raise our own error."""
        try:
            step()
        except FileExistsError as exc:
            raise DeliveryError(f"{self.path} exists already.", hint="Remove it or use another name.") from exc
        except OSError as exc:
            self._abandon()
            raise disk_error("write", self.path, exc) from exc
        except (soundfile.SoundFileError, AssertionError) as exc:  # soundfile asserts that it wrote all frames
            self._abandon()
            raise self._failure(str(exc)) from exc
        except BaseException:
            self._abandon()
            raise

    def _failure(self, reason: str) -> BridgeError:
        """Return the error for a failure of libsndfile, which does not tell a full disk from the rest."""
        if shutil.disk_usage(self.path.parent).free < _LITTLE_SPACE_BYTES:
            return disk_error("write", self.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return DeliveryError(
            f"{self.path.name} cannot be written as {self._container} {self._subtype}: {reason}",
            hint="Set output format: wav.",
            path=self.path,
        )

    def _abandon(self) -> None:
        with suppress(OSError, soundfile.SoundFileError):  # a full disk refuses what is still in a buffer
            if self._library is not None:
                self._library.close()
            if self._file is not None:
                self._file.close()
        if self._file is not None:
            self.path.unlink(missing_ok=True)
        self._file = self._wave = self._library = None


def _packed(samples: npt.NDArray[Any], subtype: Subtype) -> bytes | memoryview:
    if subtype == "PCM_16":
        return (samples >> 16).astype("<i2").tobytes()
    if subtype == "PCM_24":
        return samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    return samples.reshape(-1).view(np.uint8).data


def _clear_time_stamp(file: BinaryIO, path: Path) -> None:
    """Zero the time of day that libsndfile writes into the PEAK chunk, so that equal runs make equal files."""
    for chunk in aiff.walk(Source(file, path.stat().st_size, path)):
        if chunk.name == b"PEAK":
            file.seek(chunk.offset + 4)
            file.write(bytes(4))
            return
