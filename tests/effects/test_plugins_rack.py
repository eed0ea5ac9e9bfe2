"""Plugins of the user as steps of a chain: exact, aligned, fresh, and set as the preset says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridge.domain.plugins import PluginOptions
from bridge.domain.preset import Chain, Effect, MidSide, Parallel, Plugin, Preset, StemPreset
from bridge.domain.stems import FloatArray
from bridge.effects.graph import bind
from bridge.effects.plugins.rack import Rack
from bridge.errors import PluginError, PresetError
from tests import vst3
from tests.effects.array_stems import ArrayStems

RATE = 44100
SIZE = 32768
TRIM = "TestTrim.vst3"


def noise(channels: int = 2, frames: int = 50_000, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


def options(tmp_path: Path, **changes: object) -> PluginOptions:
    return PluginOptions(folders=(vst3.plugins(),), records=tmp_path / "records", **changes)  # type: ignore[arg-type]


def printed(chain: Chain, sound: FloatArray, rack: Rack, tail: float = 0.0) -> FloatArray:
    preset = Preset("test", "", {"vocals": StemPreset(chain, tail=tail)})
    graph = bind(preset, ["vocals"], sample_rate=RATE, channels=sound.shape[0], rack=rack)
    blocks = [block.stems["vocals"] for block in graph.run(ArrayStems({"vocals": sound}))]
    return np.concatenate(blocks, axis=1)


def played(step: Plugin, sound: FloatArray, chosen: PluginOptions) -> FloatArray:
    with Rack(chosen) as rack:
        return printed((step,), sound, rack)


def test_a_plugin_does_exactly_what_its_parameters_say(tmp_path: Path) -> None:
    sound = noise()
    out = played(Plugin(TRIM, parameters={"gain_db": -12.5}), sound, options(tmp_path))
    np.testing.assert_array_equal(out, sound * np.float32(10 ** (-12.5 / 20)))


@pytest.mark.parametrize("lookahead", [1, 511, 2048])
def test_latency_is_compensated_to_the_sample(tmp_path: Path, lookahead: int) -> None:
    sound = noise()
    out = played(Plugin(TRIM, parameters={"lookahead_samples": lookahead}), sound, options(tmp_path))
    np.testing.assert_array_equal(out, sound)


def test_a_dry_share_is_aligned_with_the_plugin(tmp_path: Path) -> None:
    sound = noise()
    step = Plugin(TRIM, parameters={"lookahead_samples": 700, "invert": True}, wet=0.5)
    assert np.abs(played(step, sound, options(tmp_path))).max() == 0.0


def test_branches_with_and_without_a_latent_plugin_are_aligned(tmp_path: Path) -> None:
    sound = noise()
    latent = Plugin(TRIM, parameters={"lookahead_samples": 700, "invert": True})
    with Rack(options(tmp_path)) as rack:
        chain: Chain = (Parallel(((), (latent,), (Effect("Gain", {"gain_db": 0.0}),))),)
        np.testing.assert_allclose(printed(chain, sound, rack), sound, atol=1e-7)


def test_a_plugin_works_inside_mid_and_side(tmp_path: Path) -> None:
    sound = noise()
    with Rack(options(tmp_path)) as rack:
        out = printed((MidSide(side=(Plugin(TRIM, parameters={"invert": True}),)),), sound, rack)
    np.testing.assert_allclose(out, sound[::-1], atol=1e-6)


def test_mono_goes_through_a_plugin_that_is_stereo_only(tmp_path: Path) -> None:
    sound = noise(channels=1)
    out = played(Plugin(TRIM, parameters={"gain_db": 6.0}), sound, options(tmp_path))
    np.testing.assert_allclose(out, sound * np.float32(10 ** (6 / 20)), rtol=1e-6)


def test_surround_goes_through_by_pairs_and_the_middle_alone(tmp_path: Path) -> None:
    sound = noise(channels=6)
    out = played(Plugin(TRIM, parameters={"mode": "Swap"}), sound, options(tmp_path))
    np.testing.assert_array_equal(out, sound[[1, 0, 2, 3, 5, 4]])


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({"gain_db": "-12.5 dB"}, {"gain_db": -12.5}),
        ({"gain_db": "3"}, {"gain_db": 3.0}),
        ({"gain_db": 7}, {"gain_db": 7.0}),
        ({"invert": "on"}, {"invert": 1.0}),
        ({"invert": "No"}, {"invert": 0.0}),
        ({"invert": "1"}, {"invert": 1.0}),
        ({"invert": True, "lookahead_samples": "300 samples"}, {"invert": 1.0, "lookahead_samples": 300.0}),
    ],
)
def test_parameters_are_read_back(
    tmp_path: Path, given: Mapping[str, bool | float | str], there: Mapping[str, object]
) -> None:
    with Rack(options(tmp_path)) as rack:
        rack.fit("vocals", (Plugin(TRIM, parameters=given),), sample_rate=RATE, channels=2)
    assert {name: rack.inserts[0].parameters[name] for name in there} == pytest.approx(there, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"gain": 1.0}, "Did you mean 'gain_db'?"),
        ({"zzz": 1.0}, "stem-bridge plugins show"),
        ({"gain_db": 99.0}, "-24 to 24 dB"),
        ({"gain_db": "3 Hz"}, "-24 to 24 dB"),
        ({"gain_db": "loud"}, "-24 to 24 dB"),
        ({"gain_db": True}, "-24 to 24 dB"),
        ({"gain_db": "off"}, "-24 to 24 dB"),
        ({"mode": "Wide"}, "Stereo, Mono, Swap"),
        ({"mode": "Stero"}, "Did you mean 'Stereo'?"),
    ],
)
def test_what_a_parameter_cannot_be_is_an_error_of_the_preset(
    tmp_path: Path, given: Mapping[str, bool | float | str], says: str
) -> None:
    with pytest.raises(PresetError) as raised:
        played(Plugin(TRIM, parameters=given), noise(), options(tmp_path))
    assert says in f"{raised.value.message} {raised.value.hint}"


def test_a_state_that_was_saved_sounds_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    sound, chosen = noise(), options(tmp_path)
    step = Plugin(TRIM, parameters={"gain_db": -6.0, "mode": "Swap", "lookahead_samples": 100})
    with Rack(chosen) as rack:
        before = printed((step,), sound, rack)
        state = tmp_path / "mine.vstpreset"
        state.write_bytes(rack.inserts[0].state)
    assert state.read_bytes()[:4] == b"VST3"
    np.testing.assert_array_equal(played(Plugin(TRIM, preset=str(state)), sound, chosen), before)
    louder = played(Plugin(TRIM, preset=str(state), parameters={"gain_db": 0.0}), sound, chosen)
    np.testing.assert_array_equal(louder, sound[::-1])


def test_every_run_begins_afresh(tmp_path: Path) -> None:
    def blocks() -> Iterator[FloatArray]:
        return itertools.repeat(noise(frames=SIZE))

    step = Plugin(TRIM, parameters={"lookahead_samples": 64})
    with Rack(options(tmp_path)) as rack:
        first = next(rack.run(step, blocks(), "vocals", RATE))
        second = next(rack.run(step, blocks(), "vocals", RATE))
    np.testing.assert_array_equal(first, second)


def test_what_is_missing_stops_the_job_or_is_skipped_as_preset_and_settings_say(tmp_path: Path) -> None:
    sound = noise()
    told: list[str] = []
    with pytest.raises(PluginError, match="TestTrimm") as raised:
        played(Plugin("TestTrimm.vst3"), sound, options(tmp_path))
    assert raised.value.hint == "Did you mean 'TestTrim.vst3'?"
    with Rack(options(tmp_path), told.append) as rack:
        chain: Chain = (Plugin("TestTrimm.vst3", missing="skip"), Effect("Invert"))
        np.testing.assert_array_equal(printed(chain, sound, rack), -sound)
    assert len(told) == 1
    assert "TestTrimm" in rack.inserts[0].skipped
    with Rack(options(tmp_path, missing="skip")) as rack, pytest.raises(PluginError):
        printed((Plugin("TestTrimm.vst3", missing="fail"),), sound, rack)


def test_without_folders_no_plugin_is_loaded() -> None:
    with pytest.raises(PluginError, match="no folder of plugins"):
        played(Plugin(TRIM), noise(), PluginOptions())


@pytest.mark.parametrize(
    "path", ["../TestTrim.vst3", "/TestTrim.vst3", "a/../../TestTrim.vst3", r"..\TestTrim.vst3", "C:TestTrim.vst3"]
)
def test_no_name_leads_out_of_the_folders(tmp_path: Path, path: str) -> None:
    with pytest.raises(PluginError, match="no name of a plugin"):
        played(Plugin(path), noise(), PluginOptions(folders=(tmp_path / "inside",)))


def test_no_link_leads_out_of_the_folders(tmp_path: Path) -> None:
    outside = vst3.install(tmp_path / "outside", "TestTrim")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / TRIM).symlink_to(outside / TRIM)
    with pytest.raises(PluginError, match="leads out"):
        played(Plugin(TRIM), noise(), PluginOptions(folders=(tmp_path / "inside",)))


def test_a_plugin_is_found_in_the_folder_of_its_maker(tmp_path: Path) -> None:
    vst3.install(tmp_path / "all" / "Maker", "TestTrim")
    chosen = PluginOptions(folders=(tmp_path / "all",))
    for path in (TRIM, "testtrim.VST3", f"Maker/{TRIM}", rf"Maker\{TRIM}"):
        with Rack(chosen) as rack:
            rack.fit("vocals", (Plugin(path),), sample_rate=RATE, channels=2)


def not_for_us(folder: Path) -> None:
    inside = folder / TRIM / "Contents" / "x86_64-win"
    inside.mkdir(parents=True)
    (inside / TRIM).write_bytes(b"MZ")


def not_a_program(folder: Path) -> None:
    vst3.install(folder, "TestTrim")
    program = next((folder / TRIM).rglob("*.so"))
    program.write_bytes(b"this is no program" * 100)


@pytest.mark.parametrize("make", [not_for_us, not_a_program])
def test_what_cannot_be_loaded_says_so_and_may_be_skipped(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path)
    chosen = PluginOptions(folders=(tmp_path,))
    with pytest.raises(PluginError) as raised:
        played(Plugin(TRIM), noise(), chosen)
    assert raised.value.hint.startswith("Install")
    with Rack(chosen) as rack:
        assert rack.fit("vocals", (Plugin(TRIM, missing="skip"),), sample_rate=RATE, channels=2) == ()


@pytest.mark.parametrize(("name", "gain"), [("TestTrim", 0.5), ("TestFault", 1.0)])
def test_a_shell_lends_the_plugin_that_is_named_with_its_own_state(tmp_path: Path, name: str, gain: float) -> None:
    sound, chosen = noise(), options(tmp_path)
    wanted = {"gain_db": float(20 * np.log10(0.5))} if name == "TestTrim" else {"after_s": 3.0}
    step = Plugin("TestShell.vst3", plugin_name=name, parameters=wanted)
    with Rack(chosen) as rack:
        np.testing.assert_allclose(printed((step,), sound, rack), sound * np.float32(gain), rtol=1e-6)
        state = tmp_path / "one.vstpreset"
        state.write_bytes(rack.inserts[0].state)
        assert rack.inserts[0].name == name
    again = Plugin("TestShell.vst3", plugin_name=name, preset=str(state))
    np.testing.assert_allclose(played(again, sound, chosen), sound * np.float32(gain), rtol=1e-6)
    other = {"TestTrim": "TestFault", "TestFault": "TestTrim"}[name]
    with pytest.raises(PresetError, match="it is another plugin's"):
        played(replace(again, plugin_name=other), sound, chosen)


@pytest.mark.parametrize(
    ("file", "name", "says"),
    [
        ("TestShell.vst3", "", "TestShell.vst3 holds several plugins. Name one as 'plugin_name': 'TestTrim', 'TestFa"),
        ("TestShell.vst3", "TestTrin", "TestShell.vst3 holds no plugin 'TestTrin'. Did you mean 'TestTrim'?"),
        ("TestShell.vst3", "Hall", "TestShell.vst3 holds no plugin 'Hall'. It holds 'TestTrim', 'TestFault'."),
        (TRIM, "Hall", "TestTrim.vst3 holds no plugin 'Hall'. It holds 'TestTrim'."),
    ],
)
def test_a_name_that_a_file_does_not_hold_is_an_error_even_where_missing_ones_are_skipped(
    tmp_path: Path, file: str, name: str, says: str
) -> None:
    with Rack(options(tmp_path, missing="skip")) as rack, pytest.raises(PresetError) as raised:
        rack.fit("vocals", (Plugin(file, plugin_name=name),), sample_rate=RATE, channels=2)
    assert says in f"{raised.value.message} {raised.value.hint}"


def test_a_plugin_that_is_replaced_after_its_trial_is_not_taken_for_the_one_that_was_tried(tmp_path: Path) -> None:
    folder = vst3.install(tmp_path / "mine", "TestTrim", "TestFault")
    program, other = (next((folder / f"{name}.vst3").rglob("*.so")) for name in ("TestTrim", "TestFault"))
    with Rack(PluginOptions(folders=(folder,))) as rack:
        rack.fit("vocals", (Plugin(TRIM),), sample_rate=RATE, channels=2)
        other.replace(program)
        with pytest.raises(PluginError, match="was replaced while the job was at work"):
            next(rack.run(Plugin(TRIM), itertools.repeat(noise(frames=SIZE)), "vocals", RATE))
        program.unlink()
        with pytest.raises(PluginError, match="no program for this system"):
            next(rack.run(Plugin(TRIM), itertools.repeat(noise(frames=SIZE)), "vocals", RATE))


def test_the_same_plugin_may_run_twice_at_once(tmp_path: Path) -> None:
    sound = noise()
    stems = {"vocals": sound, "drums": noise(seed=1)}
    steps = {
        "vocals": StemPreset((Plugin(TRIM, parameters={"invert": True}),), tail=0.0),
        "drums": StemPreset((Plugin(TRIM, parameters={"mode": "Swap"}),), tail=0.0),
    }
    with Rack(options(tmp_path)) as rack:
        graph = bind(Preset("two", "", steps), list(stems), sample_rate=RATE, channels=2, rack=rack)
        blocks = [block.stems for block in graph.run(ArrayStems(stems))]
    out = {stem: np.concatenate([block[stem] for block in blocks], axis=1) for stem in stems}
    np.testing.assert_array_equal(out["vocals"], -sound)
    np.testing.assert_array_equal(out["drums"], stems["drums"][::-1])
