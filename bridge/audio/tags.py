"""Tags and artwork of a render, on their way to its stems: one set of names for every container, and fixed limits.

The names are those of Vorbis comments (xiph.org, "Field names", and the tables of MusicBrainz Picard), in capitals.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["LARGEST_PICTURE_BYTES", "Picture", "Tags", "gathered", "picture_of"]

LARGEST_PICTURE_BYTES = 8 << 20
_MOST_VALUES = 200
_LONGEST_VALUE = 20_000
"""Characters; lyrics have some thousand."""
_LONGEST_IN_ALL = 200_000
_NAME = re.compile(r"[ -<>-}]{1,64}")
_OF_THE_MIX = re.compile(
    r"MUSICBRAINZ|ACOUSTID|ISRC$|REPLAYGAIN|R128_|MP3GAIN|ITUN|ENCOD|LENGTH$|TITLESORT$|CUESHEET|ACCURATERIP"
    r"|WAVEFORMATEXTENSIBLE|METADATA_BLOCK|COVERART|SERATO|TRAKTOR|LOG$|MUSICIP|FINGERPRINT|VENDOR$|ID3V1 COMMENT"
)
"""What names or measures the recording of the mix, or how it was coded: wrong on a stem."""
_KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """The front cover."""

    mime: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Tags:
    """What a sound file says of its music."""

    texts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Names in capitals, sorted, each with at least one value."""
    picture: Picture | None = None

    def __bool__(self) -> bool:
        return bool(self.texts or self.picture)

    def first(self, name: str) -> str:
        """Return the first value of a name, '' when it is not there."""
        return next((values[0] for known, values in self.texts if known == name), "")

    def for_stem(self, label: str) -> Tags:
        """Return the tags of one stem: 'Song' becomes 'Song (Vocals)'; without a title nothing is invented."""
        if not (title := self.first("TITLE")):
            return self
        renamed = ((name, (f"{title} ({label})",) if name == "TITLE" else values) for name, values in self.texts)
        return replace(self, texts=tuple(renamed))

    def overruled(self, better: Iterable[tuple[str, str]]) -> Tags:
        """Return these tags with other values for some names, or for new ones; those of the mix's own are not taken."""
        texts = dict(self.texts)
        for name, value in better:
            if _NAME.fullmatch(name) and not _OF_THE_MIX.match(name.upper()) and (text := _clean(value)):
                texts[name.upper()] = (text,)
        return replace(self, texts=tuple(sorted(texts.items())))

    def digest(self) -> str:
        """Name all of it, hex; '' for nothing."""
        if not self:
            return ""
        digest = hashlib.sha256(json.dumps(self.texts).encode())
        if self.picture is not None:
            digest.update(self.picture.data)
        return digest.hexdigest()


def picture_of(data: bytes) -> Picture | None:
    """Take a picture for what its first bytes say; None when it is none, or a link, or larger than the limit."""
    kind = next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), None)
    if kind is None or len(data) > LARGEST_PICTURE_BYTES or (kind == "image/webp" and data[8:12] != b"WEBP"):
        return None
    return Picture(kind, bytes(data))


def gathered(found: Mapping[str, Sequence[str]], pictures: Iterable[bytes]) -> tuple[Tags, tuple[str, ...]]:
    """Take what belongs on a stem as well, within the limits; also return what was left out, in words.

    Names and measures of the mix's own recording (MusicBrainz, ISRC, ReplayGain) are dropped without a word.
    """
    texts: dict[str, tuple[str, ...]] = {}
    values = characters = 0
    crowded = False
    for name, given in _numbered({name.upper(): words for name, words in found.items()}).items():
        if not _NAME.fullmatch(name) or _OF_THE_MIX.match(name):
            continue
        kept = []
        for value in map(_clean, given):
            fits = len(value) <= _LONGEST_VALUE and values < _MOST_VALUES and characters + len(value) <= _LONGEST_IN_ALL
            crowded |= not fits
            if value and fits:
                kept.append(value)
                values, characters = values + 1, characters + len(value)
        if kept:
            texts[name] = tuple(kept)
    taken = [(data, picture_of(data)) for data in pictures]
    picture = next((picture for _, picture in taken if picture is not None), None)
    notices = ["Some tags are too many or too long for the stems, and were left out."] if crowded else []
    if picture is None and any(len(data) > LARGEST_PICTURE_BYTES for data, _ in taken):
        notices.append("The artwork is larger than 8 MB, and was left out.")
    return Tags(tuple(sorted(texts.items())), picture), tuple(notices)


def _numbered(found: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Write '3/12' as a number and a total, as Vorbis comments do."""
    texts = dict(found)
    for kind in ("TRACK", "DISC"):
        if texts.get(f"{kind}NUMBER"):
            number, slash, total = texts[f"{kind}NUMBER"][0].partition("/")
            texts[f"{kind}NUMBER"] = [number]
            if slash:
                texts.setdefault(f"{kind}TOTAL", [total])
    return texts


def _clean(value: str) -> str:
    text = value.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char in "\n\t" or (ord(char) >= 32 and char != "\x7f")).strip()
