"""The order of a session's tracks, and which of them are folders: one answer for every exporter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bridge.domain.session import BusPlan, SessionPlan, TrackPlan

__all__ = ["Row", "is_return", "rows", "start_seconds"]


@dataclass(frozen=True)
class Row:
    """One track of the session, from the top."""

    thing: TrackPlan | BusPlan
    folder_change: int = 0
    """REAPER's count: 1 opens a folder, -n closes n of them after this track, 0 neither."""
    parent: str | None = None
    """The bus whose folder this row lies in; None = no folder."""


def rows(plan: SessionPlan) -> tuple[Row, ...]:
    """Put tracks and buses in order; pure.

    With sends: stems, then buses, then the original. With folders: every bus right above what feeds it, stems before
    buses, where the first of its stems would stand; then buses that only sends reach; then the original.
    """
    stems = [track for track in plan.tracks if track.key.startswith("stem:")]
    others = [Row(track) for track in plan.tracks if not track.key.startswith("stem:")]
    if plan.layout == "sends":
        return (*(Row(track) for track in stems), *(Row(bus) for bus in plan.buses), *others)
    buses = {bus.name: bus for bus in plan.buses}
    made: list[Row] = []
    placed: set[str] = set()
    for track in stems:
        if track.bus is None:
            made.append(Row(track))
            continue
        top = _top(track.bus, buses)
        if top not in placed:
            placed.add(top)
            made += _folder(buses[top], plan)
    for bus in plan.buses:
        if (top := _top(bus.name, buses)) not in placed:
            placed.add(top)
            made += _folder(buses[top], plan)
    return (*made, *others)


def start_seconds(plan: SessionPlan) -> float:
    """Return where the items begin: nothing lies before the start of a project."""
    return max(0.0, plan.origin.seconds)


def is_return(plan: SessionPlan, bus: BusPlan) -> bool:
    """Say whether a bus hears nothing but sends, so that an effect's own dry signal would be heard twice."""
    return not any(track.bus == bus.name for track in plan.tracks) and not any(
        other.parent == bus.name for other in plan.buses
    )


def _top(name: str, buses: dict[str, BusPlan]) -> str:
    while (parent := buses[name].parent) is not None:
        name = parent
    return name


def _folder(bus: BusPlan, plan: SessionPlan) -> list[Row]:
    """Return a bus and all inside it; the last row closes the folder. Recursion ends: no bus is its own ancestor."""
    inside = list(_inside(bus, plan))
    if not inside:
        return [Row(bus, parent=bus.parent)]
    last = inside[-1]
    inside[-1] = replace(last, folder_change=last.folder_change - 1)
    return [Row(bus, 1, bus.parent), *inside]


def _inside(bus: BusPlan, plan: SessionPlan) -> Iterator[Row]:
    yield from (Row(track, parent=bus.name) for track in plan.tracks if track.bus == bus.name)
    for other in plan.buses:
        if other.parent == bus.name:
            yield from _folder(other, plan)
