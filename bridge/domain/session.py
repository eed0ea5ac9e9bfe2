"""What a session looks like once the stems are in: pure data that every exporter reads."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.render import Marker, Origin

__all__ = ["BusPlan", "ItemPlan", "SendPlan", "SessionPlan", "TakePlan", "TrackPlan"]


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


@dataclass(frozen=True)
class BusPlan:
    """A bus track."""

    name: str
    color: str
    gain_db: float
    channels: int
    reaper_fx: tuple[str, ...] = ()


@dataclass(frozen=True)
class SendPlan:
    """A post-fader send from one bus to another."""

    source: str
    target: str
    level_db: float


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
