"""What goes into a plugin and what comes out: when silence is no answer, and when it is one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.stems import FloatArray
from bridge.effects.plugins.ear import Ear

RATE = 8000


def noise(seconds: float, gain: float = 0.3) -> FloatArray:
    size = (2, round(seconds * RATE))
    return (np.random.default_rng(0).uniform(-1.0, 1.0, size) * gain).astype(np.float32)


def silence(seconds: float, value: float = 0.0) -> FloatArray:
    return np.full((2, round(seconds * RATE)), value, np.float32)


def heard(given: FloatArray, made: FloatArray, *, late: int = 0, block: int = 1000) -> Ear:
    """Play blocks; what comes out comes `late` frames behind what went in, as from a plugin with latency."""
    ear = Ear(RATE, late)
    for start in range(0, given.shape[1], block):
        end = min(start + block, given.shape[1])
        ear.hear(given[:, start:end], made[:, max(0, start - late) : max(0, end - late)])
    return ear


def muted(sound: FloatArray, begin: float, end: float, value: float = 0.0) -> FloatArray:
    out = sound.copy()
    out[:, round(begin * RATE) : round(end * RATE)] = value
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(300, 9000), st.integers(0, 3000), st.sampled_from([0.0, 1e-40, -1e-20, 1e-8]))
def test_a_gap_is_found_to_the_frame_at_any_block_size_and_latency(block: int, late: int, value: float) -> None:
    sound = noise(8.0)
    ear = heard(sound, muted(sound, 2.0, 4.5, value), late=late, block=block)
    assert ear.gaps_seconds() == [(2.0, 4.5)]
    assert not ear.is_dumb
    assert not ear.is_broken


def test_several_gaps_are_told_in_order_and_one_that_lasts_to_the_end_of_what_went_in() -> None:
    sound = muted(noise(15.0), 12.0, 15.0)
    made = muted(muted(muted(sound, 1.0, 3.0), 5.0, 6.5), 8.5, 15.0)
    found = heard(sound, made).gaps_seconds()
    assert found[:2] == [(1.0, 3.0), (5.0, 6.5)]
    assert found[2] == pytest.approx((8.5, 12.0), abs=0.01)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (noise(8.0), noise(8.0)),
        (noise(8.0), muted(noise(8.0), 2.0, 2.9)),
        (muted(noise(8.0), 2.0, 6.0), muted(noise(8.0), 2.0, 6.0)),
        (noise(8.0, gain=0.03), muted(noise(8.0, gain=0.03), 2.0, 6.0)),
        (noise(8.0), muted(noise(8.0), 2.0, 6.0, 1e-6)),
        (muted(noise(8.0), 1.0, 3.0), muted(noise(8.0), 3.0, 5.0)),
    ],
    ids=["sound", "less than a second", "silence in", "quiet sound in", "very quiet sound out", "echoes alone"],
)
def test_what_may_well_be_meant_is_no_gap(given: FloatArray, made: FloatArray) -> None:
    assert heard(given, made).gaps_seconds() == []


def test_what_never_sounded_is_certain_after_five_seconds_of_sound_and_not_before() -> None:
    for seconds, broken in ((4.9, False), (5.1, True)):
        ear = heard(noise(seconds), silence(seconds, 1e-40))
        assert ear.is_dumb
        assert ear.is_broken is broken
        assert ear.gaps_seconds() == []
    assert not heard(silence(30.0), silence(30.0)).is_broken
    assert not heard(noise(30.0, gain=0.009), silence(30.0)).is_broken
    assert not heard(noise(30.0), muted(noise(30.0), 0.0, 4.9)).is_broken
