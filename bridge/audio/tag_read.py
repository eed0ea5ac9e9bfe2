"""Tags read from a render: hostile by assumption, read within a fixed budget, and never a reason for a job to fail."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import mutagen
from mutagen.flac import FLAC
from mutagen.id3 import ID3, Frames, Frames_2_2, ID3JunkFrameError, ParseID3v1
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from bridge.audio.containers import aiff, mpeg, riff
from bridge.audio.containers.riff import Chunk, text_of
from bridge.audio.containers.source import Source
from bridge.audio.header import inspect
from bridge.audio.tag_names import AIFF_TEXTS, ID3_FRAMES, INFO, MP4_ATOMS
from bridge.audio.tags import LARGEST_PICTURE_BYTES, Tags, gathered
from bridge.errors import ReadError
from bridge.words import reason_of

__all__ = ["read_tags"]

_BUDGET_BYTES = 32 << 20
"""Of all that is read from one file, a cover of the largest size in base64 included."""
_LARGEST_TEXT_CHUNK_BYTES = 1 << 20
_MOST_FRAMES = 500
_COMPRESSED_23, _COMPRESSED_24 = 0x0080, 0x0008
_FRONT_COVER = 3
_BROKEN = (
    mutagen.MutagenError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What a parser raises for a tag that is none."""

_Texts = dict[str, list[str]]
_Found = tuple[_Texts, list[bytes]]
"""Names and their values, and pictures, the best first."""


def read_tags(path: Path) -> tuple[Tags, tuple[str, ...]]:
    """Read the tags and the front cover of a sound file; also return what was left out, one sentence each.

    WAV (ID3, LIST INFO), RF64, AIFF (ID3, text chunks), FLAC, Ogg (Vorbis, Opus, FLAC), MP3 (ID3v1, ID3v2) and M4A; W64
    has none. Damaged and hostile tags give none and a sentence; at most 32 MiB are read, compressed frames are passed
    over. Raises ReadError when the file cannot be opened or is no sound file.
    """
    shape = inspect(path).format
    reader = _READERS.get(shape.container) if shape is not None else None
    if reader is None:
        return Tags(), ()
    try:
        with path.open("rb") as file:
            found = reader(_Frugal(file, path.stat().st_size), path)
    except OSError as exc:
        raise ReadError(
            f"{path.name} cannot be read: {reason_of(exc)}.", hint="Check its permissions.", path=path
        ) from exc
    except (*_BROKEN, ReadError):
        return Tags(), ("The tags are damaged or too large; the stems have none.",)
    return gathered(*found)


class _Frugal(io.RawIOBase):
    """A file of which no more than the budget can be read."""

    def __init__(self, file: Any, size: int) -> None:
        self._file = file
        self._left = _BUDGET_BYTES
        self.size = size

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.size - self.tell() if size is None or size < 0 else min(size, self.size - self.tell())
        if wanted > self._left:
            raise ValueError("tags beyond the budget")
        data: bytes = self._file.read(max(0, wanted))
        self._left -= len(data)
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position: int = self._file.seek(offset, whence)
        return position

    def tell(self) -> int:
        position: int = self._file.tell()
        return position


