"""Tags written into the stems: chunks for WAV, blocks for FLAC, an ID3 chunk at the end of AIFF."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import mutagen
import mutagen.id3
from mutagen.flac import FLAC
from mutagen.flac import Picture as FlacPicture

from bridge.audio.tag_names import ID3_FRAMES, INFO
from bridge.audio.tags import Tags

__all__ = ["add_to_aiff", "add_to_flac", "riff_chunks"]

_FRONT_COVER = 3
_UTF8 = 3
_PADDING_BYTES = 1024
_LARGEST_AIFF_BYTES = 0xFFFFFFFF


def riff_chunks(tags: Tags) -> list[tuple[bytes, bytes]]:
    """Return name and content of the chunks of a WAV file: LIST INFO, which all programs read, and ID3 with the rest.

    All of even length.
    """
    if not tags:
        return []
    names = {known: name for name, known in INFO.items()}
    parts = [b"INFO"]
    for name, values in tags.texts:
        if name in names:
            text = "; ".join(values).encode("utf-8") + b"\0"
            parts.append(struct.pack("<4sI", names[name].encode("ascii"), len(text)) + text + b"\0" * (len(text) % 2))
    chunks = [(b"LIST", b"".join(parts))] if len(parts) > 1 else []
    return [*chunks, (b"id3 ", id3_bytes(tags))]


def id3_bytes(tags: Tags) -> bytes:
    """Return an ID3v2.4 tag of even length; equal tags give equal bytes."""
    frames: Any = mutagen.id3.ID3()
    kinds = {known: kind for kind, known in ID3_FRAMES.items()}
    for name, values in tags.texts:
        text = list(values)
        if name in ("TRACKNUMBER", "DISCNUMBER"):
            total = tags.first(name.replace("NUMBER", "TOTAL"))
            text = [f"{values[0]}/{total}" if total else values[0]]
        elif name in ("TRACKTOTAL", "DISCTOTAL") and tags.first(name.replace("TOTAL", "NUMBER")):
            continue
        frames.add(_frame(name, kinds.get(name), text))
    if tags.picture is not None:
        cover = {"encoding": _UTF8, "mime": tags.picture.mime, "type": _FRONT_COVER, "desc": ""}
        frames.add(mutagen.id3.APIC(**cover, data=tags.picture.data))
    file = io.BytesIO()
    frames.save(file, v1=0, v2_version=4, padding=lambda _: 0)
    if len(file.getvalue()) % 2:
        frames.save(file, v1=0, v2_version=4, padding=lambda _: 1)
    return file.getvalue()


def _frame(name: str, kind: str | None, text: list[str]) -> Any:
    if kind is not None:
        return getattr(mutagen.id3, kind)(encoding=_UTF8, text=text)
    if name == "COMMENT":
        return mutagen.id3.COMM(encoding=_UTF8, lang="XXX", desc="", text=text)
    if name == "LYRICS":
        return mutagen.id3.USLT(encoding=_UTF8, lang="XXX", desc="", text="\n\n".join(text))
    return mutagen.id3.TXXX(encoding=_UTF8, desc=name, text=text)


def add_to_flac(path: Path, tags: Tags) -> None:
    """Put tags into a closed FLAC file. Raises OSError when the disk refuses; the file is then of no use."""
    try:
        file: Any = FLAC(path)
        if file.tags is None:
            file.add_tags()
        file.tags.extend((name, value) for name, values in tags.texts for value in values)
        if tags.picture is not None:
            cover = FlacPicture()
            cover.type, cover.mime, cover.data = _FRONT_COVER, tags.picture.mime, tags.picture.data
            file.add_picture(cover)
        file.save(padding=lambda _: _PADDING_BYTES)
    except mutagen.MutagenError as exc:
        cause = exc.args[0] if exc.args else None
        raise cause if isinstance(cause, OSError) else OSError(None, str(exc)) from exc


def add_to_aiff(file: BinaryIO, tags: Tags) -> None:
    """Put tags at the end of a whole AIFF file that is open for change; left out where it would pass 4 GB."""
    content = id3_bytes(tags)
    end = file.seek(0, os.SEEK_END)
    form_bytes = end + end % 2 + 8 + len(content) - 8
    if form_bytes > _LARGEST_AIFF_BYTES:
        return
    file.write(b"\0" * (end % 2) + struct.pack(">4sI", b"ID3 ", len(content)) + content)
    file.seek(4)
    file.write(struct.pack(">I", form_bytes))
