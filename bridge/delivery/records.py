"""The parts of `drop.json`: strict on every value, since what is read back may have been written by anyone."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.delivery.names import safe_name
from bridge.domain.drop import FileKind
from bridge.domain.job import Residual
from bridge.domain.render import AudioFormat, Container, Levels, Marker, Origin, Render, Source
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.words import escaped

__all__ = [
    "PLUGIN_STATES",
    "FileRecord",
    "FormatRecord",
    "LevelsRecord",
    "MarkerRecord",
    "MemberRecord",
    "ModelRecord",
    "OriginRecord",
    "OutputRecord",
    "PluginRecord",
    "PresetRecord",
    "Record",
    "RenderRecord",
    "SegmentsRecord",
    "SourceRecord",
    "StateRecord",
    "TempoRecord",
    "Text",
    "TimingsRecord",
    "Versions",
]

PLUGIN_STATES = "plugins"
"""Folder of a drop that holds the states of the user's plugins."""
_FOLDERS = {"stem": "stems", "dry": "dry", "mix": "mix", "bus": "buses", "instrument": "instruments"}


def _as_text(value: object) -> object:
    return escaped(value) if isinstance(value, str) else value


def _inside(text: str) -> str:
    """Accept only what we build ourselves: folder/name, both of them safe names."""
    parts = PurePosixPath(text).parts
    if "/".join(parts) != text or len(parts) != 2 or any(safe_name(part, max_bytes=255) != part for part in parts):
        raise ValueError("not a path inside the drop")
    return text


