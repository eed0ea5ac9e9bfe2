"""The graph: what is dry stays dry, all stays aligned, tails ring out together, and nothing but sound comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.domain.preset import Chain, Effect, Parallel, Preset, StemPreset
from bridge.domain.stems import FloatArray
from bridge.effects import flow, settle, steps
from bridge.effects import graph as graph_module
from bridge.effects.graph import bind
from bridge.errors import EffectError, PresetError
from tests.effects.array_stems import ArrayStems, collect, levels, process

RATE = 44100
GENTLE = Effect("BrickwallLimiter", {"ceiling_db": 0.0})
"""Below its ceiling it changes nothing, but it comes 220 frames late."""


def noise(frames: int = RATE, channels: int = 2, gain: float = 0.1, seed: int = 0) -> FloatArray:
    return (np.random.default_rng(seed).standard_normal((channels, frames)) * gain).astype(np.float32)


def preset_of(**stems: StemPreset) -> Preset:
    return Preset("test", "", stems)


def gain(db: float, **also: Any) -> Effect:
    return Effect("Gain", {"gain_db": db}, **also)


@pytest.mark.parametrize(
    "chain",
    [
        (),
        (gain(6, bypass=True),),
        (gain(6, wet=0.0), Effect("PitchShift", {"semitones": 3}, wet=0.0)),
        (Parallel(((),)),),
        (Parallel(((gain(6, bypass=True),),)),),
    ],
)
def test_a_chain_that_changes_nothing_prints_nothing(chain: Chain) -> None:
    graph = bind(preset_of(vocals=StemPreset(chain)), ["vocals", "drums"], sample_rate=RATE, channels=2)
    assert graph.printed == frozenset()
    assert list(graph.run(ArrayStems({"vocals": noise(), "drums": noise()}))) == []


def test_only_stems_with_a_chain_are_printed_and_star_stands_for_the_rest() -> None:
    preset = Preset("test", "", {"vocals": StemPreset(), "*": StemPreset((gain(6),)), "piano": StemPreset((gain(1),))})
    assert bind(preset, ["vocals", "drums", "bass"], sample_rate=RATE, channels=2).printed == {"drums", "bass"}


def test_parallel_dry_paths_add_up_exactly() -> None:
    sound = noise()
    np.testing.assert_array_equal(process((Parallel(((), ())),), sound), sound * 2)


@pytest.mark.parametrize(
    "late",
    [(GENTLE,), (GENTLE, GENTLE, Effect("Invert"), Effect("Invert")), (Parallel(((GENTLE,), ())), gain(-6.020599913))],
)
def test_a_latent_branch_is_aligned_to_the_sample_and_nulls_against_the_dry_one(late: Chain) -> None:
    sound = noise(RATE + 17)
    null = process((Parallel(((), (*late, Effect("Invert")))),), sound)
    assert np.abs(null).max() < 1e-6


@pytest.mark.parametrize(
    "effect",
    [
        GENTLE,
        Effect("BrickwallLimiter", {"ceiling_db": -1.0, "true_peak": True, "lookahead_ms": 20.0}),
        Effect("Resample", {"target_sample_rate": 22050.0}),
        Effect("MP3Compressor", {"vbr_quality": 0.0}),
        Effect("GSMFullRateCompressor"),
    ],
)
@pytest.mark.parametrize("position", [0, 5000, steps.BLOCK - 1, steps.BLOCK, RATE])
def test_an_impulse_stays_where_it_is(effect: Effect, position: int) -> None:
    sound = np.zeros((2, RATE + 1), np.float32)
    sound[:, position] = 0.5
    printed = process((effect,), sound, tail=0.5)
    lowpassed = effect.name == "GSMFullRateCompressor"
    assert abs(int(np.abs(printed[0]).argmax()) - position) <= (10 if lowpassed else 0)


def test_a_share_of_wet_is_mixed_with_the_aligned_dry_signal() -> None:
    sound = noise()
    np.testing.assert_allclose(process((Effect("Invert", wet=0.25),), sound), sound * 0.5, atol=1e-7)
    half = Effect("BrickwallLimiter", {"ceiling_db": 0.0}, wet=0.4)
    np.testing.assert_allclose(process((half,), sound), sound, atol=1e-7)


LONG_CHAIN: Chain = (
    Effect("HighpassFilter", {"cutoff_frequency_hz": 80.0}),
    Effect("Compressor", {"threshold_db": -24.0, "ratio": 4.0, "link": True}),
    Effect("BrickwallLimiter", {"ceiling_db": -18.0}),
    Effect("Chorus", {"mix": 0.3}, wet=0.7),
    Parallel(((Effect("Resample", {"target_sample_rate": 11025.0}),), (Effect("Phaser"), GENTLE), ())),
    Effect("Delay", {"delay_seconds": 0.3, "feedback": 0.4, "mix": 0.3}),
    Effect("Reverb", {"room_size": 0.3}),
)


def test_the_same_preset_gives_the_same_bits_twice_and_at_any_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = noise(3 * RATE)
    graph = bind(preset_of(vocals=StemPreset(LONG_CHAIN)), ["vocals"], sample_rate=RATE, channels=2)
    dry = ArrayStems({"vocals": sound})
    first = collect(graph, dry)["vocals"]
    np.testing.assert_array_equal(collect(graph, dry)["vocals"], first)
    for block in (8192, 81920):
        monkeypatch.setattr(steps, "BLOCK", block)
        monkeypatch.setattr(graph_module, "BLOCK", block)
        monkeypatch.setattr(flow, "BLOCK", block)
        monkeypatch.setattr(settle, "BLOCK", block)
        np.testing.assert_array_equal(collect(graph, dry)["vocals"], first)


def test_a_streaming_graph_reads_only_a_little_ahead() -> None:
    graph = bind(preset_of(vocals=StemPreset(LONG_CHAIN)), ["vocals"], sample_rate=RATE, channels=2)
    dry = ArrayStems({"vocals": noise(20 * RATE)})
    for block in graph.run(dry):
        assert dry.read_frames <= block.start + 6 * steps.BLOCK


def test_an_effect_that_cannot_stream_is_run_in_one_piece_in_its_place_in_the_chain() -> None:
    chain = (gain(-6), Effect("PitchShift", {"semitones": 12.0}), Effect("Delay", {"delay_seconds": 0.5, "mix": 0.5}))
    time = np.arange(2 * RATE) / RATE
    tone = np.stack([np.sin(2 * np.pi * 440 * time)] * 2).astype(np.float32)
    printed = process(chain, tone)
    spectrum = np.abs(np.fft.rfft(printed[0, RATE // 2 : 3 * RATE // 2]))
    assert abs(int(spectrum.argmax()) - 880) <= 10
    assert 2.4 * RATE < printed.shape[1] < 3 * RATE, "the echo of the end is there"


def test_linked_dynamics_give_all_channels_one_gain() -> None:
    sound = noise(RATE, 3, gain=0.003)
    sound[0, RATE // 2 :] *= 200
    for name, values in (("Compressor", {"ratio": 8.0}), ("NoiseGate", {"ratio": 8.0})):
        effect = Effect(name, {"threshold_db": -25.0, "link": True, **values})
        gains = process((effect,), sound) / sound
        loud = np.abs(sound).min(axis=0) > 1e-4
        np.testing.assert_allclose(gains[1:, loud], np.broadcast_to(gains[0, loud], (2, loud.sum())), rtol=1e-5)
        early, late = gains[1, : RATE // 2].mean(), gains[1, RATE // 2 :].mean()
        assert abs(late - early) > 0.3, "the quiet channel follows the loud one"
        mono = sound[:1]
        plain = Effect(name, {"threshold_db": -25.0, **values})
        np.testing.assert_array_equal(process((effect,), mono), process((plain,), mono))
        twins = np.concatenate([mono, mono])
        np.testing.assert_allclose(process((effect,), twins), process((plain,), twins), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6, 8, 16])
def test_every_channel_of_any_layout_hears_every_effect(channels: int) -> None:
    sound = noise(RATE // 2, channels)
    for effect in (Effect("Reverb"), Effect("MP3Compressor", {"vbr_quality": 5.0}), GENTLE, Effect("Chorus")):
        printed = process((effect,), sound)[:, : sound.shape[1]]
        assert all(levels(printed[c : c + 1]).rms_db > -40 for c in range(channels))
        if effect is not GENTLE:
            assert not any((printed[c] == sound[c]).all() for c in range(channels))


def test_in_surround_the_room_of_the_front_pair_stays_in_front() -> None:
    sound = noise(RATE // 2, 6)
    sound[1:] = 0
    printed = process((Effect("Reverb", {"wet_level": 0.5}),), sound)
    assert [levels(printed[c : c + 1]).peak > 0 for c in range(6)] == [True, True, False, False, False, False]


def test_an_automatic_tail_rings_out_and_ends_where_it_is_no_longer_heard() -> None:
    sound = noise(RATE)
    printed = process((Effect("Delay", {"delay_seconds": 0.4, "feedback": 0.5, "mix": 0.5}),), sound)
    assert 5 * RATE < printed.shape[1] < 8 * RATE
    assert np.abs(printed[:, -1]).max() > 10 ** (-90 / 20) >= np.abs(printed[:, -1]).max() / 4


def test_a_late_echo_is_not_lost() -> None:
    printed = process((Effect("Delay", {"delay_seconds": 4.0, "mix": 0.5}),), noise(1000))
    assert printed.shape[1] == 4 * RATE + 1000


def test_a_tail_that_never_ends_is_faded_out_after_ten_seconds() -> None:
    endless = Effect("Delay", {"delay_seconds": 0.05, "feedback": 0.98, "mix": 0.9})
    printed = process((endless,), noise(RATE, gain=1.0))
    assert 11 * RATE - 20 <= printed.shape[1] <= 11 * RATE, "where the fade ends below -90 dBFS"
    assert np.abs(printed[:, -2400:-2200]).max() > 50 * np.abs(printed[:, -40:]).max()


@pytest.mark.parametrize("tail", [0.0, 0.5, 3.0])
def test_a_fixed_tail_has_its_length_to_the_frame(tail: float) -> None:
    printed = process((Effect("Reverb", {"room_size": 1.0, "damping": 0.0}),), noise(1001), tail=tail)
    assert printed.shape[1] == 1001 + round(tail * RATE)
    assert tail == 0.0 or np.abs(printed[:, -20:]).max() < 0.01 * np.abs(printed[:, :-2205]).max()


def test_printed_stems_share_the_longest_tail() -> None:
    preset = preset_of(
        vocals=StemPreset((Effect("Delay", {"delay_seconds": 1.0, "mix": 0.5}),)),
        drums=StemPreset((gain(-6),)),
        bass=StemPreset((Effect("Reverb"),), tail=0.2),
    )
    dry = ArrayStems({"vocals": noise(), "drums": noise(seed=1), "bass": noise(seed=2)})
    printed = collect(bind(preset, list(dry.stems), sample_rate=RATE, channels=2), dry)
    assert {sound.shape for sound in printed.values()} == {(2, 2 * RATE)}
    assert not printed["drums"][:, RATE:].any()
    assert not printed["bass"][:, RATE + round(0.2 * RATE) :].any()


def test_with_a_reference_level_loud_and_quiet_stems_are_treated_alike() -> None:
    chain = (Effect("Compressor", {"threshold_db": -24.0, "ratio": 6.0}), Effect("Distortion", {"drive_db": 6.0}))
    sound = noise(2 * RATE)
    for reference, alike in ((-20.0, True), (None, False)):
        graph = bind(preset_of(drums=StemPreset(chain, reference)), ["drums"], sample_rate=RATE, channels=2)
        loud, quiet = (collect(graph, ArrayStems({"drums": sound * np.float32(g)}))["drums"] / g for g in (3.0, 0.3))
        assert np.allclose(loud, quiet, atol=1e-5) is alike


@pytest.mark.parametrize("frames", [1, 2, 1000])
def test_a_stem_too_short_or_silent_to_measure_is_processed_as_it_is(frames: int) -> None:
    graph = bind(preset_of(drums=StemPreset((gain(6),), -20.0)), ["drums"], sample_rate=RATE, channels=2)
    for sound in (noise(frames), np.zeros((2, frames), np.float32)):
        printed = collect(graph, ArrayStems({"drums": sound}))["drums"]
        np.testing.assert_allclose(printed, sound * 10 ** (6 / 20), rtol=1e-6)


def test_what_is_not_sound_is_an_error_that_names_stem_and_effect() -> None:
    with pytest.raises(EffectError, match="Gain on vocals") as caught:
        process((gain(24),) * 40, noise())
    assert caught.value.hint


def test_a_rate_an_effect_cannot_do_is_told_before_any_work() -> None:
    preset = preset_of(vocals=StemPreset((Effect("MP3Compressor", {"vbr_quality": 2.0}),)))
    with pytest.raises(EffectError, match=r"'test', vocals: MP3Compressor cannot work at 96000 Hz"):
        bind(preset, ["vocals"], sample_rate=96000, channels=2)


@pytest.mark.parametrize("effect", [Effect("Nope"), Effect("Gain", {"gain_db": "x"}), Effect("Chorus", {"mix": 7.0})])
def test_what_pedalboard_does_not_take_is_a_preset_error_before_any_work(effect: Effect) -> None:
    with pytest.raises(PresetError, match="vocals") as caught:
        bind(preset_of(vocals=StemPreset((effect,))), ["vocals"], sample_rate=RATE, channels=2)
    assert caught.value.hint


def test_frequencies_above_half_the_sample_rate_are_held_below_it() -> None:
    sound = noise(8000)
    for name, kept in (("HighpassFilter", False), ("LowpassFilter", True)):  # at 5 kHz both explode when left alone
        printed = process((Effect(name, {"cutoff_frequency_hz": 5000.0}),), sound, 8000)[:, :8000]
        assert (levels(printed).rms_db > levels(sound).rms_db - 1) is kept


@pytest.mark.parametrize(
    ("rate", "says"), [(8000, ["LowpassFilter on vocals has its cutoff_frequency_hz at 3920"]), (RATE, [])]
)
def test_a_frequency_that_is_held_below_half_the_sample_rate_is_told(rate: int, says: list[str]) -> None:
    chain = (Effect("LowpassFilter", {"cutoff_frequency_hz": 5000.0}),)
    graph = bind(preset_of(vocals=StemPreset(chain)), ["vocals"], sample_rate=rate, channels=2)
    told: list[str] = []
    for _ in graph.run(ArrayStems({"vocals": noise()}, rate), told.append):
        pass
    assert [sentence[: len(said)] for sentence, said in zip(told, says, strict=True)] == says
