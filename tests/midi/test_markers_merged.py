"""Markers from several places are joined, each of them once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.render import Marker, merged

RATE = 1000
markers = st.lists(st.builds(Marker, st.integers(0, 50), st.sampled_from("ab"), st.sampled_from([0, 5])), max_size=6)


def test_one_name_within_a_millisecond_is_one_marker_and_the_first_place_wins() -> None:
    sidecar, cue, midi = [Marker(10, "A")], [Marker(11, "A"), Marker(5, "B")], [Marker(12, "A"), Marker(10, "C")]
    once = (Marker(5, "B"), Marker(10, "A"), Marker(10, "C"), Marker(12, "A"))
    assert merged(RATE, sidecar, cue, midi) == once


def test_a_region_wins_over_the_marker_at_its_start() -> None:
    assert merged(RATE, [Marker(10, "A")], [Marker(10, "A", 50)]) == (Marker(10, "A", 50),)
    assert merged(RATE, [Marker(10, "A", 50)], [Marker(10, "A")]) == (Marker(10, "A", 50),)


@given(markers, markers)
def test_nothing_is_lost_and_merging_again_adds_nothing(one: list[Marker], other: list[Marker]) -> None:
    joined = merged(RATE, one, other)
    assert merged(RATE, joined, one, other) == joined
    assert [marker.position_frames for marker in joined] == sorted(marker.position_frames for marker in joined)
    for marker in (*one, *other):
        assert any(two.name == marker.name and abs(two.position_frames - marker.position_frames) <= 1 for two in joined)
