"""session.rpp: parsed back by REAPER's own parser code, checked against a field schema, compared with the plan."""

from __future__ import annotations

from pathlib import Path

import pytest
import rppxml
from hypothesis import given, settings
from hypothesis import strategies as st
from reaper_parser import schema

from bridge.domain.session import BusPlan, SessionPlan
from bridge.session.layout import rows, start_seconds
from bridge.session.names import one_line
from bridge.session.routing import Gains, balance, walk
from bridge.session.rpp import project_file, quoted
from bridge.units import db_to_gain
from tests.session.any_plan import RATE, plans
from tests.session.small_drops import ROUTED, make_drop

Chunk = rppxml.RPPXML
SECTIONS = {"REAPER_PROJECT": "project", "TRACK": "track", "ITEM": "item", "SOURCE": "source", "TEMPOENVEX": "envelope"}


def lines(chunk: Chunk, key: str) -> list[list[object]]:
    return [line[1:] for line in chunk.children if isinstance(line, list) and line[0] == key]


def chunks(chunk: Chunk, name: str) -> list[Chunk]:
    return [one for one in chunk.children if isinstance(one, Chunk) and one.name == name]


def number(value: object) -> float:
    return float(str(value))


class Line:
    def __init__(self, line: list[object]) -> None:
        self.key, self.values = line[0], [str(value) for value in line[1:]]


def faults(chunk: Chunk) -> list[str]:
    """Check the type of every value that the schema knows; the one false alarm is a receive's pan law, 1:U."""
    found: list[str] = []
    for child in chunk.children:
        if isinstance(child, Chunk):
            found += faults(child)
        elif isinstance(child, list) and chunk.name in SECTIONS:
            said = schema.validate_line(SECTIONS[chunk.name], Line(child))
            found += [f"{child}: {one}" for one in said if "1:U" not in str(one)]
    return found


@given(plans())
@settings(max_examples=50, deadline=None)
def test_every_field_is_what_the_plan_says_and_of_the_right_type(plan: SessionPlan) -> None:
    project = rppxml.loads(project_file(plan))
    assert faults(project) == []
    tracks, ordered = chunks(project, "TRACK"), rows(plan)
    assert len(tracks) == len(ordered)
    for chunk, row in zip(tracks, ordered, strict=True):
        thing = row.thing
        assert lines(chunk, "NAME") == [[one_line(thing.name)]]
        volume, pan, law = (number(value) for value in lines(chunk, "VOLPAN")[0][:3])
        assert (volume, pan, law) == (pytest.approx(db_to_gain(thing.gain_db)), pytest.approx(thing.pan), 1.0)
        assert number(lines(chunk, "NCHAN")[0][0]) == max(2, thing.channels + thing.channels % 2)
        assert number(lines(chunk, "ISBUS")[0][1]) == row.folder_change
        if isinstance(thing, BusPlan):
            continue
        assert number(lines(chunk, "MUTESOLO")[0][0]) == thing.mute
        (item,) = chunks(chunk, "ITEM")
        assert number(lines(item, "POSITION")[0][0]) * RATE == pytest.approx(
            round(start_seconds(plan) * RATE), abs=1e-6
        )
        assert round(number(lines(item, "LENGTH")[0][0]) * RATE) == thing.item.length_frames
        assert number(lines(item, "VOLPAN")[0][0]) == pytest.approx(db_to_gain(thing.item.gain_db))
        assert [lines(source, "FILE")[0][0] for source in chunks(item, "SOURCE")] == [
            one.file for one in thing.item.takes
        ]
    said = [(one_line(marker.name), marker.length_frames > 0) for marker in plan.markers]
    found = [(line[2], number(line[3]) == 1) for line in lines(project, "MARKER") if len(line) > 4]
    assert found == said
    points = [line for envelope in chunks(project, "TEMPOENVEX") for line in lines(envelope, "PT")]
    changes = plan.tempo.since(-start_seconds(plan)) if plan.tempo else ()
    assert [(number(line[0]), number(line[1])) for line in points] == [
        (pytest.approx(one.seconds, abs=1e-9), pytest.approx(one.bpm, abs=1e-9)) for one in changes
    ]


@given(plans())
@settings(max_examples=50, deadline=None)
def test_its_routes_carry_every_stem_to_the_master_as_loud_as_the_plan_says(plan: SessionPlan) -> None:
    tracks = chunks(rppxml.loads(project_file(plan)), "TRACK")
    parents = _folders(tracks)
    faders = []
    for chunk in tracks:
        gain, pan = (number(value) for value in lines(chunk, "VOLPAN")[0][:2])
        fader = Gains(gain * min(1.0, 1 - pan), gain * min(1.0, 1 + pan), gain)
        faders.append(Gains(0.0, 0.0, 0.0) if number(lines(chunk, "MUTESOLO")[0][0]) else fader)

    def heard(source: int) -> Gains:
        total = Gains(0.0, 0.0, 0.0)
        if number(lines(tracks[source], "MAINSEND")[0][0]):
            total += faders[source] * (Gains() if parents[source] is None else heard(parents[source] or 0))
        for target, chunk in enumerate(tracks):
            for line in lines(chunk, "AUXRECV"):
                if number(line[0]) == source:
                    taken = Gains() if number(line[1]) == 3 else faders[source]
                    level, pan = number(line[2]), number(line[3])
                    sent = Gains(level * min(1.0, 1 - pan), level * min(1.0, 1 + pan), level)
                    total += taken * sent * heard(target)
        return total

    reached = walk(plan)
    for place, row in enumerate(rows(plan)):
        if not isinstance(row.thing, BusPlan):
            wanted = reached[row.thing.key].heard
            item = balance(row.thing.item.gain_db, 0.0)
            assert vars(item * heard(place)) == pytest.approx(vars(wanted), abs=1e-12)


def _folders(tracks: list[Chunk]) -> list[int | None]:
    open_folders: list[int] = []
    parents: list[int | None] = []
    for place, chunk in enumerate(tracks):
        parents.append(open_folders[-1] if open_folders else None)
        change = int(number(lines(chunk, "ISBUS")[0][1]))
        if change > 0:
            open_folders.append(place)
        del open_folders[len(open_folders) + min(0, change) :]
    return parents


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_every_name_survives_or_loses_only_what_no_line_can_hold(text: str) -> None:
    project = rppxml.loads(f"<REAPER_PROJECT 0.1\n  NAME {quoted(text)}\n>\n")
    (back,) = lines(project, "NAME")[0]
    kept = one_line(text)
    assert back == (kept.replace("`", "'") if all(mark in kept for mark in "\"'`") else kept)


def test_a_bus_whose_effects_are_not_there_is_not_heard_dry(tmp_path: Path) -> None:
    plan = make_drop(tmp_path, preset=ROUTED).plan
    tracks = {lines(one, "NAME")[0][0]: one for one in chunks(rppxml.loads(project_file(plan)), "TRACK")}
    assert [number(lines(tracks[name], "MUTESOLO")[0][0]) for name in ("VERB", "VOX", "MUSIC")] == [1, 0, 0]
