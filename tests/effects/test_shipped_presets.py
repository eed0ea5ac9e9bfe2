"""The shipped presets keep their word: on silence, noise, two frames and a song at three levels."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from bridge.domain.preset import Chain, Effect, Parallel, Preset
from bridge.domain.stems import FloatArray
from bridge.effects.graph import bind
from bridge.presets.catalog import EFFECTS, LINK
from bridge.presets.shelf import entries, find
from tests.effects.array_stems import ArrayStems, collect, levels
from tests.songs import STEMS, multitrack

RATE = 44100
NAMES = [entry.name for entry in entries() if entry.shipped]
PRINTING = sorted(set(NAMES) - {"clean", "karaoke"})
MOST_PEAK_RISE_DB = 6.0
LOUDNESS_TOLERANCE_LU = 1.0
"""How far the stated change may be off from one song to the next."""


@pytest.fixture(scope="module")
def song() -> dict[str, FloatArray]:
    return multitrack(8.0, RATE, 2, seed=5)


def run(name: str, stems: dict[str, FloatArray], rate: int = RATE) -> dict[str, FloatArray]:
    dry = ArrayStems(stems, rate)
    return collect(bind(find(name), list(stems), sample_rate=rate, channels=dry.channels), dry)


def at_lufs(sound: FloatArray, lufs: float) -> FloatArray:
    return sound * np.float32(10 ** ((lufs - levels(sound).lufs) / 20))


def pink(frames: int, channels: int, gain: float = 0.1) -> FloatArray:
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal((channels, frames)))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[1]), 1))
    sound = np.fft.irfft(spectrum, frames)
    return np.ascontiguousarray(sound * gain / sound.std(), np.float32)


def steps_of(chain: Chain) -> Iterator[Effect]:
    for step in chain:
        if isinstance(step, Parallel):
            for branch in step.branches:
                yield from steps_of(branch)
        else:
            yield step


def stated(preset: Preset) -> dict[str, float]:
    told = preset.description.partition("Loudness change:")[2]
    return {stem: float(change) for stem, change in re.findall(r"(\w+) ([+-]\d+\.\d)", told)}


def test_there_are_presets_for_the_usual_jobs() -> None:
    assert {"clean", "mix-ready", "vocal-air", "karaoke", "drum-punch", "lo-fi", "wide-music", "mastering-prep"} <= set(
        NAMES
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_preset_is_described_routed_coloured_and_gain_staged(name: str) -> None:
    preset = find(name)
    assert preset.name == name
    assert len(preset.description) > 60
    assert "*" in preset.stems, "every stem of every model has its place"
    assert all(bus.color for bus in preset.buses.values())
    used = {stem.bus for stem in preset.stems.values()} | {send.target for send in preset.sends}
    assert used == set(preset.buses)
    for stem in preset.stems.values():
        effects = list(steps_of(stem.chain))
        if any(EFFECTS[effect.name].level_dependent for effect in effects):
            assert stem.reference_lufs is not None
        for effect in effects:
            if EFFECTS[effect.name].parameters.get("link") is LINK:
                assert effect.parameters["link"], "the image of a stereo stem stays where it is"


@pytest.mark.parametrize("name", ["clean", "karaoke"])
def test_a_preset_of_faders_only_prints_nothing(name: str) -> None:
    assert bind(find(name), STEMS, sample_rate=RATE, channels=2).printed == frozenset()


def test_karaoke_mutes_the_voice_in_the_session() -> None:
    assert [stem for stem in STEMS if find("karaoke").for_stem(stem).mute] == ["vocals"]


@pytest.mark.parametrize("name", PRINTING)
def test_it_streams_and_survives_silence_noise_and_two_frames(name: str) -> None:
    long = ArrayStems({stem: np.zeros((2, 20 * RATE), np.float32) for stem in STEMS})
    next(bind(find(name), STEMS, sample_rate=RATE, channels=2).run(long))
    assert long.read_frames < long.frames / 2
    silent = run(name, {stem: np.zeros((2, RATE), np.float32) for stem in STEMS})
    assert all(sound.shape == (2, RATE) and not sound.any() for sound in silent.values())
    run(name, {stem: pink(2, 2) for stem in STEMS})
    for rate, channels in ((22050, 1), (44100, 2), (96000, 2), (48000, 6)):
        for sound in run(name, {stem: pink(rate, channels) for stem in STEMS}, rate).values():
            assert sound.shape[1] >= rate
            assert levels(sound, rate).peak < 2.0


@pytest.mark.parametrize("name", PRINTING)
def test_the_loudness_changes_as_the_description_says_whatever_the_level(
    name: str, song: dict[str, FloatArray]
) -> None:
    preset = find(name)
    changes: dict[str, list[float]] = {}
    for lufs in (-8.0, -14.0, -20.0):
        dry = {stem: at_lufs(sound, lufs) for stem, sound in song.items()}
        for stem, sound in run(name, dry).items():
            before, after = levels(dry[stem]), levels(sound)
            changes.setdefault(stem, []).append(after.lufs - before.lufs)
            assert after.peak < before.peak * 10 ** (MOST_PEAK_RISE_DB / 20)
    assert changes.keys() == stated(preset).keys()
    for stem, change in stated(preset).items():
        assert changes[stem] == pytest.approx([change] * 3, abs=LOUDNESS_TOLERANCE_LU)
        assert np.ptp(changes[stem]) < 0.05


def test_wide_music_keeps_the_mono_sum_of_every_stem_and_widens_only_the_music(song: dict[str, FloatArray]) -> None:
    stems = song | {"bass": song["other"]}
    for stem, sound in run("wide-music", stems).items():
        dry, wet = stems[stem], sound[:, : song["other"].shape[1]]
        np.testing.assert_allclose(wet.sum(axis=0), dry.sum(axis=0), atol=2e-6)
        width = np.diff(wet, axis=0).std() / np.diff(dry, axis=0).std()
        assert width == pytest.approx(0.0 if stem == "bass" else 1.5, abs=0.1)


def test_the_printed_room_of_vocal_space_rings_on(song: dict[str, FloatArray]) -> None:
    printed = run("vocal-space", {"vocals": song["vocals"]})["vocals"]
    assert 0.5 * RATE < printed.shape[1] - song["vocals"].shape[1] < 5 * RATE
