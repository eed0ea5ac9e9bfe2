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
from bridge.audio.header import Header
from bridge.audio.libsndfile import open_library
from bridge.audio.write import SoundWriter
from bridge.errors import NoSpaceError, ReadError

__all__ = ["decode"]

_BLOCK_FRAMES = 1 << 16
_LENGTH_UNKNOWN = 1 << 62
"""libsndfile says so, or more, of a FLAC file without a length."""
_INSTALL = {
    "Darwin": "brew install ffmpeg",
    "Windows": "winget install Gyan.FFmpeg",
    "Linux": "sudo apt install ffmpeg",
}


def decode(path: Path, header: Header, work: Path) -> Path:
    """Decode a complete sound file block by block into a new file in `work`, which the caller removes.

    Raises ReadError when it does not decode to the end, or is longer than the limit; NoSpaceError, DestinationError. An
    MP3 that never said its length and was cut between two of its frames cannot be told from a whole one.
    """
    target = work / f"decoded-{uuid.uuid4().hex}.wav"
    if header.format is not None and header.format.container == "M4A":
        _decode_with_ffmpeg(path, target)
        return target
    with open_library(path, header, as_stream=True) as library:
        writer = SoundWriter(
            target, sample_rate=library.samplerate, channels=library.channels, subtype="FLOAT", container="WAV"
        )
        expected = library.frames if library.frames < _LENGTH_UNKNOWN else None
        limit = LONGEST_SECONDS * library.samplerate
        with writer:
            while True:
                block = _next_block(library, path)
                if not block.size:
                    break
                writer.write(block.T)
                if writer.frames > limit:
                    raise ReadError(f"{path.name} is longer than 6 hours.", hint="Split it.", path=path)
            if not writer.frames or (expected is not None and writer.frames != expected):
                announced = "sound" if expected is None else f"{expected} frames"
                message = f"{path.name} is cut short: it announces {announced}, {writer.frames} frames decode."
                raise ReadError(message, hint="Copy or render it again.", path=path)
    return target


def _next_block(library: Any, path: Path) -> Any:
    try:
        block = library.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)  # (T, C)
    except soundfile.SoundFileError as exc:
        raise ReadError(f"{path.name} breaks while decoding: {exc}", hint="Render it again.", path=path) from exc
    if not np.isfinite(block).all():
        raise ReadError(f"{path.name} decodes to samples that are no numbers.", hint="Render it again.", path=path)
    return block


def _decode_with_ffmpeg(path: Path, target: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        raise ReadError(
            f"{path.name} needs ffmpeg to be decoded, which is not installed.",
            hint=f"Install it ({_INSTALL.get(platform.system(), _INSTALL['Linux'])}), or render as WAV.",
            path=path,
        )
    command = [program, "-nostdin", "-v", "error", "-xerror", "-protocol_whitelist", "file", "-f", "mov"]
    command += ["-i", f"file:{path}", "-map", "0:a:0", "-t", str(LONGEST_SECONDS), "-c:a", "pcm_f32le"]
    command += ["-map_metadata", "-1", "-rf64", "auto", "-f", "wav", "-n", f"file:{target}"]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return
    target.unlink(missing_ok=True)
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = lines[-1] if lines else f"ffmpeg stopped with code {done.returncode}"
    if "No space left" in reason:
        raise NoSpaceError(f"The disk is full: {path.name} cannot be decoded.", hint="Free some space.", path=target)
    raise ReadError(f"{path.name} cannot be decoded: {reason}.", hint="Render it as WAV, FLAC or AIFF.", path=path)
