"""What a render says beside its sound: broadcast extension (bext), cue markers and regions, iXML; read, and written
again for each stem.

Sources: EBU Tech 3285 (bext, versions 0 to 2), Microsoft's multimedia standards update of 1994 (cue, LIST adtl),
iXML 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.parsers import expat

from bridge.audio.containers.riff import Chunk, text_of, walk
from bridge.audio.containers.source import Source
from bridge.audio.tags import Tags
from bridge.domain.render import Marker, Origin
from bridge.errors import ReadError
from bridge.words import reason_of

__all__ = ["Broadcast", "Chunks", "read_chunks"]

_BEXT = struct.Struct("<256s32s32s10s8sQH64s")
_BEXT_BYTES = 602
"""Fixed part of a bext chunk; the coding history follows."""
_UNMEASURED = struct.pack("<5h", *[0x7FFF] * 5)
"""Loudness fields of version 2, "not measured": the mix's own figures would be wrong on a stem."""
_LARGEST_BYTES = 1 << 20
"""Of any chunk we take in."""
_MOST_MARKERS = 10_000
_LARGEST_POSITION = 0xFFFFFFFF
_LONGEST_PROJECT_SECONDS = 12 * 3600
"""A bext time beyond this is a time of day, not a place in a project."""


@dataclass(frozen=True)
class Broadcast:
    """The broadcast extension of a WAV file. Text longer than its field is cut when written."""

    description: str = ""
    originator: str = ""
    originator_reference: str = ""
    date: str = ""
    """'yyyy-mm-dd', as the file says it."""
    time: str = ""
    """'hh:mm:ss', as the file says it."""
    time_reference_frames: int = 0
    """First frame since midnight, or since the project's start, at the file's sample rate."""
    version: int = 1
    umid: bytes = b""
    """64 bytes, or empty for none."""
    coding_history: str = ""

    def encoded(self) -> bytes:
        """Return the content of a bext chunk."""
        fixed = _BEXT.pack(
            _fitted(self.description, 256),
            _fitted(self.originator, 32),
            _fitted(self.originator_reference, 32),
            _fitted(self.date, 10),
            _fitted(self.time, 8),
            self.time_reference_frames,
            self.version,
            self.umid,
        )
        loudness = _UNMEASURED if self.version >= 2 else b""
        return (fixed + loudness).ljust(_BEXT_BYTES, b"\0") + self.coding_history.encode("utf-8")


@dataclass(frozen=True)
class Chunks:
    """What is carried from a render to its stems: law, reading a file written with it gives an equal value."""

    broadcast: Broadcast | None = None
    markers: tuple[Marker, ...] = ()
    """Sorted by position."""
    ixml: bytes = b""
    """A well-formed document as the file holds it; empty for none."""
    tags: Tags = field(default_factory=Tags)
    """Read by `bridge.audio.tag_read`; what files other than WAV carry of all this."""

    def for_stem(self, label: str) -> Chunks:
        """Return what one stem carries: the stem's name stands in its title."""
        return replace(self, tags=self.tags.for_stem(label))

    @property
    def time_reference_frames(self) -> int | None:
        """Where the sound starts, in frames at the file's rate; None where the file does not say."""
        return self.broadcast.time_reference_frames if self.broadcast else None

    def origin(self, sample_rate: int) -> Origin:
        """Return where in the project the sound starts, as far as the file says so."""
        frames = self.time_reference_frames
        if frames is None or frames > _LONGEST_PROJECT_SECONDS * sample_rate:
            return Origin()
        return Origin(frames / sample_rate, "bext")

    def encoded(self) -> list[tuple[bytes, bytes]]:
        """Return name and content of every RIFF chunk but those of the tags, all of even length.

        libsndfile takes the pad byte of an odd chunk for part of the next one in RF64 files. Markers past 2^32 frames
        do not fit and are left out.
        """
        chunks: list[tuple[bytes, bytes]] = []
        if self.broadcast is not None:
            chunks.append((b"bext", self.broadcast.encoded()))
        markers = [marker for marker in self.markers if marker.position_frames <= _LARGEST_POSITION]
        if markers:
            chunks.append((b"cue ", _encoded_cue(markers)))
            chunks.append((b"LIST", _encoded_labels(markers)))
        if self.ixml:
            chunks.append((b"iXML", self.ixml))
        return [(name, content + b"\0" * (len(content) % 2)) for name, content in chunks]