Text = Annotated[str, BeforeValidator(_as_text)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Record(BaseModel):
    """Frozen; no unknown key, no value of another type, no infinity."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Versions(Record):
    """Everything that can change a sample."""

    stem_bridge: Text
    torch: Text
    demucs: Text
    pedalboard: Text
    soundfile: Text
    python: Text
    platform: Text


class FormatRecord(Record):
    """AudioFormat as data."""

    sample_rate: Annotated[int, Field(ge=1, le=384_000)]
    channels: Annotated[int, Field(ge=1, le=64)]
    frames: Annotated[int, Field(ge=1, lt=2**63)]
    subtype: Text
    container: Container
    channel_mask: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @classmethod
    def of(cls, value: AudioFormat) -> Self:
        return cls(**vars(value))

    def value(self) -> AudioFormat:
        return AudioFormat(**self.model_dump())


class RenderRecord(Record):
    """Which file it was made from."""

    path: Text
    """For people: bytes that are no text are shown as escapes."""
    sha256: Sha256
    audio_key: Text
    format: FormatRecord

    @classmethod
    def of(cls, render: Render) -> Self:
        return cls(
            path=str(render.path),
            sha256=render.sha256,
            audio_key=render.audio_key,
            format=FormatRecord.of(render.format),
        )


class OriginRecord(Record):
    """Origin as data."""

    seconds: float = 0.0
    source: Literal["sidecar", "bext", "none"] = "none"

    @classmethod
    def of(cls, value: Origin) -> Self:
        return cls(**vars(value))

    def value(self) -> Origin:
        return Origin(**self.model_dump())


class MarkerRecord(Record):
    """Marker as data."""

    position_frames: Count
    name: Text
    length_frames: Count = 0

    @classmethod
    def of(cls, value: Marker) -> Self:
        return cls(**vars(value))

    def value(self) -> Marker:
        return Marker(**self.model_dump())


class TempoChangeRecord(Record):
    """TempoChange as data."""

    seconds: float
    bpm: Annotated[float, Field(ge=1, le=960)]
    numerator: Annotated[int, Field(ge=1, le=255)] = 4
    denominator: Literal[1, 2, 4, 8, 16, 32, 64] = 4
    is_ramp: bool = False

    def value(self) -> TempoChange:
        return TempoChange(**self.model_dump())


class TempoRecord(Record):
    """TempoMap as data."""

    changes: Annotated[tuple[TempoChangeRecord, ...], Field(min_length=1)]
    source: Literal["sidecar", "midi", "setting", "estimated"]
    other_bpm: Annotated[float, Field(ge=1, le=960)] | None = None
    """Of an estimated tempo that is doubtful: the next likely one."""

    @classmethod
    def of(cls, value: TempoMap) -> Self:
        changes = tuple(TempoChangeRecord(**vars(one)) for one in value.changes)
        return cls(changes=changes, source=value.source, other_bpm=value.other_bpm)

    def value(self) -> TempoMap:
        return TempoMap(tuple(one.value() for one in self.changes), self.source, self.other_bpm)


class SourceRecord(Record):
    """Source as data."""

    mode: Literal["time", "items", "tracks", "bus", "master"]
    project: Text = ""
    mute_guids: tuple[Text, ...] = ()
    parent_guid: Text = ""

    @classmethod
    def of(cls, value: Source) -> Self:
        return cls(**vars(value))

    def value(self) -> Source:
        return Source(**self.model_dump())


class MemberRecord(Record):
    """One network of a model."""

    name: Text
    sha256: Sha256


class SegmentsRecord(Record):
    """How many segments the network computed, and how many came from the store of earlier ones."""

    computed: Count
    stored: Count


class ModelRecord(Record):
    """What separated, and with which options."""

    name: Text
    members: tuple[MemberRecord, ...]
    is_trial: bool
    device: Text
    backend: Literal["torch"] = "torch"
    precision: Literal["float32", "bfloat16"] = "float32"
    overlap: Annotated[float, Field(ge=0, lt=1)]
    shifts: Count
    residual: Residual
    batch: Annotated[int, Field(ge=1)]
    separation_key: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Names the dry stems by all that changes them; empty in drops of versions that did not write it."""
    segments: SegmentsRecord | None = None
    """None where there was no store to ask."""


class PresetRecord(Record):
    """Which preset, and which stems its chains printed."""

    name: Text
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    printed: tuple[Text, ...]


class StateRecord(Record):
    """The state of a plugin as a file that a DAW can load."""

    path: Annotated[str, AfterValidator(_inside)]
    bytes: Count
    sha256: Sha256

    @model_validator(mode="after")
    def _lies_with_the_states(self) -> Self:
        if not self.path.startswith(f"{PLUGIN_STATES}/"):
            raise ValueError(f"a state lies in {PLUGIN_STATES}/")
        return self


class PluginRecord(Record):
    """One of the user's plugins in a chain: which it was, and how it was set."""

    stem: Text
    position: Annotated[int, Field(ge=1)]
    """Which of the plugins of its stem."""
    path: Text
    """As the preset names it."""
    name: Text = ""
    maker: Text = ""
    version: Text = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    latency_frames: Count = 0
    parameters: dict[Text, bool | float | Text] = {}
    """As read back after they were set."""
    wet: Annotated[float, Field(ge=0, le=1)] = 1.0
    live: bool = False
    """Not printed: inserted by the session script."""
    state: StateRecord | None = None
    """None where the plugin gave none."""
    skipped: Text = ""
    """Why it was left out; empty = it was at work."""


class OutputRecord(Record):
    """How the stems are written."""

    format: Literal["wav", "flac", "aiff"]
    subtype: Literal["FLOAT", "PCM_24", "PCM_16"]
    common_gain_db: float = 0.0
    """Put on all files alike so that fixed point holds them; 0 or less."""


class LevelsRecord(Record):
    """Levels as data; None = silence, where Levels says -inf."""

    peak: Annotated[float, Field(ge=0)]
    rms_db: float | None
    lufs: float | None

    @classmethod
    def of(cls, value: Levels) -> Self:
        return cls(peak=value.peak, rms_db=_finite(value.rms_db), lufs=_finite(value.lufs))

    def value(self) -> Levels:
        silent = -math.inf
        return Levels(
            self.peak, silent if self.rms_db is None else self.rms_db, silent if self.lufs is None else self.lufs
        )


class FileRecord(Record):
    """One audio file of the drop."""

    stem: Text
    kind: FileKind
    path: Annotated[str, AfterValidator(_inside)]
    """Relative to the drop, forward slashes."""
    bytes: Count
    sha256: Sha256
    frames: Count
    levels: LevelsRecord
    is_in_mix: bool = True
    """False for what was played beside the mix: the stems sum to the mix without it."""

    @model_validator(mode="after")
    def _lies_where_its_kind_does(self) -> Self:
        if not self.path.startswith(f"{_FOLDERS[self.kind]}/"):
            raise ValueError(f"a {self.kind} file lies in {_FOLDERS[self.kind]}/")
        return self


class TimingsRecord(Record):
    """How long the work took."""

    seconds: dict[Text, Seconds]
    """By stage."""
    times_real_time: Seconds
    """Seconds of audio per second of work."""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
