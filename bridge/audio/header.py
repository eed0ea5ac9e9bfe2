"""Is this a sound file, and has its writer finished? Answered from the bytes of the container, never from the name."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from bridge.audio.containers import aiff, flac, mp4, mpeg, ogg, riff, wave64
from bridge.audio.containers.source import Header, Source
from bridge.errors import ReadError
from bridge.words import reason_of

__all__ = ["Header", "inspect", "inspect_open", "require_complete"]

_FOREIGN = {
    b"RIFX": "a big-endian WAV",
    b"caff": "a Core Audio file",
    b".snd": "a Sun audio file",
    b"wvpk": "a WavPack file",
    b"MAC ": "a Monkey's Audio file",
    b"MThd": "a MIDI file",
}
_MAGICS = (b"RIFF", b"RF64", b"BW64", wave64.RIFF_GUID, b"FORM", b"fLaC", b"OggS", b"ID3")
_BLANK_BYTES = 44
"""A header of zeros so long: space that a writer keeps for later (the length of the plainest WAV header)."""


def inspect(path: Path) -> Header:
    """Say what the container at `path` declares, and whether it is complete.

    Reads at most some kilobytes, whatever the file says. FLAC and MP3 can be complete here and still break when
    decoded; `bridge.audio.read` finds that. Raises ReadError for what can never be right: no sound file, an encoding or
    a shape outside the limits, sizes that wrapped at 4 GB, a file that cannot be opened.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise ReadError(f"{path.name} is {what}.", hint="Give a sound file.", path=path)
        with path.open("rb") as file:
            return inspect_open(file, found.st_size, path)
    except FileNotFoundError as exc:
        raise ReadError(f"{path} does not exist.", hint="Check the name and the folder.", path=path) from exc
    except OSError as exc:
        raise ReadError(
            f"{path.name} cannot be opened: {reason_of(exc)}.", hint="Check its permissions.", path=path
        ) from exc


def inspect_open(file: BinaryIO, size: int, path: Path) -> Header:
    """Say what `inspect` says, of a file that is open already and `size` bytes long; `path` is for words only.

    Raises ReadError as `inspect` does, and OSError when it cannot be read.
    """
    return _parse(Source(file, size, path))


def require_complete(path: Path) -> Header:
    """Return the header of a complete sound file; raise ReadError with the reason for every other."""
    header = inspect(path)
    if header.state == "unfinished":
        raise ReadError(
            f"{path.name} is not finished: {header.reason}.",
            hint="Wait until the render has ended; if it has, render it again.",
            path=path,
        )
    if header.state == "truncated":
        raise ReadError(
            f"{path.name} is cut short: {header.reason}.",
            hint="Copy or render it again; the disk may have been full.",
            path=path,
        )
    return header


def _parse(source: Source) -> Header:
    if source.size == 0:
        return Header("unfinished", "it is empty", None)
    head = source.at(0, _BLANK_BYTES)
    if not any(head):
        return Header("unfinished", "its header is still blank", None)
    if head[:16] == wave64.RIFF_GUID:
        return wave64.parse(source)
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return riff.parse(source)
    if head[:4] == b"FORM":
        return aiff.parse(source)
    if head[:4] == b"OggS":
        return ogg.parse(source)
    if head[4:8] == b"ftyp":
        return mp4.parse(source)
    return _parse_after_tag(source, head)


def _parse_after_tag(source: Source, head: bytes) -> Header:
    """FLAC and MP3 may begin with an ID3 tag."""
    start = mpeg.tag_bytes(head)
    if source.at(start, 4) == b"fLaC":
        return flac.parse(source, start)
    header = mpeg.parse(source, start)
    if header is not None:
        return header
    if start >= source.size or any(magic.startswith(head) for magic in _MAGICS):
        return Header("unfinished", "it ends inside its header", None)
    if head[:4] in _FOREIGN:
        raise source.refusal(f"is {_FOREIGN[head[:4]]}, which is not supported.", "Render it as WAV, FLAC or AIFF.")
    raise source.refusal("is not a sound file, whatever its name says.", "Render it as WAV, FLAC or AIFF.")