def read_chunks(path: Path) -> Chunks:
    """Read what a WAV, RF64 or BW64 file says beside its sound; other containers give empty `Chunks`.

    Damaged or hostile chunks (too large, no XML, entities declared) are left out. Labels are UTF-8, else Latin-1.
    Markers of FLAC and AIFF files are not read, and such outputs do not carry any. Raises ReadError when the file
    cannot be opened or its chunks do not end.
    """
    try:
        with path.open("rb") as file:
            source = Source(file, path.stat().st_size, path)
            head = source.at(0, 12)
            if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
                return Chunks()
            return _read(source)
    except OSError as exc:
        raise ReadError(
            f"{path.name} cannot be read: {reason_of(exc)}.", hint="Check its permissions.", path=path
        ) from exc


def _read(source: Source) -> Chunks:
    broadcast: Broadcast | None = None
    ixml = b""
    positions: dict[int, int] = {}
    names: dict[int, str] = {}
    lengths: dict[int, int] = {}
    for chunk in walk(source):
        if chunk.size > _LARGEST_BYTES or chunk.name not in (b"bext", b"cue ", b"LIST", b"iXML"):
            continue
        content = source.at(chunk.offset, chunk.size)
        if chunk.name == b"bext" and broadcast is None:
            broadcast = _decoded_broadcast(content)
        elif chunk.name == b"cue ":
            positions = positions or _decoded_cue(content)
        elif chunk.name == b"iXML" and not ixml:
            document = content.rstrip(b"\0")
            ixml = document if _is_sound_xml(document) else b""
        elif content[:4] == b"adtl":
            _decode_labels(content, names, lengths)
    markers = (Marker(at, names.get(number, ""), lengths.get(number, 0)) for number, at in positions.items())
    return Chunks(broadcast, tuple(sorted(markers, key=lambda one: one.position_frames)), ixml)


def _decoded_broadcast(content: bytes) -> Broadcast | None:
    if len(content) < _BEXT.size:
        return None
    description, originator, reference, date, time, frames, version, umid = _BEXT.unpack_from(content)
    return Broadcast(
        text_of(description),
        text_of(originator),
        text_of(reference),
        text_of(date),
        text_of(time),
        frames,
        version,
        umid if any(umid) else b"",
        text_of(content[_BEXT_BYTES:]),
    )


def _decoded_cue(content: bytes) -> dict[int, int]:
    """Return cue point number to frame."""
    positions: dict[int, int] = {}
    count = min(int.from_bytes(content[:4], "little"), (len(content) - 4) // 24, _MOST_MARKERS)
    for index in range(count):
        number, _, chunk, _, _, frame = struct.unpack_from("<II4sIII", content, 4 + 24 * index)
        if chunk == b"data":
            positions.setdefault(number, frame)
    return positions


def _decode_labels(content: bytes, names: dict[int, str], lengths: dict[int, int]) -> None:
    for chunk in _subchunks(content):
        body = content[chunk.offset : chunk.offset + chunk.size]
        number = int.from_bytes(body[:4], "little")
        if chunk.name == b"labl" and len(body) >= 4:
            names.setdefault(number, text_of(body[4:]))
        elif chunk.name == b"ltxt" and len(body) >= 8:
            lengths.setdefault(number, int.from_bytes(body[4:8], "little"))


def _subchunks(content: bytes) -> Iterator[Chunk]:
    position = 4
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        yield Chunk(name, position + 8, size)
        position += 8 + size + size % 2


def _encoded_cue(markers: list[Marker]) -> bytes:
    points = (
        struct.pack("<II4sIII", number, marker.position_frames, b"data", 0, 0, marker.position_frames)
        for number, marker in enumerate(markers, start=1)
    )
    return struct.pack("<I", len(markers)) + b"".join(points)


def _encoded_labels(markers: list[Marker]) -> bytes:
    parts = [b"adtl"]
    for number, marker in enumerate(markers, start=1):
        label = struct.pack("<I", number) + marker.name.replace("\0", "").encode("utf-8") + b"\0"
        parts.append(b"labl" + struct.pack("<I", len(label)) + label + b"\0" * (len(label) % 2))
        if marker.length_frames > 0:
            region = struct.pack("<II4s4H", number, min(marker.length_frames, _LARGEST_POSITION), b"rgn ", 0, 0, 0, 0)
            parts.append(b"ltxt" + struct.pack("<I", len(region)) + region)
    return b"".join(parts)


def _fitted(text: str, size: int) -> bytes:
    """Encode to at most `size` bytes without cutting a character."""
    return text.encode("utf-8")[:size].decode("utf-8", "ignore").encode("utf-8")


def _is_sound_xml(document: bytes) -> bool:
    """Say whether it is a well-formed document without a document type, so without entities of its own."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise expat.ExpatError("document type declared")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return True
