"""What a session looks like once the stems are in: pure data that every exporter reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.domain.render import Marker, Origin, Source
from bridge.domain.tempo import TempoMap

__all__ = ["BusPlan", "FxPlan", "ItemPlan", "SendPlan", "SessionPlan", "TakePlan", "TrackPlan"]


@dataclass(frozen=True)
class FxPlan:
    """One effect that the session inserts live."""

    name: str
    """As REAPER's list of effects has it: 'ReaComp', 'VST3: Dragonfly Hall Reverb (Michael Willis)'."""
    preset_file: str = ""
    """A .vstpreset relative to the drop folder, forward slashes; empty = as the effect starts."""
    parameters: tuple[tuple[str, float], ...] = ()
    """Name and normalised value, 0..1, as they are to be found once the state is loaded."""
    wet: float = 1.0
    """0..1: the effect's share, set in REAPER; the rest is what it hears."""


@dataclass(frozen=True)
class TakePlan:
    """One sound file inside an item."""

    file: str
    """Relative to the drop folder, forward slashes."""
    name: str


@dataclass(frozen=True)
class ItemPlan:
    """One item on a track; the first take is the active one."""

    takes: tuple[TakePlan, ...]
    length_frames: int
    gain_db: float = 0.0
    """Undoes the common gain of fixed-point files; 0 otherwise."""


@dataclass(frozen=True)
class TrackPlan:
    """A track that carries one stem, or the original for comparison."""

    key: str
    """Identity inside the drop: 'stem:vocals', 'mix'."""
    name: str
    color: str
    """'#rrggbb', or empty."""
    channels: int
    """Channels of the sound file."""
    gain_db: float
    pan: float
    mute: bool
    bus: str | None
    """Name of a bus of this plan; None = straight to the master."""
    item: ItemPlan
    fx: tuple[FxPlan, ...] = ()


@dataclass(frozen=True)
class BusPlan:
    """A bus track."""

    name: str
    color: str
    gain_db: float
    channels: int
    fx: tuple[FxPlan, ...] = ()
    pan: float = 0.0
    parent: str | None = None
    """The bus this one feeds; None = straight to the master."""
    adopt: tuple[str, ...] = ()
    """Patterns such as 'DRUM*', any case: a track of the user's whose name fits is used instead of a new one."""


@dataclass(frozen=True)
class SendPlan:
    """A send from one bus to another, on top of its way to the master."""

    source: str
    target: str
    level_db: float
    pan: float = 0.0
    is_pre_fader: bool = False


@dataclass(frozen=True)
class SessionPlan:
    """Tracks, buses, routes and items of one drop."""

    drop_id: str
    """Origin of the drop: with a track's key it is the import identity."""
    title: str
    """Name of the render, for people."""
    sample_rate: int
    frames: int
    """Length of the render, in frames."""
    origin: Origin
    tracks: tuple[TrackPlan, ...]
    buses: tuple[BusPlan, ...] = ()
    sends: tuple[SendPlan, ...] = ()
    markers: tuple[Marker, ...] = ()
    layout: Literal["sends", "folders"] = "sends"
    """How stems reach their bus: by sends, or as children of a folder track."""
    tempo: TempoMap | None = None
    source: Source | None = None
    """What was rendered: where the stems join, and what is muted."""
