"""Lossy files, and files without a length, decoded once into a private FLOAT WAV that can be read by frame ranges."""

from __future__ import annotations

import platform
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bridge.audio.containers.source import LONGEST_SECONDS
from bridge.audio.header import Header, require_complete
from bridge.audio.libsndfile import open_library
from bridge.audio.write import SoundWriter
from bridge.domain.render import AudioFormat
from bridge.errors import NoSpaceError, ReadError
from bridge.programs import NO_WINDOW

__all__ = ["decode"]

_BLOCK_FRAMES = 1 << 16
_LARGEST_BYTES = 32 << 30
"""Of a decoded file: six hours of stereo at 192 kHz. A file of some kilobytes may decode to terabytes."""
_LITTLE_BYTES = 1 << 20
_FFMPEG_SLACK_SECONDS = 1
"""By which the sound of an M4A may be longer than its index says, for the padding of its encoder."""
_LENGTH_UNKNOWN = 1 << 62
"""libsndfile says so, or more, of a FLAC file without a length."""
_INSTALL = {
    "Darwin": "brew install ffmpeg",
    "Windows": "winget install Gyan.FFmpeg",
    "Linux": "sudo apt install ffmpeg",
}


def decode(path: Path, header: Header, work: Path) -> Path:
    """Decode a complete sound file block by block into a new file in `work`, which the caller removes.

    Memory is bounded, and so is the disk: by what the header announces, else by 6 hours and by 32 GiB. Raises ReadError
    when it does not decode to the end, or goes on beyond that; NoSpaceError, DestinationError. An
    MP3 that never said its length and was cut between two of its frames cannot be told from a whole one.
    """
    target = work / f"decoded-{uuid.uuid4().hex}.wav"
    if header.format is not None and header.format.container == "M4A":
        _decode_with_ffmpeg(path, header.format, target)
        return target
    with open_library(path, header, as_stream=True) as library:
        writer = SoundWriter(
            target, sample_rate=library.samplerate, channels=library.channels, subtype="FLOAT", container="WAV"
        )
        expected = library.frames if library.frames < _LENGTH_UNKNOWN else None
        most = _most_frames(library.samplerate, library.channels)
        limit = most if expected is None else min(expected, most)
        with writer:
            while True:
                block = _next_block(library, path)
                if not block.size:
                    break
                if writer.frames + len(block) > limit:
                    raise _endless(path, "it announces" if limit == expected else "it may have", limit)
                writer.write(block.T)
            if not writer.frames or (expected is not None and writer.frames != expected):
                announced = "sound" if expected is None else f"{expected} frames"
                message = f"{path.name} is cut short: it announces {announced}, {writer.frames} frames decode."
                raise ReadError(message, hint="Copy or render it again.", path=path)
    return target


def _most_frames(sample_rate: int, channels: int) -> int:
    return min(LONGEST_SECONDS * sample_rate, _LARGEST_BYTES // (4 * channels))


def _endless(path: Path, says: str, frames: int) -> ReadError:
    return ReadError(
        f"{path.name} decodes to more than the {frames} frames that {says}.",
        hint="Split it, or render it again as WAV.",
        path=path,
    )


def _next_block(library: Any, path: Path) -> Any:
    try:
        block = library.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)  # (T, C)
    except soundfile.SoundFileError as exc:
        raise ReadError(f"{path.name} breaks while decoding: {exc}", hint="Render it again.", path=path) from exc
    if not np.isfinite(block).all():
        raise ReadError(f"{path.name} decodes to samples that are no numbers.", hint="Render it again.", path=path)
    return block


def _decode_with_ffmpeg(path: Path, shape: AudioFormat, target: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        raise ReadError(
            f"{path.name} needs ffmpeg to be decoded, which is not installed.",
            hint=f"Install it ({_INSTALL.get(platform.system(), _INSTALL['Linux'])}), or render as WAV.",
            path=path,
        )
    command = [program, "-nostdin", "-v", "error", "-xerror", "-protocol_whitelist", "file", "-f", "mov"]
    # One second more than is allowed shows that the sound goes on.
    seconds = min(shape.seconds or LONGEST_SECONDS, _most_frames(shape.sample_rate, shape.channels) / shape.sample_rate)
    command += ["-i", f"file:{path}", "-map", "0:a:0", "-t", f"{seconds + 2 * _FFMPEG_SLACK_SECONDS:.3f}"]
    command += ["-fs", str(_LARGEST_BYTES), "-c:a", "pcm_f32le"]
    command += ["-map_metadata", "-1", "-rf64", "auto", "-f", "wav", "-n", f"file:{target}"]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, creationflags=NO_WINDOW)
    if done.returncode == 0:
        found = require_complete(target).format
        goes_on = found is None or found.seconds > seconds + _FFMPEG_SLACK_SECONDS
        if goes_on or target.stat().st_size >= _LARGEST_BYTES - _LITTLE_BYTES:
            target.unlink(missing_ok=True)
            raise _endless(path, "it announces", round(seconds * shape.sample_rate))
        return
    target.unlink(missing_ok=True)
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = lines[-1] if lines else f"ffmpeg stopped with code {done.returncode}"
    if "No space left" in reason:
        raise NoSpaceError(f"The disk is full: {path.name} cannot be decoded.", hint="Free some space.", path=target)
    raise ReadError(f"{path.name} cannot be decoded: {reason}.", hint="Render it as WAV, FLAC or AIFF.", path=path)
