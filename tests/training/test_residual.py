"""What counts as wrong in an instrumental: a voice that stayed, music that went, and neither by chance."""

from __future__ import annotations

import numpy as np
import pytest

from training.residual import Sound, residuals

SECONDS = 4
FRAMES = SECONDS * 44100


@pytest.fixture(scope="module")
def music() -> Sound:
    return 0.1 * np.random.default_rng(1).standard_normal((2, FRAMES)).astype(np.float32)


@pytest.fixture(scope="module")
def voice() -> Sound:
    """Sings in the first half only."""
    sung = 0.1 * np.random.default_rng(2).standard_normal((2, FRAMES)).astype(np.float32)
    sung[:, FRAMES // 2 :] = 0.0
    return sung


def test_the_true_music_has_nothing_wrong(music: Sound, voice: Sound) -> None:
    left, wrong = residuals(music, music, voice)
    assert left < -60
    assert wrong < -100


@pytest.mark.parametrize(("share", "expected"), [(1.0, -3.0), (0.5, -9.0), (0.1, -23.0)])
def test_a_voice_that_stayed_is_found_at_its_level(music: Sound, voice: Sound, share: float, expected: float) -> None:
    left, wrong = residuals(music + np.float32(share) * voice, music, voice)
    assert left == pytest.approx(expected, abs=0.3)
    assert wrong == pytest.approx(expected, abs=0.3)


def test_music_that_went_is_wrong_but_is_no_voice(music: Sound, voice: Sound) -> None:
    left, wrong = residuals(0.5 * music, music, voice)
    assert left < -60
    assert wrong == pytest.approx(-9.0, abs=0.3)


def test_a_voice_turned_upside_down_is_left_as_much(music: Sound, voice: Sound) -> None:
    assert residuals(music - 0.5 * voice, music, voice)[0] == pytest.approx(-9.0, abs=0.3)


def test_only_seconds_with_a_voice_count(music: Sound, voice: Sound) -> None:
    spoilt = music.copy()
    spoilt[:, FRAMES // 2 + 4410 :] = 0.0
    assert residuals(spoilt, music, voice)[1] < -40
    assert residuals(spoilt[:, ::-1].copy(), music, voice)[1] > -10


def test_what_lies_outside_the_vocal_band_does_not_count(music: Sound, voice: Sound) -> None:
    low = np.sin(2 * np.pi * 50 * np.arange(FRAMES) / 44100).astype(np.float32)
    assert residuals(music + 0.1 * low, music, voice)[1] < -40
