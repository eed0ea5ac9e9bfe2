"""Note values: as long as the tempo says, on its changes too, and where nobody says a tempo, the drums do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.domain.preset import Effect, Preset, StemPreset
from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects.drums import heard_tempo
from bridge.effects.graph import bind
from bridge.effects.own_shapes import following_delay
from bridge.effects.place import Place
from bridge.effects.tempo import Stretch, note_quarters, stretches
from bridge.errors import EffectError, PresetError
from tests.effects.array_stems import ArrayStems, collect
from tests.songs import multitrack

RATE = 44100
ECHO = Effect("Delay", {"delay_seconds": "1/8d", "feedback": 0.5, "mix": 0.4})


def tempo(*changes: tuple[float, float]) -> TempoMap:
    return TempoMap(tuple(TempoChange(seconds, bpm) for seconds, bpm in changes), "midi")


def printed(effect: Effect, sound: FloatArray, bpm: TempoMap | None = None) -> FloatArray:
    preset = Preset("p", "", {"vocals": StemPreset((effect,), tail=2.0)})
    graph = bind(preset, ["vocals"], sample_rate=RATE, channels=2, tempo=bpm)
    return collect(graph, ArrayStems({"vocals": sound.copy()}))["vocals"]


def noise(seconds: float) -> FloatArray:
    return (np.random.default_rng(0).standard_normal((2, int(seconds * RATE))) * 0.1).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "quarters"),
    [("1/4", 1.0), ("1/8", 0.5), ("1/8d", 0.75), ("1/4t", 2 / 3), ("1/1", 4.0), ("3/16", 0.75), ("1/64", 1 / 16)],
)
def test_a_note_value_lasts_as_long_as_musicians_say(text: str, quarters: float) -> None:
    assert note_quarters(text) == pytest.approx(quarters)


def test_at_one_tempo_a_note_value_is_the_same_bits_as_its_seconds() -> None:
    sound = noise(2.0)
    plain = Effect("Delay", ECHO.parameters | {"delay_seconds": 0.375})
    same_tempo = tempo((0.0, 120.0), (1.0, 120.0))
    for known in (tempo((0.0, 120.0)), same_tempo):
        np.testing.assert_array_equal(printed(ECHO, sound, known), printed(plain, sound))


def test_our_delay_is_pedalboards_where_the_time_stays() -> None:
    sound = noise(2.0)
    plain = Effect("Delay", ECHO.parameters | {"delay_seconds": 0.1234567})
    place = Place("vocals", RATE, 2, sound.shape[1], sound.shape[1])
    ours = following_delay((Stretch(0, plain), Stretch(10**9, plain)), place)
    made = np.concatenate([ours(sound[:, start : start + 32768]) for start in range(0, sound.shape[1], 32768)], axis=1)
    np.testing.assert_allclose(made, printed(plain, sound)[:, : sound.shape[1]], atol=2e-7)


def test_echoes_change_with_the_tempo_and_nothing_clicks() -> None:
    time = np.arange(4 * RATE) / RATE
    tone = np.stack([0.3 * np.sin(2 * np.pi * 110 * time)] * 2).astype(np.float32)
    changed, before = printed(ECHO, tone, tempo((0.0, 120.0), (2.0, 90.0))), printed(ECHO, tone, tempo((0.0, 120.0)))
    np.testing.assert_array_equal(changed[:, : 2 * RATE], before[:, : 2 * RATE])
    steepest = np.abs(np.diff(tone)).max()
    around = changed[:, 2 * RATE - 4410 : 2 * RATE + 4410]
    assert np.abs(np.diff(around)).max() < 2.0 * steepest
    click = np.zeros((2, 4 * RATE), np.float32)
    click[:, 3 * RATE] = 0.5
    heard = printed(ECHO, click, tempo((0.0, 120.0), (2.0, 90.0)))[0]
    assert int(np.abs(heard[3 * RATE + 1 :]).argmax()) + 1 == RATE // 2


def test_a_rate_and_a_release_may_be_note_values() -> None:
    for effect, plain in (
        (Effect("Chorus", {"rate_hz": "1/1"}), Effect("Chorus", {"rate_hz": 0.5})),
        (
            Effect("Compressor", {"threshold_db": -30.0, "ratio": 4.0, "release_ms": "1/8"}),
            Effect("Compressor", {"threshold_db": -30.0, "ratio": 4.0, "release_ms": 250.0}),
        ),
    ):
        sound = noise(1.0)
        np.testing.assert_array_equal(printed(effect, sound, tempo((0.0, 120.0))), printed(plain, sound))
        assert (printed(effect, sound, tempo((0.0, 120.0), (0.4, 60.0))) != printed(plain, sound)).any()


@given(
    st.lists(
        st.tuples(st.floats(-10, 100), st.floats(1, 960), st.booleans()),
        min_size=1,
        max_size=40,
        unique_by=lambda c: c[0],
    )
)
@example([(60.0 - 1e-9, 90.0, False), (0.0, 120.0, False)])
def test_any_tempo_map_gives_stretches_in_order_from_the_first_frame(changes: list[tuple[float, float, bool]]) -> None:
    found = TempoMap(tuple(TempoChange(s, b, is_ramp=ramp) for s, b, ramp in sorted(changes)), "midi")
    parts = stretches(Effect("Delay", {"delay_seconds": "1/32"}), found, RATE, 60 * RATE)
    starts = [part.start for part in parts]
    assert starts[0] == 0
    assert all(later > earlier for earlier, later in itertools.pairwise(starts))
    assert starts[-1] < 60 * RATE
    assert all(isinstance(part.effect.parameters["delay_seconds"], float) for part in parts)


def test_a_note_that_is_too_long_at_a_tempo_is_told_before_any_work() -> None:
    with pytest.raises(PresetError, match="out of range"):
        printed(Effect("Delay", {"delay_seconds": "16/1"}), noise(1.0), tempo((0.0, 120.0), (100.0, 60.0)))


def test_without_tempo_and_drums_a_note_value_is_a_preset_error() -> None:
    with pytest.raises(PresetError) as caught:
        printed(ECHO, noise(1.0))
    assert "--bpm" in caught.value.hint


def test_the_tempo_of_the_drums_is_used_and_said() -> None:
    stems = multitrack(20.0, RATE, 2, seed=3)
    graph = bind(Preset("p", "", {"vocals": StemPreset((ECHO,))}), list(stems), sample_rate=RATE, channels=2)
    told: list[str] = []
    for _ in graph.run(ArrayStems(stems), told.append):
        pass
    assert len(told) == 1
    assert "estimated from the drums" in told[0]
    assert "--bpm" in told[0]


@pytest.mark.parametrize("seed", range(6))
def test_the_tempo_of_generated_songs_is_heard_to_a_tenth_of_a_percent(seed: int) -> None:
    played = np.random.default_rng([seed, 2024]).uniform(96.0, 124.0)
    heard = heard_tempo(ArrayStems(multitrack(20.0, RATE, 2, seed=seed)), "drums").changes[0].bpm
    assert heard == pytest.approx(played, rel=1e-3)


def backbeat(bpm: float, rate: int, seconds: float = 16.0) -> FloatArray:
    """Kick on one and three, snare on two and four, hats in eighths."""
    random = np.random.default_rng(round(bpm))
    time = np.arange(round(0.25 * rate)) / rate
    kick = np.sin(2 * np.pi * 55 * time) * np.exp(-time / 0.08)
    snare = np.sin(2 * np.pi * 400 * time) * np.exp(-time / 0.05) + 0.3 * np.sin(2 * np.pi * 1100 * time)
    hat = random.standard_normal(time.size) * np.exp(-time / 0.01)
    out = np.zeros(round(seconds * rate) + time.size)
    for eighth in range(int(seconds * bpm / 30)):
        at = round(eighth * 30 / bpm * rate)
        stroke = 0.15 * hat + (
            0.8 * (kick if eighth % 4 == 0 else snare * np.exp(-time / 0.06)) if eighth % 2 == 0 else 0
        )
        out[at : at + time.size] += stroke
    return np.stack([out, out]).astype(np.float32) * np.float32(0.5)


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
@pytest.mark.parametrize("bpm", [74.0, 96.5, 120.0, 144.0, 168.0, 184.0])
def test_kick_and_snare_in_turns_tell_the_beat_from_its_half_and_double(bpm: float, rate: int) -> None:
    heard = heard_tempo(ArrayStems({"drums": backbeat(bpm, rate)}, rate), "drums")
    assert heard.source == "estimated"
    assert heard.changes[0].bpm == pytest.approx(bpm, rel=2e-3)


def told_of(drums: FloatArray) -> tuple[TempoMap, str]:
    stems = {"vocals": np.zeros_like(drums), "drums": drums}
    graph = bind(Preset("p", "", {"vocals": StemPreset((ECHO,))}), list(stems), sample_rate=RATE, channels=2)
    told: list[str] = []
    heard: list[TempoMap] = []
    for _ in graph.run(ArrayStems(stems), told.append, heard.append):
        pass
    return heard[0], told[0]


@pytest.mark.parametrize("bpm", [66.0, 74.0])
def test_a_tempo_that_may_be_twice_as_fast_is_told_with_both(bpm: float) -> None:
    heard, told = told_of(backbeat(bpm, RATE))
    assert heard.changes[0].bpm == pytest.approx(bpm, rel=2e-3)
    assert heard.other_bpm == pytest.approx(2 * bpm, rel=2e-3)
    assert f"{bpm:.2f} BPM" in told
    assert f"may as well be {2 * bpm:.2f}" in told


def test_a_tempo_without_doubt_is_told_alone() -> None:
    heard, told = told_of(backbeat(120.0, RATE))
    assert heard.other_bpm is None
    assert "as well" not in told
    assert "--bpm" in told


def four_on_the_floor(bpm: float) -> FloatArray:
    """A kick on every beat and a hat between."""
    time = np.arange(round(0.2 * RATE)) / RATE
    kick = np.sin(2 * np.pi * 55 * time) * np.exp(-time / 0.08)
    hat = np.random.default_rng(1).standard_normal(time.size) * np.exp(-time / 0.01)
    out = np.zeros(16 * RATE + time.size)
    for eighth in range(int(16 * bpm / 30)):
        at = round(eighth * 30 / bpm * RATE)
        out[at : at + time.size] += 0.1 * hat if eighth % 2 else 0.4 * kick
    return np.stack([out, out]).astype(np.float32)


@pytest.mark.parametrize("bpm", [118.0, 124.0, 128.0, 140.0])
def test_hats_between_the_kicks_of_dance_music_are_no_beats(bpm: float) -> None:
    heard = heard_tempo(ArrayStems({"drums": four_on_the_floor(bpm)}), "drums")
    assert heard.changes[0].bpm == pytest.approx(bpm, rel=2e-3)


@pytest.mark.parametrize("sound", [np.zeros((2, 5 * RATE), np.float32), np.zeros((2, 1), np.float32), noise(10.0)])
def test_where_nothing_repeats_no_tempo_is_made_up(sound: FloatArray) -> None:
    with pytest.raises(EffectError) as caught:
        heard_tempo(ArrayStems({"drums": sound.copy()}), "drums")
    assert "--bpm" in caught.value.hint
