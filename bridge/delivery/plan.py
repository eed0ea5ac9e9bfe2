"""What a drop will hold: the name and format of every file, decided before anything is computed or written."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from bridge.delivery.names import PATH_LIMIT, check_length, path_length, safe_name, unique_name
from bridge.domain.drop import STAGING, DropPlan, PlannedFile
from bridge.domain.preset import OutputOptions
from bridge.domain.render import AudioFormat
from bridge.domain.render import Container as SourceContainer
from bridge.domain.stems import display_name
from bridge.errors import DeliveryError

__all__ = ["plan_drop"]

Subtype = Literal["FLOAT", "PCM_24", "PCM_16"]
Container = Literal["WAV", "FLAC", "AIFF"]

_CONTAINERS: dict[str, Container] = {"wav": "WAV", "flac": "FLAC", "aiff": "AIFF"}
_SUFFIXES: dict[Container | SourceContainer, str] = {
    "WAV": ".wav",
    "RF64": ".wav",
    "W64": ".w64",
    "AIFF": ".aiff",
    "FLAC": ".flac",
    "OGG": ".ogg",
    "MP3": ".mp3",
    "M4A": ".m4a",
}
_BYTES = {"FLOAT": 4, "PCM_24": 3, "PCM_16": 2}
_FLAC_CHANNELS = 8
_AIFF_BYTES = 2**32 - 2**20
"""AIFF counts its bytes with 32 bits; some are for the chunks."""
_STEM_BYTES = 40
_SHORTEST_CHARACTERS = 8
_NUMBER_CHARACTERS = len(" 999")
_STAGED_CHARACTERS = len(f"{STAGING}/") + 40 + len("/drop")
"""A job's staging folder below the outbox, with the longest job name."""


def plan_drop(
    *,
    name: str,
    stems: Sequence[str],
    printed: Collection[str],
    output: OutputOptions,
    source: AudioFormat,
    outbox: Path,
    buses: Sequence[str] = (),
    instruments: Sequence[str] = (),
    platform: str = sys.platform,
) -> DropPlan:
    """Plan the files of a drop; pure.

    `stems` are those to deliver, `printed` those whose chain prints: they get a dry file too when `output.dry`.
    `buses` and `instruments` are the keys of printed submixes and of tracks that were played. The archived original
    keeps its container. Subtype `source` is the
    render's own depth where that is 16 or 24 bit, PCM_16 for 8 bit, else FLOAT; FLAC has no FLOAT and takes PCM_24
    instead. On Windows the name is shortened until every full path, staged or delivered, has at most 240 characters.
    `outbox` is absolute.
    Raises DeliveryError when the format cannot hold the sound, or no name is short enough.
    """
    container = _CONTAINERS[output.format]
    subtype = _subtype(output, source)
    _check_capacity(container, subtype, source)
    labels = _labels([*stems, *buses, *instruments])
    dry = [stem for stem in stems if stem in printed] if output.dry else []
    endings = (_SUFFIXES[container], _SUFFIXES[source.container])

    def files(base: str) -> Iterator[PlannedFile]:
        for stem in stems:
            yield PlannedFile(stem, "stem", PurePosixPath("stems", f"{base} - {labels[stem]}{endings[0]}"))
        for stem in dry:
            yield PlannedFile(stem, "dry", PurePosixPath("dry", f"{base} - {labels[stem]} (dry){endings[0]}"))
        for bus in buses:
            yield PlannedFile(bus, "bus", PurePosixPath("buses", f"{base} - {labels[bus]} (bus){endings[0]}"))
        for played in instruments:
            path = PurePosixPath("instruments", f"{base} - {labels[played]}{endings[0]}")
            yield PlannedFile(played, "instrument", path)
        yield PlannedFile("mix", "mix", PurePosixPath("mix", f"{base}{endings[1]}"))

    base = safe_name(name)
    if platform == "win32":
        while (longest := _longest(base, outbox, tuple(files(base)))) and path_length(str(longest)) > PATH_LIMIT:
            shorter = safe_name(base[: len(base) - 1])
            if len(base) <= _SHORTEST_CHARACTERS or shorter == base:
                check_length(longest)
            base = shorter
    return DropPlan(name=base, files=tuple(files(base)), subtype=subtype, container=container)


def _subtype(output: OutputOptions, source: AudioFormat) -> Subtype:
    wanted: Subtype
    if output.subtype == "source":
        own: dict[str, Subtype] = {"PCM_S8": "PCM_16", "PCM_U8": "PCM_16", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}
        wanted = own.get(source.subtype, "FLOAT")
    else:
        wanted = output.subtype
    return "PCM_24" if output.format == "flac" and wanted == "FLOAT" else wanted


def _check_capacity(container: Container, subtype: Subtype, source: AudioFormat) -> None:
    if container == "FLAC" and source.channels > _FLAC_CHANNELS:
        raise DeliveryError(
            f"FLAC holds {_FLAC_CHANNELS} channels at the most; this render has {source.channels}.",
            hint="Choose the format wav.",
        )
    if container == "AIFF" and source.frames * source.channels * _BYTES[subtype] > _AIFF_BYTES:
        raise DeliveryError("AIFF holds 4 GB at the most; these stems are larger.", hint="Choose the format wav.")


def _labels(stems: Sequence[str]) -> dict[str, str]:
    """Name every stem for people and for file systems; no two alike, whatever a model of one's own calls them."""
    labels: dict[str, str] = {}
    for stem in stems:
        wanted = safe_name(display_name(stem), max_bytes=_STEM_BYTES)
        labels[stem] = unique_name(wanted, tuple(labels.values()), max_bytes=_STEM_BYTES)
    return labels


def _longest(base: str, outbox: Path, files: Sequence[PlannedFile]) -> Path:
    """Return the longest path any of the files will ever have, while it is staged or delivered under a number."""
    folder = max(base + "9" * _NUMBER_CHARACTERS, "x" * _STAGED_CHARACTERS, key=path_length)
    return max((outbox / folder / file.path for file in files), key=lambda path: path_length(str(path)))
