"""Sound files opened for frame ranges, and the one pass that hashes and measures a whole one."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from bridge.audio.decode import decode
from bridge.audio.header import require_complete
from bridge.audio.libsndfile import open_library
from bridge.audio.meter import Meter
from bridge.closing import Closing
from bridge.domain.render import AudioFormat, Levels
from bridge.domain.stems import FloatArray
from bridge.errors import ReadError

__all__ = ["Scan", "Sound", "open_sound", "scan"]

_DIRECT = ("WAV", "RF64", "W64", "AIFF", "FLAC")
_INTEGERS = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32")
_BLOCK_FRAMES = 1 << 16


class Sound(Closing):
    """An open sound file. A context manager. Several threads may read; readers of different places cost seeks."""

    def __init__(self, path: Path, library: Any, shape: AudioFormat, private: Path | None) -> None:
        self.path = path
        """The file that was opened, for messages."""
        self.format = shape
        """With exact frames, whatever the container estimated."""
        self._library = library
        self._private = private
        self._position = 0
        self._turn = threading.Lock()

    def close(self) -> None:
        """Close the file, and remove the private decoded copy where there is one."""
        self._library.close()
        if self._private is not None:
            self._private.unlink(missing_ok=True)

    def read(self, start: int, frames: int) -> FloatArray:
        """Return up to `frames` frames from `start`, (channels, frames) float32; fewer, or none, past the end.

        Integer samples of up to 24 bits are exact (value / 2^(bits - 1)); 32-bit integers and 64-bit floats are rounded
        to float32. Raises ReadError when the file breaks.
        """
        samples: FloatArray = self._read(start, frames, "float32")
        return samples

    def read_integers(self, start: int, frames: int) -> npt.NDArray[np.int32]:
        """Return the same frames as left-justified integers, (channels, frames) int32, exactly.

        Only for files of integers (PCM_U8 to PCM_32). Raises ReadError when the file breaks.
        """
        if self.format.subtype not in _INTEGERS:
            raise ValueError(f"{self.format.subtype} samples are no integers")
        samples: npt.NDArray[np.int32] = self._read(start, frames, "int32")
        return samples

    def blocks(self, block_frames: int) -> Iterator[FloatArray]:
        """Yield the whole file as consecutive blocks; only the last is shorter."""
        for start in range(0, self.format.frames, block_frames):
            yield self.read(start, block_frames)

    def _read(self, start: int, frames: int, dtype: str) -> npt.NDArray[Any]:
        if start < 0 or frames < 0:
            raise ValueError(f"no such frames: {start}, {frames}")
        wanted = max(0, min(frames, self.format.frames - start))
        if not wanted:
            return np.zeros((self.format.channels, 0), dtype)
        with self._turn:
            try:
                if start != self._position:
                    self._library.seek(start)
                self._position = -1
                samples = self._library.read(wanted, dtype=dtype, always_2d=True)  # (T, C)
            except soundfile.SoundFileError as exc:
                raise _broken(self.path, start, self.format, str(exc)) from exc
            if samples.shape[0] != wanted:
                raise _broken(self.path, start + samples.shape[0], self.format, "no more samples.")
            self._position = start + wanted
        return np.ascontiguousarray(samples.T)  # (C, T)


def open_sound(path: Path, work: Path) -> Sound:
    """Open a complete sound file for frame ranges.

    WAV, RF64, W64, AIFF and FLAC are read where they are; what is lossy or does not say its length is decoded once into
    a private file in the folder `work`, removed on close. Raises ReadError (no sound, unfinished, truncated, not
    supported, ffmpeg missing), and NoSpaceError or DestinationError when `work` cannot take the decoded file.
    """
    header = require_complete(path)
    shape = header.format
    direct = shape is not None and shape.container in _DIRECT and shape.frames > 0
    private = None if direct else decode(path, header, work)
    try:
        library = open_library(private, require_complete(private)) if private else open_library(path, header)
        if shape is None or not direct:
            shape = _decoded_shape(shape, library)
        found = (library.samplerate, library.channels, library.frames)
        if found != (shape.sample_rate, shape.channels, shape.frames):
            library.close()
            raise _mismatch(path, shape, found)
    except BaseException:
        if private is not None:
            private.unlink(missing_ok=True)
        raise
    return Sound(path, library, shape, private)


@dataclass(frozen=True)
class Scan:
    """What one pass over a whole sound finds."""

    audio_key: str
    """sha256, hex, of the format and the decoded float32 samples: equal for the same sound in another container. What
    32-bit integers or 64-bit floats hold below float32's precision does not enter, as it enters no result. The speaker
    mask does, above two channels, since it decides how they are separated."""
    levels: Levels
    mean: float
    """Of the mean over channels."""
    std: float
    """Of the mean over channels, with n - 1 in the denominator (as torch's); 0 for a single frame."""
    silent: bool
    """Every sample is exactly zero."""


def scan(sound: Sound, *, progress: Callable[[int], None] | None = None) -> Scan:
    """Hash and measure a whole sound in one pass of bounded memory; `progress` gets the frames done.

    Deterministic: all sums run in float64 over a fixed grid of blocks. Raises ReadError naming the first sample that is
    NaN or infinite, and for a file that breaks.
    """
    shape = sound.format
    mask = shape.channel_mask if shape.channels > 2 else 0
    digest = hashlib.sha256(f"stem-bridge sound 1: {shape.sample_rate} Hz, {shape.channels}, {mask:#x}\n".encode())
    meter = Meter(shape.sample_rate, shape.channels, shape.channel_mask)
    count, mean, scatter = 0, 0.0, 0.0
    for block in sound.blocks(_BLOCK_FRAMES):
        _check_finite(sound, block, count)
        digest.update(np.ascontiguousarray(block.T, dtype="<f4").data)  # (T, C)
        meter.add(block)
        mono = block.mean(axis=0, dtype=np.float64)  # (T,)
        mean, scatter = _merged(count, mean, scatter, mono)
        count += block.shape[1]
        if progress is not None:
            progress(count)
    std = math.sqrt(scatter / (count - 1)) if count > 1 else 0.0
    levels = meter.levels()
    return Scan(digest.hexdigest(), levels, mean, std, silent=levels.peak == 0.0)


def _merged(count: int, mean: float, scatter: float, samples: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Add samples to a running mean and sum of squared deviations (Chan, Golub and LeVeque, 1979)."""
    fresh_mean = float(samples.mean())
    fresh_scatter = float(np.square(samples - fresh_mean).sum())
    total = count + samples.size
    apart = fresh_mean - mean
    return mean + apart * samples.size / total, scatter + fresh_scatter + apart * apart * count * samples.size / total


def _check_finite(sound: Sound, block: FloatArray, start: int) -> None:
    finite = np.isfinite(block).all(axis=0)
    if finite.all():
        return
    frame = start + int(np.argmin(finite))
    raise ReadError(
        f"{sound.path.name} has a sample that is not a number at {frame / sound.format.sample_rate:.3f} s"
        f" (frame {frame}).",
        hint="A plugin in the render's path gave NaN or infinite; find it, and render again.",
        path=sound.path,
    )


def _decoded_shape(announced: AudioFormat | None, library: Any) -> AudioFormat:
    found = AudioFormat(library.samplerate, library.channels, library.frames, "FLOAT", "WAV")
    return replace(found, subtype=announced.subtype, container=announced.container) if announced else found


def _mismatch(path: Path, shape: AudioFormat, found: tuple[int, int, int]) -> ReadError:
    said = f"{shape.frames} frames of {shape.channels} channels at {shape.sample_rate} Hz"
    return ReadError(
        f"{path.name} is cut short or damaged: it announces {said},"
        f" but {found[2]} frames of {found[1]} channels at {found[0]} Hz decode.",
        hint="Copy or render it again.",
        path=path,
    )


def _broken(path: Path, frame: int, shape: AudioFormat, reason: str) -> ReadError:
    # libsndfile begins with "Error : " and ends with a full stop, or does neither.
    why = reason.removeprefix("Error : ").rstrip(".")
    return ReadError(
        f"{path.name} breaks at {frame / shape.sample_rate:.3f} s of {shape.seconds:.3f} s: {why}.",
        hint="Copy or render it again.",
        path=path,
    )
