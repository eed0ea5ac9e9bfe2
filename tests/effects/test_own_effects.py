"""What Pedalboard lacks: laws of ducking, de-esser, mid/side, fades, slopes and targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pedalboard
import pytest
from scipy.signal import butter, sosfilt

from bridge.domain.preset import Bus, Effect, MidSide, Preset, Send, StemPreset
from bridge.domain.stems import FloatArray
from bridge.effects.graph import bind
from bridge.errors import PresetError
from bridge.presets.catalog import EFFECTS
from tests.effects.array_stems import ArrayStems, collect, levels, process

RATE = 44100


def noise(frames: int = 2 * RATE, gain: float = 0.1, seed: int = 0) -> FloatArray:
    return (np.random.default_rng(seed).standard_normal((2, frames)) * gain).astype(np.float32)


def run(preset: Preset, stems: dict[str, FloatArray], rate: int = RATE, **also: Any) -> dict[str, FloatArray]:
    dry = ArrayStems({stem: sound.copy() for stem, sound in stems.items()}, rate)
    return collect(bind(preset, list(stems), sample_rate=rate, channels=dry.channels, **also), dry)


@pytest.mark.parametrize("slope", [12.0, 24.0, 48.0])
@pytest.mark.parametrize(("name", "octave"), [("HighpassFilter", 0.5), ("LowpassFilter", 2.0)])
def test_a_slope_is_3_db_down_at_its_cutoff_and_falls_as_steeply_as_it_says(
    name: str, octave: float, slope: float
) -> None:
    click = np.zeros((1, RATE), np.float32)
    click[0, 100] = 1.0
    heard = process((Effect(name, {"cutoff_frequency_hz": 1000.0, "slope_db": slope}),), click, tail=0.0)
    gains = 20 * np.log10(np.abs(np.fft.rfft(heard[0])) + 1e-12)
    assert gains[1000] == pytest.approx(-3.01, abs=0.05)
    far = round(1000 * octave * octave)
    assert gains[round(1000 * octave)] - gains[far] == pytest.approx(slope, abs=1.2 + slope / 20)
    assert gains[round(1000 / octave / octave)] == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_slopes_after_each_other_are_one_cascade_that_sounds_as_they_do_one_by_one(channels: int) -> None:
    chain = [
        Effect("HighpassFilter", {"cutoff_frequency_hz": 300.0, "slope_db": 12.0}),
        Effect("LowpassFilter", {"cutoff_frequency_hz": 2200.0, "slope_db": 24.0}),
        Effect("LowpassFilter", {"cutoff_frequency_hz": 9000.0, "slope_db": 48.0}),
        Effect("HighpassFilter", {"cutoff_frequency_hz": 40.0, "slope_db": 6.0}),
        Effect("HighpassFilter", {"cutoff_frequency_hz": 80.0, "slope_db": 24.0}, wet=0.5),
    ]
    sound = np.concatenate([noise(70_000, seed=seed) for seed in range(3)])[:channels]
    one_by_one = sound
    for step in chain:
        one_by_one = process((step,), one_by_one, tail=0.0)
    together = process(tuple(chain), sound, tail=0.0)
    np.testing.assert_allclose(together, one_by_one, atol=2e-7)
    assert np.abs(together).max() > 0.05


def test_a_ducker_steps_back_by_its_depth_while_the_other_stem_sounds_and_comes_again() -> None:
    voice = np.zeros((2, 4 * RATE), np.float32)
    voice[:, RATE : 2 * RATE] = noise(RATE, 0.3)
    music = noise(4 * RATE)
    duck = Effect("Ducker", {"under": "vocals", "threshold_db": -40.0, "depth_db": 6.0})
    preset = Preset("p", "", {"other": StemPreset((duck,))})
    gain = run(preset, {"vocals": voice, "other": music})["other"] / music
    np.testing.assert_array_equal(gain[:, :RATE], 1.0)
    np.testing.assert_allclose(gain[:, RATE * 3 // 2 : 2 * RATE], 10 ** (-6 / 20), rtol=1e-4)
    np.testing.assert_allclose(gain[:, 3 * RATE + RATE // 2 :], 1.0, rtol=1e-3)


def test_a_ducker_hears_the_printed_stem_at_the_reference_loudness_of_its_own() -> None:
    duck = Effect("Ducker", {"under": "vocals", "threshold_db": -30.0, "depth_db": 12.0})
    muted = StemPreset((Effect("Gain", {"gain_db": -80.0}),))
    music = noise()
    silent = run(Preset("p", "", {"vocals": muted, "other": StemPreset((duck,))}), {"vocals": noise(), "other": music})
    np.testing.assert_array_equal(silent["other"], music)
    preset = Preset("p", "", {"other": StemPreset((duck,), reference_lufs=-20.0)})
    loud, quiet = (
        run(preset, {"vocals": noise(gain=g, seed=2), "other": noise(gain=g)})["other"] / g for g in (0.3, 0.03)
    )
    np.testing.assert_allclose(loud, quiet, atol=1e-3)


CIRCLES = {
    "itself": {"vocals": StemPreset((Effect("Ducker", {"under": "vocals"}),))},
    "each other": {
        "vocals": StemPreset((Effect("Ducker", {"under": "other"}),)),
        "other": StemPreset((MidSide(side=(Effect("Ducker", {"under": "vocals"}),)),)),
    },
    "piano": {"other": StemPreset((Effect("Ducker", {"under": "piano"}),))},
}


@pytest.mark.parametrize("name", CIRCLES)
def test_ducking_in_a_circle_or_under_nobody_is_a_preset_error_before_any_work(name: str) -> None:
    with pytest.raises(PresetError) as caught:
        bind(Preset("p", "", CIRCLES[name]), ["vocals", "other"], sample_rate=RATE, channels=2)
    assert "Ducker" in caught.value.message + caught.value.hint


def test_a_de_esser_turns_esses_down_and_leaves_all_else_bit_for_bit() -> None:
    time = np.arange(2 * RATE) / RATE
    voice = np.stack([0.2 * np.sin(2 * np.pi * 300 * time)] * 2).astype(np.float32)
    esses = voice.copy()
    esses[:, RATE:] += (0.3 * np.sin(2 * np.pi * 8000 * time[RATE:])).astype(np.float32)
    chain = (Effect("DeEsser", {"threshold_db": -30.0, "range_db": 12.0}),)
    np.testing.assert_array_equal(process(chain, voice)[:, : 2 * RATE], voice)
    made = process(chain, esses)
    np.testing.assert_array_equal(made[:, :RATE], esses[:, :RATE])
    before, after = (np.abs(np.fft.rfft(x[0, RATE + 8820 : 2 * RATE])) for x in (esses, made))
    hz = np.fft.rfftfreq(2 * RATE - RATE - 8820, 1 / RATE)
    ess, vowel = np.abs(hz - 8000).argmin(), np.abs(hz - 300).argmin()
    assert 20 * np.log10(after[ess] / before[ess]) < -5
    assert 20 * np.log10(after[vowel] / before[vowel]) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("target", [{}, {"target_lufs": -9.0}, {"target_lufs": "dry"}, {"target_peak_db": -20.0}])
def test_how_deep_a_stem_ducks_at_its_reference_depends_on_no_target_of_the_other(target: dict[str, Any]) -> None:
    """At its reference it hears the other one as loud as itself, however loud that is printed."""
    stems = {"vocals": noise(gain=0.05), "drums": noise(gain=0.02, seed=1)}
    stems["drums"][:, RATE // 2 : RATE] = 0.0
    duck = StemPreset((Effect("Ducker", {"under": "drums", "threshold_db": -25.0}),), reference_lufs=-20.0, tail=0.0)

    def vocals(drums: StemPreset) -> FloatArray:
        return run(Preset("p", "", {"vocals": duck, "drums": drums}), stems)["vocals"][:, : 2 * RATE]

    loud = Effect("Gain", {"gain_db": 0.0})
    np.testing.assert_allclose(vocals(StemPreset((loud,), tail=0.0, **target)), vocals(StemPreset()), rtol=1e-4)
    assert np.abs(vocals(StemPreset())).mean() < 0.8 * np.abs(stems["vocals"]).mean(), "it ducks"


@pytest.mark.parametrize(("rate", "hz", "channels"), [(44_100, 6000.0, 2), (96_000, 2000.0, 1), (22_050, 12_000.0, 6)])
def test_a_de_esser_is_the_one_of_double_precision_to_within_rounding(rate: int, hz: float, channels: int) -> None:
    """Parity: SciPy's filters in float64 and Pedalboard's compressor, on the whole song at once."""
    sound = np.concatenate([noise(100_000, seed=seed) for seed in range(3)])[:channels]
    sound[:, 40_000:60_000] *= np.float32(0.01)
    values = {"frequency_hz": hz, "threshold_db": -30.0, "ratio": 6.0, "range_db": 12.0}
    made = process((Effect("DeEsser", values),), sound, rate, tail=0.0)

    def treble(order: int, corner_hz: float) -> np.ndarray:
        corner = min(corner_hz, 0.49 * rate)
        return sosfilt(butter(order, corner, "highpass", fs=rate, output="sos"), sound.astype(np.float64), axis=1)

    key = np.abs(treble(4, hz)).max(axis=0, keepdims=True).astype(np.float32) + np.float32(1e-9)
    defaults = {name: EFFECTS["DeEsser"].parameters[name].default for name in ("attack_ms", "release_ms")}
    squashed = pedalboard.Compressor(threshold_db=-30.0, ratio=6.0, **defaults)(key, rate)
    gain = np.clip(squashed / key, 10 ** (-12 / 20), 1.0).astype(np.float64)
    expected = sound + treble(1, min(hz, 0.49 * rate) / 2) * (gain - 1.0)
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6)
    assert gain.min() < 0.6, "it works hard"


def test_mid_side_with_a_gain_on_the_side_is_stereo_width() -> None:
    sound = noise()
    both = process((MidSide(side=(Effect("Gain", {"gain_db": -6.0}),)),), sound)
    np.testing.assert_allclose(both, process((Effect("StereoWidth", {"width": 10 ** (-6 / 20)}),), sound), atol=1e-6)
    assert process((MidSide((Effect("Gain", {"gain_db": 6.0}),)),), sound[:1]).shape[0] == 1


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_mid_side_keeps_every_channel_in_its_place(channels: int) -> None:
    sound = np.concatenate([noise(seed=n)[:1] for n in range(channels)])
    same = process((MidSide((Effect("Gain", {"gain_db": 0.0}),), (Effect("Gain", {"gain_db": 0.0}),)),), sound)
    np.testing.assert_allclose(same, sound, atol=1e-6)


@pytest.mark.parametrize("shape", ["linear", "cosine", "sine"])
def test_fades_begin_and_end_in_silence_and_leave_the_middle_alone(shape: str) -> None:
    sound = np.full((2, 2 * RATE), 0.5, np.float32)
    faded = process((Effect("Fade", {"in_seconds": 0.5, "out_seconds": 0.5, "shape": shape}),), sound)
    assert not faded[:, 0].any()
    assert not faded[:, -1].any()
    np.testing.assert_array_equal(faded[:, RATE // 2 : RATE * 3 // 2], sound[:, RATE // 2 : RATE * 3 // 2])
    assert (np.diff(faded[0, : RATE // 2]) >= 0).all()


@pytest.mark.parametrize("gain", [0.01, 0.05, 1.0])
def test_a_target_is_met_whatever_the_level_and_silence_stays_silent(gain: float) -> None:
    chain = (Effect("Reverb", {"room_size": 0.2}),)
    loud = run(Preset("p", "", {"vocals": StemPreset(chain, target_lufs=-18.0)}), {"vocals": noise(gain=gain)})[
        "vocals"
    ]
    assert levels(loud).lufs == pytest.approx(-18.0, abs=0.05)
    high = run(Preset("p", "", {"vocals": StemPreset(target_peak_db=-3.0)}), {"vocals": noise(gain=gain)})["vocals"]
    assert levels(high).peak == pytest.approx(10 ** (-3 / 20), rel=1e-5)
    silent = run(Preset("p", "", {"vocals": StemPreset(target_lufs=-18.0)}), {"vocals": noise(gain=0.0)})["vocals"]
    assert not silent.any()


def test_a_stem_with_hardly_anything_in_it_is_not_blown_up() -> None:
    sound = noise(gain=1e-5)
    made = run(Preset("p", "", {"vocals": StemPreset(target_peak_db=0.0)}), {"vocals": sound})["vocals"]
    np.testing.assert_allclose(made, sound * 100, rtol=1e-5)


BUSES = {"A": Bus("A", print_=True, parent="C"), "B": Bus("B", print_=True, parent="C"), "C": Bus("C", print_=True)}


def test_printed_buses_sum_to_their_routed_stems_and_parents_to_their_buses() -> None:
    stems = {stem: noise(seed=n) for n, stem in enumerate(("vocals", "drums", "bass"))}
    preset = Preset("p", "", {"vocals": StemPreset((Effect("Invert"),), bus="A"), "*": StemPreset(bus="B")}, BUSES)
    made = run(preset, stems)
    np.testing.assert_array_equal(made["bus:A"], -stems["vocals"])
    np.testing.assert_allclose(made["bus:B"], stems["drums"] + stems["bass"], atol=1e-7)
    np.testing.assert_allclose(made["bus:C"], made["bus:A"] + made["bus:B"], atol=1e-7)


def test_faders_pans_and_mutes_on_the_way_into_a_bus_are_printed_and_its_own_fader_is_not() -> None:
    stems = {stem: noise(seed=n) for n, stem in enumerate(("vocals", "drums", "bass"))}
    routed = {
        "vocals": StemPreset(bus="A", gain_db=-6.0, pan=0.5),
        "drums": StemPreset(bus="A", mute=True),
        "bass": StemPreset(bus="A"),
    }
    buses = {"A": Bus("A", gain_db=-20.0, print_=True, parent="C"), "C": Bus("C", print_=True)}
    made = run(Preset("p", "", routed, buses), stems)
    fader = np.array([[0.5], [1.0]], np.float32) * np.float32(10 ** (-6 / 20))
    np.testing.assert_allclose(made["bus:A"], stems["vocals"] * fader + stems["bass"], atol=1e-6)
    np.testing.assert_allclose(made["bus:C"], made["bus:A"] * 0.1, atol=1e-6)


@pytest.mark.parametrize("pre", [True, False])
def test_a_printed_return_holds_the_wet_send_and_nothing_else(pre: bool) -> None:
    sound = noise()
    echo = (Effect("Delay", {"delay_seconds": 0.1, "mix": 1.0}),)
    buses = {"A": Bus("A", gain_db=-6.0), "R": Bus("R", print_=True, chain=echo), "X": Bus("X", print_=True)}
    preset = Preset("p", "", {"vocals": StemPreset(bus="A")}, buses, (Send("A", "R", -14.0, is_pre_fader=pre),))
    made = run(preset, {"vocals": sound})
    assert set(made) == {"bus:R"}, "a bus that nothing reaches has no file"
    gain = np.float32(10 ** (-(14 if pre else 20) / 20))
    np.testing.assert_allclose(made["bus:R"][:, 4410 : 2 * RATE], sound[:, :-4410] * gain, atol=1e-6)
    assert made["bus:R"].shape[1] > 2 * RATE


def test_a_bus_chain_hears_its_submix_at_the_reference_loudness() -> None:
    squash = (Effect("Compressor", {"threshold_db": -26.0, "ratio": 8.0, "link": True}),)
    buses = {"A": Bus("A", print_=True, chain=squash, reference_lufs=-20.0)}
    preset = Preset("p", "", {"*": StemPreset(bus="A")}, buses)
    loud, quiet = (run(preset, {"vocals": noise(gain=g)})["bus:A"] / g for g in (0.5, 0.01))
    np.testing.assert_allclose(loud, quiet, atol=1e-3)
    assert np.abs(loud).std() < np.abs(noise(gain=1.0)).std() * 0.9


def test_memory_does_not_grow_with_the_length_of_a_song() -> None:
    import tracemalloc

    class Long(ArrayStems):
        def read(self, stem: str, start: int, frames: int) -> FloatArray:
            return super().read(stem, start % RATE, frames) if start % RATE + frames <= RATE else noise(frames)

    chain = (Effect("Compressor", {"threshold_db": -20.0, "ratio": 2.0}), Effect("DeEsser", {"threshold_db": -20.0}))
    duck = (Effect("Ducker", {"under": "vocals"}), MidSide(side=(Effect("Delay", {"delay_seconds": 0.2}),)))
    preset = Preset("p", "", {"vocals": StemPreset(chain, bus="C"), "other": StemPreset(duck, bus="C")}, BUSES)
    most = []
    for seconds in (4, 40):
        dry = Long({"vocals": noise(RATE), "other": noise(RATE)})
        dry.frames = seconds * RATE
        graph = bind(preset, ["vocals", "other"], sample_rate=RATE, channels=2)
        tracemalloc.start()
        for _ in graph.run(dry):
            pass
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < most[0] * 1.2
