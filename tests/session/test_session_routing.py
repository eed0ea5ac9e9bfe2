"""Every stem reaches the master over exactly one dry path, at the level the plan says; sends come on top."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from bridge.domain.session import BusPlan, SendPlan, SessionPlan
from bridge.errors import DeliveryError
from bridge.session.layout import rows
from bridge.session.routing import Gains, balance, walk
from bridge.units import db_to_gain
from tests.session.any_plan import plans


def ways(plan: SessionPlan, bus: str | None) -> list[tuple[bool, Gains]]:
    """List every single way from the input of a bus to the master: whether it is dry, and its gains."""
    if bus is None:
        return [(True, Gains())]
    made = next(one for one in plan.buses if one.name == bus)
    fader = balance(made.gain_db, made.pan)
    found = [(dry, fader * gains) for dry, gains in ways(plan, made.parent)]
    for send in plan.sends:
        if send.source == bus:
            taken = (Gains() if send.is_pre_fader else fader) * balance(send.level_db, send.pan)
            found += [(False, taken * gains) for _, gains in ways(plan, send.target)]
    return found


@given(plans())
@settings(max_examples=50, deadline=None)
def test_there_is_one_dry_path_and_its_level_is_the_product_of_the_faders(plan: SessionPlan) -> None:
    reached = walk(plan)
    assert set(reached) == {track.key for track in plan.tracks}
    for track in plan.tracks:
        every = ways(plan, track.bus)
        dry = [gains for is_dry, gains in every if is_dry]
        assert len(dry) == 1
        scale = 0.0 if track.mute else db_to_gain(track.gain_db) * db_to_gain(track.item.gain_db)
        fader = Gains(scale * min(1.0, 1 - track.pan), scale * min(1.0, 1 + track.pan), scale)
        assert vars(reached[track.key].dry) == pytest.approx(vars(fader * dry[0]))
        heard = sum((fader * gains for _, gains in every), Gains(0.0, 0.0, 0.0))
        assert vars(reached[track.key].heard) == pytest.approx(vars(heard))


@given(plans())
@settings(max_examples=50, deadline=None)
def test_folders_open_and_close_and_hold_what_feeds_them(plan: SessionPlan) -> None:
    ordered = rows(plan)
    assert len(ordered) == len(plan.tracks) + len(plan.buses)
    open_folders: list[str] = []
    for row in ordered:
        target = row.thing.parent if isinstance(row.thing, BusPlan) else row.thing.bus
        if plan.layout == "folders":
            assert (open_folders[-1] if open_folders else None) == target
        if row.folder_change > 0:
            open_folders.append(row.thing.name)
        del open_folders[len(open_folders) + min(0, row.folder_change) :]
    assert open_folders == []


@given(plans())
@settings(max_examples=50, deadline=None)
def test_a_plan_that_loops_or_points_nowhere_is_refused(plan: SessionPlan) -> None:
    loop = (BusPlan("X", "", 0.0, 2, parent="Y"), BusPlan("Y", "", 0.0, 2))
    with pytest.raises(DeliveryError, match="feeds itself"):
        walk(replace(plan, buses=loop, sends=(SendPlan("Y", "X", 0.0),), tracks=()))
    with pytest.raises(DeliveryError, match="no bus Z"):
        walk(replace(plan, buses=(BusPlan("X", "", 0.0, 2, parent="Z"),), sends=(), tracks=()))
    with pytest.raises(DeliveryError, match="two of"):
        walk(replace(plan, tracks=(*plan.tracks, plan.tracks[0])))
