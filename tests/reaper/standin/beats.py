"""Where a beat is: the tempo map of a project, walked both ways.

A beat is a quarter note; a ramp is a straight line in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from tests.reaper.standin.state import Item, Project

__all__ = ["beat_at", "seconds_at", "tied_items_follow"]

_OF_TRACK, _OF_PROJECT, _TO_TIME, _POSITION_ALONE = -1, -1, 0, 2
"""For C_BEATATTACHMODE of items, of tracks, and of both; 1 ties length and rate to beats too."""


def beat_at(project: Project, seconds: float) -> float:
    """Return the beat, from the start of the project."""
    beat = 0.0
    for start, end, bpm, slope in _parts(project):
        here = min(seconds, end) - start
        if here <= 0:
            break
        beat += (bpm + slope * here / 2) * here / 60
    return beat


def seconds_at(project: Project, beat: float) -> float:
    """Return the time of a beat."""
    for start, end, bpm, slope in _parts(project):
        length = (bpm + slope * (end - start) / 2) * (end - start) / 60 if math.isfinite(end) else math.inf
        if beat <= length:
            # bpm * t + slope * t^2 / 2 = 60 * beat, in the form that is exact for no slope too.
            return start + 120 * beat / (bpm + math.sqrt(bpm * bpm + 120 * slope * beat))
        beat -= length
    raise AssertionError("the last part has no end")


@contextmanager
def tied_items_follow(project: Project) -> Iterator[None]:
    """Keep items that are tied to beats on their beats while the tempo map changes, as REAPER does."""
    tied = []
    for track in project.tracks:
        for item in track.items:
            mode = _mode(item.values["C_BEATATTACHMODE"], track.values["C_BEATATTACHMODE"], project.timebase)
            start = item.values.get("D_POSITION", 0.0)
            ends = beat_at(project, start), beat_at(project, start + item.values.get("D_LENGTH", 0.0))
            if mode != _TO_TIME:
                tied.append((item, mode, ends))
    yield
    for item, mode, (first, last) in tied:
        _move(item, seconds_at(project, first), seconds_at(project, last), is_stretched=mode != _POSITION_ALONE)


def _move(item: Item, start: float, end: float, *, is_stretched: bool) -> None:
    item.values["D_POSITION"] = start
    length = item.values.get("D_LENGTH", 0.0)
    if is_stretched and length:
        item.values["D_LENGTH"] = end - start
        for take in item.takes:
            take.values["D_PLAYRATE"] *= length / (end - start)


def _mode(item: float, track: float, project: int) -> int:
    mode = track if item == _OF_TRACK else item
    return int(project if mode == _OF_PROJECT else mode)


def _parts(project: Project) -> Iterator[tuple[float, float, float, float]]:
    """Yield start, end, tempo at the start, and change of tempo in BPM a second."""
    changes = project.tempo
    first = changes[0].bpm if changes and changes[0].seconds == 0 else project.bpm
    if not changes or changes[0].seconds > 0:
        yield 0.0, changes[0].seconds if changes else math.inf, first, 0.0
    for number, one in enumerate(changes):
        after = changes[number + 1] if number + 1 < len(changes) else None
        if after is None:
            yield one.seconds, math.inf, one.bpm, 0.0
        elif after.seconds > one.seconds:
            slope = (after.bpm - one.bpm) / (after.seconds - one.seconds) if one.is_ramp else 0.0
            yield one.seconds, after.seconds, one.bpm, slope
