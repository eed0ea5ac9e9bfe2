"""The shipped presets keep their word: on silence, noise, two frames and a song at three levels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bridge.domain.preset import Chain, Effect, MidSide, Parallel
from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects.graph import bind
from bridge.presets.catalog import EFFECTS, LINK
from bridge.presets.shelf import entries, find
from tests.effects.array_stems import ArrayStems, collect, levels
from tests.effects.promises import PROMISES, band_change_db, stated
from tests.songs import STEMS, multitrack

RATE = 44100
NAMES = [entry.name for entry in entries() if entry.shipped]
PRINTING = sorted(set(NAMES) - {"clean", "karaoke", "submix-prep"})
TEMPO = TempoMap((TempoChange(0.0, 120.0),), "setting")
MOST_PEAK_RISE_DB = 6.0
LOUDNESS_TOLERANCE_LU = 0.5
"""How far the stated change may be off: what rings on after the end counts too."""


@pytest.fixture(scope="module")
def song() -> dict[str, FloatArray]:
    return multitrack(8.0, RATE, 2, seed=5)


def run(name: str, stems: dict[str, FloatArray], rate: int = RATE) -> dict[str, FloatArray]:
    dry = ArrayStems(stems, rate)
    graph = bind(find(name), list(stems), sample_rate=rate, channels=dry.channels, tempo=TEMPO)
    return collect(graph, dry)


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
        elif isinstance(step, MidSide):
            yield from steps_of(step.mid + step.side)
        else:
            yield step


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
    assert preset.tags
    used = {stem.bus for stem in preset.stems.values()} | {send.target for send in preset.sends}
    used |= {bus.parent for bus in preset.buses.values()} - {None}
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
    if all(stem.target_lufs is None for stem in find(name).stems.values()):
        long = ArrayStems({stem: np.zeros((2, 20 * RATE), np.float32) for stem in STEMS})
        next(bind(find(name), STEMS, sample_rate=RATE, channels=2, tempo=TEMPO).run(long))
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
    for stem, (least, most) in stated(preset).items():
        assert least - LOUDNESS_TOLERANCE_LU <= min(changes[stem])
        assert max(changes[stem]) <= most + LOUDNESS_TOLERANCE_LU
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


Printed = tuple[dict[str, FloatArray], Callable[[str], dict[str, FloatArray]]]


@pytest.fixture(scope="module")
def at_minus_14(song: dict[str, FloatArray]) -> Printed:
    """Stems whose mix is at -14 LUFS, and what a preset makes of them, made once."""
    gain = np.float32(10 ** ((-14 - levels(sum(song.values())).lufs) / 20))
    dry = {stem: sound * gain for stem, sound in song.items()}
    return dry, functools.cache(lambda name: run(name, dry))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_description_promises_holds_on_a_song(name: str, at_minus_14: Printed) -> None:
    dry, made = at_minus_14
    wet = made(name)
    assert PROMISES[name]
    for promise in PROMISES[name]:
        assert promise.words in find(name).description
        sound = wet.get(promise.stem, dry[promise.stem])[:, : dry[promise.stem].shape[1]]
        assert promise.holds(dry[promise.stem], sound), f"{promise.words} ({promise.stem})"


@pytest.mark.parametrize("name", ["vocal-echo", "dub"])
def test_echoes_follow_the_tempo(name: str) -> None:
    click = np.zeros((2, 2 * RATE), np.float32)
    click[:, 100] = 0.5
    stem = "vocals"
    for bpm in (90.0, 150.0):
        tempo = TempoMap((TempoChange(0.0, bpm),), "setting")
        graph = bind(find(name), [stem], sample_rate=RATE, channels=2, tempo=tempo)
        heard = np.abs(collect(graph, ArrayStems({stem: click.copy()}))[stem][0])
        first = 100 + int(60 / bpm * {"vocal-echo": 0.75, "dub": 2 / 3}[name] * RATE)
        later = heard[2000:]
        assert abs(int(np.flatnonzero(later > later.max() / 3)[0]) + 2000 - first) < 200


def test_podcast_voice_takes_the_rumble_out(song: dict[str, FloatArray]) -> None:
    hum = np.sin(2 * np.pi * 30 * np.arange(song["vocals"].shape[1]) / RATE).astype(np.float32) * np.float32(0.1)
    stems = {"vocals": song["vocals"] + hum}
    wet = run("podcast-voice", stems)["vocals"]
    assert band_change_db(stems["vocals"], wet, 20, 40) < -20


def test_the_sum_of_the_submixes_is_the_mix(song: dict[str, FloatArray]) -> None:
    made = run("submix-prep", song)
    assert set(made) == {"bus:DRUMS", "bus:BASS", "bus:MUSIC", "bus:VOX", "bus:SUM"}
    np.testing.assert_allclose(made["bus:SUM"], sum(song.values()), atol=1e-6)
    np.testing.assert_array_equal(made["bus:VOX"], song["vocals"])


def test_a_mix_at_minus_14_lufs_does_not_clip_by_any_preset(at_minus_14: Printed) -> None:
    dry, made = at_minus_14
    for name in PRINTING:
        wet = made(name)
        length = max(sound.shape[1] for sound in [*wet.values(), *dry.values()])
        played = [
            np.pad(wet.get(stem, dry[stem]), ((0, 0), (0, length - wet.get(stem, dry[stem]).shape[1]))) for stem in dry
        ]
        assert levels(sum(played)).peak < 1.0, name