def _bytes(file: _Frugal, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


class _Guard:
    """Stands for a kind of frame: passes over what is compressed (a small file would fill the memory) and too many."""

    def __init__(self, kind: Any, left: list[int]) -> None:
        self._kind = kind
        self._left = left

    def _fromData(self, header: Any, flags: int, data: bytes) -> Any:  # noqa: N802 - mutagen's name
        compressed = _COMPRESSED_24 if header.version >= (2, 4, 0) else _COMPRESSED_23
        self._left[0] -= 1
        if flags & compressed or self._left[0] < 0:
            raise ID3JunkFrameError
        return self._kind._fromData(header, flags, data)


def _id3(data: bytes) -> _Found:
    """Read an ID3v2 tag from its bytes."""
    left = [_MOST_FRAMES]
    known = {name: _Guard(kind, left) for name, kind in {**Frames, **Frames_2_2}.items() if _is_wanted(name, kind)}
    return _frames(ID3(io.BytesIO(data), known_frames=known, load_v1=False))


def _is_wanted(name: str, kind: Any) -> bool:
    modern = kind.__base__.__name__ if len(name) == 3 else name
    return modern in ID3_FRAMES or modern in ("COMM", "USLT", "TXXX", "APIC", "TYER", "TDAT", "TIME", "TORY")


def _frames(tag: Any) -> _Found:
    texts: _Texts = {}
    pictures: list[tuple[bool, bytes]] = []
    for frame in tag.values():
        kind = type(frame).__name__
        if kind == "APIC":
            pictures.append((frame.type != _FRONT_COVER, frame.data))
        elif kind == "TXXX":
            texts.setdefault(frame.desc.upper(), []).extend(map(str, frame.text))
        elif kind == "USLT":
            texts.setdefault("LYRICS", []).append(frame.text)
        elif kind == "COMM" and not frame.desc.upper().startswith(("ITUN", "ID3V1")):
            texts.setdefault("COMMENT", []).extend(map(str, frame.text))
        elif kind == "TCON":
            texts.setdefault("GENRE", []).extend(frame.genres)
        elif kind in ID3_FRAMES:
            texts.setdefault(ID3_FRAMES[kind], []).extend(map(str, frame.text))
    return texts, [data for _, data in sorted(pictures, key=lambda one: one[0])]


def _wave(file: _Frugal, path: Path) -> _Found:
    return _chunked(file, riff.walk(_source(file, path)))


def _aiff(file: _Frugal, path: Path) -> _Found:
    return _chunked(file, aiff.walk(_source(file, path)))


def _source(file: _Frugal, path: Path) -> Source:
    return Source(cast("BinaryIO", file), file.size, path)


def _chunked(file: _Frugal, chunks: Iterator[Chunk]) -> _Found:
    """Read the chunks of a WAV or AIFF file; what its ID3 tag says goes before the older kinds of text."""
    texts: _Texts = {}
    plain: _Texts = {}
    pictures: list[bytes] = []
    for chunk in list(chunks):
        name = chunk.name.decode("latin-1")
        if name.upper() == "ID3 " and not texts and not pictures:
            texts, pictures = _id3(_bytes(file, chunk.offset, chunk.size))
        elif name in AIFF_TEXTS and chunk.size <= _LARGEST_TEXT_CHUNK_BYTES:
            plain.setdefault(AIFF_TEXTS[name], []).append(text_of(_bytes(file, chunk.offset, chunk.size)))
        elif name == "LIST" and chunk.size <= _LARGEST_TEXT_CHUNK_BYTES:
            _add_information(_bytes(file, chunk.offset, chunk.size), plain)
    return {**plain, **texts}, pictures


def _add_information(content: bytes, texts: _Texts) -> None:
    position = 4 if content[:4] == b"INFO" else len(content)
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        if known := INFO.get(name.decode("latin-1")):
            texts.setdefault(known, []).append(text_of(content[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2


def _mp3(file: _Frugal, path: Path) -> _Found:
    size = mpeg.tag_bytes(_bytes(file, 0, 10))
    texts, pictures = _id3(_bytes(file, 0, size)) if size else ({}, [])
    end = _bytes(file, file.size - 128, 128) if file.size >= 128 else b""
    old = _frames(ParseID3v1(end) or {})[0] if end[:3] == b"TAG" else {}
    return {**old, **texts}, pictures


def _flac(file: _Frugal, path: Path) -> _Found:
    found = FLAC(file)
    texts, _ = _comments(found)
    covers = sorted(found.pictures, key=lambda one: one.type != _FRONT_COVER)
    return texts, [one.data for one in covers if one.mime != "-->"]


def _ogg(file: _Frugal, path: Path) -> _Found:
    found: Any = mutagen.File(file, options=[OggVorbis, OggOpus, OggFLAC])
    return _comments(found)


def _comments(found: Any) -> _Found:
    """Read Vorbis comments; a cover among them is a FLAC picture in base64."""
    import base64

    from mutagen.flac import Picture

    texts: _Texts = {}
    covers = []
    for name, value in (found.tags or []) if found is not None else []:
        if name.upper() != "METADATA_BLOCK_PICTURE":
            texts.setdefault(name.upper(), []).append(value)
        elif len(value) <= 2 * LARGEST_PICTURE_BYTES:
            covers.append(Picture(base64.b64decode(value)))
    return texts, [one.data for one in sorted(covers, key=lambda one: one.type != _FRONT_COVER) if one.mime != "-->"]


def _mp4(file: _Frugal, path: Path) -> _Found:
    texts: _Texts = {}
    tags: Any = MP4(file).tags or {}
    for name, values in tags.items():
        if name in MP4_ATOMS:
            texts[MP4_ATOMS[name]] = [str(value) for value in values]
        elif name in ("trkn", "disk"):
            number, total = values[0]
            texts["TRACKNUMBER" if name == "trkn" else "DISCNUMBER"] = [f"{number}/{total}" if total else str(number)]
        elif name.startswith("----:com.apple.iTunes:"):
            texts.setdefault(name.rpartition(":")[2].upper(), []).extend(text_of(bytes(value)) for value in values)
    return texts, [bytes(cover) for cover in tags.get("covr", [])]


_READERS: dict[str, Callable[[_Frugal, Path], _Found]] = {
    "WAV": _wave,
    "RF64": _wave,
    "AIFF": _aiff,
    "FLAC": _flac,
    "OGG": _ogg,
    "MP3": _mp3,
    "M4A": _mp4,
}
