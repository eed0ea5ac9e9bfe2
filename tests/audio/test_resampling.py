"""Conversion keeps the length, the place of every sample, and what the signal says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.resample import resample, resampled_frames
from tests.assertions import assert_audio_close
from tests.signals import impulses, pink_noise, sweep

RATES = [48000, 88200, 96000, 192000]


def cut(sound: np.ndarray, block_frames: int) -> Iterator[np.ndarray]:
    return (sound[:, start : start + block_frames] for start in range(0, sound.shape[1], block_frames))


def converted(
    sound: np.ndarray, source_rate: int, target_rate: int, *, target_frames: int | None = None, block_frames: int = 4096
) -> np.ndarray:
    blocks = resample(
        cut(sound, block_frames), source_rate, target_rate, frames=sound.shape[1], target_frames=target_frames
    )
    return np.concatenate(list(blocks), axis=1)


@pytest.mark.parametrize("rate", RATES)
def test_impulses_stay_on_their_instant(rate: int) -> None:
    for source_rate, target_rate in ((rate, 44100), (44100, rate)):
        source = impulses(every_seconds=0.1, sample_rate=source_rate, seconds=1.0)
        found = converted(source, source_rate, target_rate)
        assert found.shape == (2, target_rate)
        instants = np.flatnonzero(source[0]) / source_rate
        steps = np.arange(-40, 41)
        for instant in instants:
            near = round(instant * target_rate) + steps
            weight = np.square(found[0, near].astype(np.float64))
            centre = float((weight * near).sum() / weight.sum())
            assert centre == pytest.approx(instant * target_rate, abs=0.01)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("extra", [0, 1, 77])
def test_there_and_back_nulls_with_the_length_it_had(rate: int, extra: int) -> None:
    signal = sweep(sample_rate=rate, seconds=1.0, end_hz=10_000)[:, : rate - extra]
    there = converted(signal, rate, 44100)
    assert there.shape[1] == resampled_frames(signal.shape[1], rate, 44100)
    back = converted(there, 44100, rate, target_frames=signal.shape[1])
    assert_audio_close(back[:, : rate - 2000], signal[:, : rate - 2000], below_db=-130.0)
    assert back.shape == signal.shape


@pytest.mark.parametrize("rate", RATES)
def test_streaming_is_soxr_at_one_shot_however_it_is_cut(rate: int) -> None:
    signal = pink_noise(sample_rate=rate, channels=3, seconds=0.5)
    whole = soxr.resample(signal.T, rate, 44100, quality="VHQ").T
    for block_frames in (1000, 4097, 10**6):
        np.testing.assert_array_equal(converted(signal, rate, 44100, block_frames=block_frames), whole)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(1, 700),
    source_rate=st.sampled_from([8000, 22050, 44100, 48000, 384000]),
    target_rate=st.sampled_from([8000, 44100, 48000, 192000]),
    block_frames=st.integers(1, 800),
)
def test_every_length_is_exact(frames: int, source_rate: int, target_rate: int, block_frames: int) -> None:
    signal = pink_noise(sample_rate=44100, seconds=1)[:, :frames]
    there = list(resample(cut(signal, block_frames), source_rate, target_rate, frames=frames))
    length = sum(block.shape[1] for block in there)
    assert length == resampled_frames(frames, source_rate, target_rate)
    assert abs(length - frames * target_rate / source_rate) <= 0.5
    assert all(block.dtype == np.float32 for block in there)
    assert source_rate == target_rate or all(block.flags["C_CONTIGUOUS"] for block in there)
    back = resample(iter(there), target_rate, source_rate, frames=length, target_frames=frames)
    assert sum(block.shape[1] for block in back) == (frames if length else 0)


def test_equal_rates_pass_the_same_arrays_through() -> None:
    blocks = list(cut(pink_noise(seconds=0.1), 1000))
    passed = list(resample(iter(blocks), 44100, 44100, frames=4410))
    assert all(one is other for one, other in zip(passed, blocks, strict=True))


def test_a_stream_of_another_length_than_announced_is_an_error() -> None:
    with pytest.raises(ValueError, match="4410 frames came, 4411 were announced"):
        list(resample(cut(pink_noise(seconds=0.1), 1000), 44100, 48000, frames=4411))
