"""What a release does to a song: the mix is what the codec made of it, and the stems are its parts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training.codec import RATE, Release, Sound, compressed, draw, published, resampled

SECONDS = 2


@pytest.fixture(scope="module")
def stems() -> dict[str, Sound]:
    """A low tone, noise in bursts, a chord, and a voice that is silent in the second half."""
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * RATE) / RATE
    bursts = rng.standard_normal(len(t)) * np.exp(-(t % 0.25) / 0.03)
    chord = sum(np.sin(2 * np.pi * hz * t) for hz in (330, 415, 494))
    voice = np.sign(np.sin(2 * np.pi * 210 * t)) * (t < SECONDS / 2)
    sounds = {
        "bass": 0.2 * np.sin(2 * np.pi * 60 * t),
        "drums": 0.1 * bursts,
        "other": 0.05 * chord,
        "vocals": 0.1 * voice,
    }
    return {stem: np.stack([sound, 0.7 * sound], axis=1).astype(np.float32) for stem, sound in sounds.items()}


def level_db(sound: Sound) -> float:
    return 10 * float(np.log10(np.mean(sound.astype(np.float64) ** 2) + 1e-30))


@pytest.mark.parametrize("codec", ["MP3", "OGG"])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_the_stems_add_up_to_the_mix_that_the_codec_gave_back(stems: dict[str, Sound], codec: str, rate: int) -> None:
    release = Release(rate, "HQ", codec, 0.7)
    mix = np.sum([resampled(sound, RATE, rate, "HQ") for sound in stems.values()], axis=0)
    gain = 0.9 / np.abs(mix).max()
    heard = resampled(compressed(mix * gain, rate, codec, 0.7) / gain, rate, RATE, "HQ")
    total = np.sum(list(published(stems, release).values()), axis=0)
    assert level_db(total - heard[: len(total)]) < level_db(total) - 100


@pytest.mark.parametrize("codec", ["MP3", "OGG"])
def test_every_stem_stays_in_time_and_close_to_itself(stems: dict[str, Sound], codec: str) -> None:
    for stem, sound in published(stems, Release(RATE, "HQ", codec, 0.3)).items():
        assert sound.shape == stems[stem].shape
        assert level_db(sound - stems[stem]) < level_db(stems[stem]) - 6, stem


def test_a_band_that_the_codec_cuts_is_gone_from_every_stem(stems: dict[str, Sound]) -> None:
    cut = published(stems, Release(RATE, "HQ", "MP3", 0.75))
    for stem in ("drums", "vocals"):
        above = np.fft.rfftfreq(len(cut[stem]), 1 / RATE) > 19000
        before, after = (np.fft.rfft(one[:, 0] * np.hanning(len(one)))[above] for one in (stems[stem], cut[stem]))
        assert 20 * np.log10(np.linalg.norm(after) / np.linalg.norm(before)) < -30, stem


def test_a_stem_that_is_silent_stays_silent(stems: dict[str, Sound]) -> None:
    after = published(stems, Release(RATE, "HQ", "OGG", 0.8))["vocals"][(SECONDS * RATE) // 2 + 4096 :]
    assert not after.any()


def test_a_lossless_release_at_44_1_khz_changes_nothing(stems: dict[str, Sound]) -> None:
    for stem, sound in published(stems, Release(RATE, "HQ", None, 0.5)).items():
        np.testing.assert_array_equal(sound, stems[stem])


def test_releases_differ_and_the_same_seed_draws_the_same_ones() -> None:
    drawn = [draw(random.Random(seed)) for seed in range(100)]
    assert drawn == [draw(random.Random(seed)) for seed in range(100)]
    assert {one.codec for one in drawn} == {None, "MP3", "OGG"}
    assert {one.rate for one in drawn} == {44100, 48000}
