"""Loudness as EBU Tech 3341 asks, and the same digits however the sound is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.meter import Meter, channel_weights
from bridge.domain.render import Levels
from tests.signals import pink_noise, silence, sine


def measured(*blocks: np.ndarray, sample_rate: int = 48000, channel_mask: int = 0) -> Levels:
    meter = Meter(sample_rate, blocks[0].shape[0], channel_mask)
    for block in blocks:
        meter.add(block)
    return meter.levels()


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_the_tone_of_the_ebu_reads_its_level(rate: int, level: float) -> None:
    tone = sine(frequency_hz=1000, level_db=level, sample_rate=rate, seconds=20)
    found = measured(tone, sample_rate=rate)
    assert found.lufs == pytest.approx(level, abs=0.02)
    assert found.rms_db == pytest.approx(level - 3.0103, abs=0.001)
    assert found.peak == float(np.abs(tone).max())


def test_the_gates_leave_out_what_the_ebu_leaves_out() -> None:
    def tone(level_db: float, seconds: float) -> np.ndarray:
        return sine(frequency_hz=1000, level_db=level_db, sample_rate=48000, seconds=seconds)

    assert measured(tone(-36, 10), tone(-23, 60), tone(-36, 10)).lufs == pytest.approx(-23.0, abs=0.1)
    levels = [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)]
    assert measured(*(tone(level, seconds) for level, seconds in levels)).lufs == pytest.approx(-23.0, abs=0.1)
    assert measured(tone(-26, 20), tone(-20, 20.1), tone(-26, 20)).lufs == pytest.approx(-23.0, abs=0.1)


def test_surrounds_count_more_and_the_low_frequency_channel_not_at_all() -> None:
    def only(channel: int, mask: int) -> float:
        sound = np.zeros((6, 96000), np.float32)
        sound[channel] = sine(frequency_hz=1000, level_db=-20, sample_rate=48000, seconds=2, channels=1)[0]
        return measured(sound, channel_mask=mask).lufs

    assert only(3, 0x3F) == -np.inf
    assert only(4, 0x3F) - only(0, 0x3F) == pytest.approx(10 * np.log10(1.41), abs=1e-9)
    assert only(5, 0x60F) - only(2, 0x60F) == pytest.approx(10 * np.log10(1.41), abs=1e-9)
    assert only(3, 0) == only(0, 0)
    assert channel_weights(8, 0x63F).tolist() == [1, 1, 1, 0, 1, 1, 1.41, 1.41]


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.39])
def test_what_is_too_short_has_no_loudness_but_a_level(seconds: float) -> None:
    found = measured(sine(sample_rate=48000, seconds=seconds))
    assert found.lufs == -np.inf
    assert (found.rms_db > -20) == (seconds > 0)


def test_silence_is_minus_infinity() -> None:
    assert measured(silence(sample_rate=48000, seconds=2)) == Levels(0.0, -np.inf, -np.inf)


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 30_000), max_size=8), rate=st.sampled_from([8000, 11025, 44100, 48000]))
def test_the_cutting_changes_no_digit(lengths: list[int], rate: int) -> None:
    noise = pink_noise(sample_rate=rate, seconds=3)
    blocks = np.split(noise, np.minimum(np.cumsum([0, *lengths]), noise.shape[1]), axis=1)
    assert measured(*blocks, sample_rate=rate) == measured(noise, sample_rate=rate)
