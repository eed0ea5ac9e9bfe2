"""A finished file the DAW wrote, and how it is recognised again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bridge.domain.notes import NoteTrack
from bridge.domain.tempo import TempoMap

__all__ = ["AudioFormat", "FileIdentity", "Levels", "Marker", "Origin", "Render", "Source", "merged"]

_SAME_PLACE_SECONDS = 0.001
"""Half a MIDI tick at 960 a quarter note, at any tempo above 31 BPM."""

Container = Literal["WAV", "RF64", "W64", "AIFF", "FLAC", "OGG", "MP3", "M4A"]


@dataclass(frozen=True)
class FileIdentity:
    """What the file system says about a file; a change means another file."""

    dev: int
    ino: int
    size: int
    """Bytes."""
    mtime_ns: int


@dataclass(frozen=True)
class AudioFormat:
    """The shape of a sound file."""

    sample_rate: int
    """Frames per second, in Hz; 8000..384000."""
    channels: int
    """1..64."""
    frames: int
    """Samples per channel; > 0."""
    subtype: str
    """soundfile's word: PCM_U8 PCM_S8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW VORBIS OPUS MPEG_LAYER_III AAC."""
    container: Container
    channel_mask: int = 0
    """WAVE_FORMAT_EXTENSIBLE speaker bits; 0 = the file does not say."""

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


@dataclass(frozen=True)
class Marker:
    """A cue point or region inside the render."""

    position_frames: int
    name: str
    length_frames: int = 0
    """> 0 makes it a region."""


@dataclass(frozen=True)
class Origin:
    """Where in the project the render starts."""

    seconds: float = 0.0
    source: Literal["sidecar", "bext", "none"] = "none"


@dataclass(frozen=True)
class Source:
    """What of a project a render is, so that its stems can take the place of what was rendered."""

    mode: Literal["time", "items", "tracks", "bus", "master"]
    project: str = ""
    """The DAW's own identity or file of the project, for comparison only; never opened."""
    mute_guids: tuple[str, ...] = ()
    """Tracks or items of the DAW that are muted when the stems come in: '{8-4-4-4-12}'."""
    parent_guid: str = ""
    """Track whose input the stems join, so that what follows it is heard once; empty = straight to the master."""


@dataclass(frozen=True)
class Levels:
    """Measured loudness of a piece of sound; -inf for silence."""

    peak: float
    """Largest absolute sample, linear."""
    rms_db: float
    """Root mean square over all channels, dB re full scale."""
    lufs: float
    """Integrated loudness, ITU-R BS.1770-4."""


@dataclass(frozen=True)
class Render:
    """One finished file the DAW wrote: identity, content, format, and its place in the project."""

    path: Path
    """The user's file; never written to."""
    identity: FileIdentity
    sha256: str
    """Of the file's bytes, hex."""
    audio_key: str
    """Of the decoded samples and the format, hex: equal for the same sound in another container."""
    format: AudioFormat
    levels: Levels
    origin: Origin = Origin()
    markers: tuple[Marker, ...] = ()
    tempo: TempoMap | None = None
    """None = nobody knows."""
    source: Source | None = None
    """None = nobody says what it is a render of."""
    tags_key: str = ""
    """Of the tags and the cover that its stems carry, hex; empty for none."""
    notes: tuple[NoteTrack, ...] = ()
    """What instruments may play, from the start of the render."""
    midi: bytes = field(default=b"", repr=False)
    """The .mid beside it, as it was read; empty for none."""


def merged(sample_rate: int, *lists: Iterable[Marker]) -> tuple[Marker, ...]:
    """Join lists of markers of one render, in order of time, each marker once.

    What an earlier list says wins: a marker of a later one with the same name and the same place (to 1 ms) is left out,
    but a region stays where the earlier list knows the marker only.
    """
    reach = _SAME_PLACE_SECONDS * sample_rate
    kept: dict[str, list[Marker]] = {}
    for markers in lists:
        new = []
        for marker in markers:
            alike = kept.get(marker.name, [])
            near = [number for number, one in enumerate(alike) if _apart(one, marker) <= reach]
            if not near:
                new.append(marker)
            elif marker.length_frames and not any(alike[number].length_frames for number in near):
                alike[near[0]] = marker
        for marker in new:
            kept.setdefault(marker.name, []).append(marker)
    joined = (one for alike in kept.values() for one in alike)
    return tuple(sorted(joined, key=lambda one: (one.position_frames, one.name, one.length_frames)))


def _apart(one: Marker, other: Marker) -> int:
    return abs(one.position_frames - other.position_frames)
