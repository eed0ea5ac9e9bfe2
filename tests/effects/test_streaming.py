"""Streamed block by block, every effect gives the bits it gives in one piece: at every rate, at odd boundaries too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.domain.preset import Bus, Chain, Effect, MidSide, Parallel, Preset, StemPreset
from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects import flow, graph, settle, steps
from bridge.effects.builtin import held_below_nyquist
from bridge.effects.graph import bind
from bridge.effects.place import BLOCK, BUFFER
from bridge.presets.catalog import EFFECTS, EffectSpec
from tests.effects.array_stems import ArrayStems, collect
from tests.effects.test_effects_catalog import BUILT_IN, noise, pedalboard_effect

RATES = (8000, 44100, 48000, 96000, 192000)
FRAMES = 2 * BLOCK + 777
ODD = 12_345
SOONER = {"Delay": {"delay_seconds": 0.05}, "NoiseGate": {"threshold_db": -20.0}}
"""Values at which they do something to this sound."""
MOVING = TempoMap((TempoChange(0.0, 100.0), TempoChange(0.2, 140.0), TempoChange(0.4, 90.0, is_ramp=True)), "midi")


def given_values(spec: EffectSpec) -> dict[str, Any]:
    """Values that change the sound: a third into the range, where there is one."""
    values: dict[str, Any] = {}
    for name, field in spec.parameters.items():
        if name in spec.added:
            continue
        if field.kind == "number":
            values[name] = float(np.float32(field.low + (field.high - field.low) * 0.3))
        elif field.kind == "choice":
            values[name] = field.choices[-1]
    return values


def sound_of(rate: int, channels: int = 2) -> FloatArray:
    return noise((FRAMES + 0.5) / rate, channels, rate)


def printed(preset: Preset, rate: int, block: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, FloatArray]:
    for module in (steps, flow, settle, graph):
        monkeypatch.setattr(module, "BLOCK", block)
    sound = sound_of(rate)
    stems = {"vocals": sound, "drums": np.ascontiguousarray(sound[::-1, ::-1])}
    dry = ArrayStems(stems, rate)
    return collect(bind(preset, list(stems), sample_rate=rate, channels=2, tempo=MOVING), dry)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_an_effect_of_pedalboard_is_that_effect_on_the_whole_song(
    name: str, rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = BUILT_IN[name]
    if rate not in (spec.sample_rates or RATES):
        pytest.skip("it cannot work at this rate, and says so")
    values = given_values(spec) | SOONER.get(name, {})
    for parameter, field in spec.parameters.items():
        if field.below_nyquist:
            values[parameter] = held_below_nyquist(values[parameter], rate)
    sound = sound_of(rate)
    rows = [slice(0, 2)] if spec.max_channels != 1 else [slice(0, 1), slice(1, 2)]
    padded = np.pad(sound, ((0, 0), (0, rate // 4)))
    made = [pedalboard_effect(name, values)(padded[row], rate, buffer_size=BUFFER) for row in rows]
    whole = np.concatenate(made)
    assert not np.array_equal(whole[:, :FRAMES], sound), "it does something"
    preset = Preset("p", "", {"vocals": StemPreset((Effect(name, values),), tail=0.1)})
    for block in (BLOCK, ODD) if spec.streams else (BLOCK,):
        ours = printed(preset, rate, block, monkeypatch)["vocals"][:, :FRAMES]
        if name == "Distortion":
            np.testing.assert_allclose(ours, whole[:, :FRAMES], rtol=1e-6, err_msg="tanh of another library")
        else:
            np.testing.assert_array_equal(ours, whole[:, :FRAMES])


@pytest.mark.parametrize("mix", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("feedback", [0.0, 0.6, 0.98])
@pytest.mark.parametrize("frames", [2047, 2048, 13_230, 65_536, 65_537])
def test_a_delay_of_whole_blocks_is_that_of_pedalboard_bit_for_bit(frames: int, feedback: float, mix: float) -> None:
    values = {"delay_seconds": float(np.float32((frames + 0.5) / 44_100)), "feedback": feedback, "mix": mix}
    sound = sound_of(44_100)
    preset = Preset("p", "", {"vocals": StemPreset((Effect("Delay", values),), tail=0.0)})
    graph = bind(preset, ["vocals"], sample_rate=44_100, channels=2)
    made = collect(graph, ArrayStems({"vocals": sound.copy()}))["vocals"]
    whole = pedalboard_effect("Delay", values)(sound, 44_100, buffer_size=BUFFER)
    np.testing.assert_array_equal(made, whole)


@pytest.mark.parametrize("drive_db", [-24.0, 0.0, 12.0, 60.0])
def test_distortion_is_that_of_pedalboard_but_for_the_rounding_of_its_tanh(drive_db: float) -> None:
    sound = sound_of(44_100)
    sound[:, :4] = [[0.0, -0.0, 4.0, -1e30]] * 2
    graph = bind(
        Preset("p", "", {"vocals": StemPreset((Effect("Distortion", {"drive_db": drive_db}),), tail=0.0)}),
        ["vocals"],
        sample_rate=44_100,
        channels=2,
    )
    made = collect(graph, ArrayStems({"vocals": sound.copy()}))["vocals"]
    whole = pedalboard_effect("Distortion", {"drive_db": drive_db})(sound, 44_100, buffer_size=BUFFER)
    np.testing.assert_allclose(made, whole, rtol=1e-6, atol=1e-30)


SQUASH = Effect("Compressor", {"threshold_db": -30.0, "ratio": 4.0, "link": True})
LIMIT = Effect("BrickwallLimiter", {"ceiling_db": -18.0})
OURS: dict[str, Chain] = {
    "Delay": (Effect("Delay", {"delay_seconds": 0.3, "feedback": 0.5}),),
    "Distortion": (Effect("Distortion", {"drive_db": 18.0}),),
    "DeEsser": (Effect("DeEsser", {"threshold_db": -40.0}),),
    "Ducker": (Effect("Ducker", {"under": "drums", "threshold_db": -40.0}),),
    "Fade": (Effect("Fade", {"in_seconds": 0.1, "out_seconds": 0.2, "shape": "sine"}),),
    "StereoWidth": (Effect("StereoWidth", {"width": 1.6}),),
    "slopes": tuple(
        Effect(name, {"cutoff_frequency_hz": hz, "slope_db": slope})
        for slope in (12.0, 24.0, 48.0)
        for name, hz in (("HighpassFilter", 60.0), ("LowpassFilter", 9000.0))
    ),
    "link": (SQUASH, Effect("NoiseGate", {"threshold_db": -40.0, "link": True})),
    "mid/side": (MidSide((SQUASH,), (Effect("Chorus"), LIMIT)),),
    "parallel": (Parallel(((), (LIMIT,), (Effect("Reverb", wet=0.3), SQUASH))),),
    "wet": (Effect("BrickwallLimiter", {"ceiling_db": -18.0}, wet=0.4),),
}


def test_every_effect_of_ours_is_among_them() -> None:
    told = repr(OURS)
    assert all(repr(name) in told for name, spec in EFFECTS.items() if spec.own)


def same_in_one_piece(preset: Preset, rate: int, monkeypatch: pytest.MonkeyPatch, *blocks: int) -> None:
    whole = printed(preset, rate, 4 * BLOCK, monkeypatch)
    for block in blocks:
        made = printed(preset, rate, block, monkeypatch)
        assert made.keys() == whole.keys()
        for key, sound in whole.items():
            np.testing.assert_array_equal(made[key][:, :FRAMES], sound[:, :FRAMES])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_is_the_same_in_one_piece(name: str, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = Preset("p", "", {"vocals": StemPreset(OURS[name], tail=0.1)})
    same_in_one_piece(preset, rate, monkeypatch, BLOCK, ODD)


SETTLED: dict[str, dict[str, Any]] = {
    "reference": {"reference_lufs": -20.0},
    "target loudness": {"target_lufs": -18.0},
    "target peak": {"target_peak_db": -3.0, "reference_lufs": -24.0},
}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", SETTLED)
def test_what_needs_the_whole_song_first_is_the_same_in_one_piece(
    name: str, rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stems = {"vocals": StemPreset((SQUASH,), tail=0.1, bus="A", **SETTLED[name]), "drums": StemPreset(bus="A")}
    buses = {"A": Bus("A", print_=True, chain=(SQUASH,), reference_lufs=-18.0)}
    same_in_one_piece(Preset("p", "", stems, buses), rate, monkeypatch, BLOCK, ODD)


@pytest.mark.parametrize("rate", RATES)
def test_what_follows_a_tempo_is_the_same_at_any_block_of_whole_buffers(
    rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = (
        Effect("Delay", {"delay_seconds": "1/16"}),
        Effect("Phaser", {"rate_hz": "1/1"}),
        Effect("Compressor", {"threshold_db": -30.0, "ratio": 4.0, "release_ms": "1/16"}),
        Effect("Ducker", {"under": "drums", "threshold_db": -40.0, "release_ms": "1/8"}),
    )
    preset = Preset("p", "", {"vocals": StemPreset(chain, tail=0.1)})
    same_in_one_piece(preset, rate, monkeypatch, BLOCK, BUFFER)
