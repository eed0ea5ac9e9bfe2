"""Where the sound of a session goes, and how loud it arrives: the plan's routes, walked and multiplied."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bridge.domain.session import SessionPlan, TrackPlan
from bridge.errors import DeliveryError
from bridge.units import db_to_gain

__all__ = ["Gains", "Reach", "balance", "walk"]


@dataclass(frozen=True)
class Gains:
    """Linear gain of the left, the right, and every further channel."""

    left: float = 1.0
    right: float = 1.0
    rest: float = 1.0

    def __mul__(self, other: Gains) -> Gains:
        return Gains(self.left * other.left, self.right * other.right, self.rest * other.rest)

    def __add__(self, other: Gains) -> Gains:
        return Gains(self.left + other.left, self.right + other.right, self.rest + other.rest)


@dataclass(frozen=True)
class Reach:
    """How one track's sound file arrives at the master, effects aside."""

    way: tuple[str, ...]
    """Buses on its one dry path, in order."""
    dry: Gains
    """Along that path: item, fader and pan of the track, faders and pans of the buses; 0 when muted."""
    heard: Gains
    """The dry path and all sends along it, summed."""


def walk(plan: SessionPlan) -> dict[str, Reach]:
    """Sum the gains along the routing graph, from every track to the master; by track key, pure.

    Raises DeliveryError for a plan in which a stem would be heard twice or never: a name given twice, a bus that does
    not exist, routes that form a loop.
    """
    return _Graph(plan).reaches()


def balance(gain_db: float, pan: float) -> Gains:
    """Return the gains of a fader with a balance pan at 0 dB: the far side fades, the near side stays."""
    gain = db_to_gain(gain_db)
    return Gains(gain * min(1.0, 1.0 - pan), gain * min(1.0, 1.0 + pan), gain)


class _Graph:
    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._buses = {bus.name: bus for bus in plan.buses}
        self._from_bus: dict[str, Gains] = {}
        self._open: set[str] = set()

    def reaches(self) -> dict[str, Reach]:
        names = Counter([*(f"track {one.key}" for one in self._plan.tracks), *(f"bus {one}" for one in self._names())])
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise _broken(f"there are two of {twice[0]}")
        for name in self._buses:
            self._arriving_at(name)
        return {track.key: self._reach(track) for track in self._plan.tracks}

    def _names(self) -> list[str]:
        return [bus.name for bus in self._plan.buses]

    def _reach(self, track: TrackPlan) -> Reach:
        way = self._way(track.bus)
        fader = Gains(0.0, 0.0, 0.0) if track.mute else balance(track.gain_db, track.pan)
        fader *= balance(track.item.gain_db, 0.0)
        dry = fader
        for name in way:
            bus = self._buses[name]
            dry *= balance(bus.gain_db, bus.pan)
        return Reach(way, dry, fader * self._arriving_at(track.bus))

    def _way(self, bus: str | None) -> tuple[str, ...]:
        way: list[str] = []
        while bus is not None:
            way.append(bus)
            bus = self._buses[bus].parent
        return tuple(way)

    def _arriving_at(self, name: str | None) -> Gains:
        """Return the gains from the input of a bus to the master; None is the master itself."""
        if name is None:
            return Gains()
        if name in self._from_bus:
            return self._from_bus[name]
        if name not in self._buses:
            raise _broken(f"there is no bus {name}")
        if name in self._open:
            raise _broken(f"the bus {name} feeds itself")
        self._open.add(name)
        bus = self._buses[name]
        fader = balance(bus.gain_db, bus.pan)
        sum_ = fader * self._arriving_at(bus.parent)
        for send in self._plan.sends:
            if send.source == name:
                taken = Gains() if send.is_pre_fader else fader
                sum_ += taken * balance(send.level_db, send.pan) * self._arriving_at(send.target)
        self._open.remove(name)
        self._from_bus[name] = sum_
        return sum_


def _broken(why: str) -> DeliveryError:
    return DeliveryError(f"No session can be made of this preset: {why}.", hint="Look at its buses and sends.")
