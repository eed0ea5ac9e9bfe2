"""Instruments: the notes beside a render, played to the frame, in a cage, as one more track."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.domain.notes import NoteTrack, score_of
from bridge.domain.plugins import PluginOptions
from bridge.domain.preset import Bus, Effect, Instrument, Plugin, Preset, StemPreset
from bridge.domain.stems import FloatArray
from bridge.effects.graph import Graph, bind
from bridge.effects.plugins.rack import Rack
from bridge.errors import BridgeError, EffectError
from tests import vst3
from tests.effects.array_stems import ArrayStems

RATE = 44100
FRAMES = 70_000
SYNTH = Plugin("TestSynth.vst3", parameters={"level": 1.0})
KEYS = "instrument:keys"
SILENCE = np.zeros((2, FRAMES), np.float32)
TROUBLE = 120
"""The key from which on the synth misbehaves when it is told to."""
HALF = np.float32(0.5)
"""What the synth gives for key 64 at velocity 127 and level 1."""


def on(key: int = 64, velocity: int = 127, channel: int = 0) -> bytes:
    return bytes((0x90 | channel, key, velocity))


def off(key: int = 64, channel: int = 0) -> bytes:
    return bytes((0x80 | channel, key, 0))


def at(frame: int, message: bytes, rate: int = RATE) -> tuple[float, bytes]:
    return frame / rate, message


def track(*events: tuple[float, bytes], name: str = "Keys") -> NoteTrack:
    return NoteTrack(name, events)


def options(tmp_path: Path, **changes: object) -> PluginOptions:
    return PluginOptions(folders=(vst3.plugins(),), records=tmp_path / "records", **changes)  # type: ignore[arg-type]


def preset(plugin: Plugin = SYNTH, mix: StemPreset | None = None, **more: object) -> Preset:
    keys = Instrument("keys", plugin, mix=mix or StemPreset(tail=0.0))
    return Preset("test", "", instruments={"keys": keys}, **more)  # type: ignore[arg-type]


def bound(wanted: Preset, notes: tuple[NoteTrack, ...], rack: Rack, channels: int = 2, rate: int = RATE) -> Graph:
    return bind(wanted, ["vocals"], sample_rate=rate, channels=channels, rack=rack, notes=notes)


def heard(wanted: Preset, notes: tuple[NoteTrack, ...], chosen: PluginOptions, channels: int = 2) -> FloatArray:
    with Rack(chosen) as rack:
        graph = bound(wanted, notes, rack, channels)
        return collect_all(graph, SILENCE[[0] * channels].copy())[KEYS]


def collect_all(graph: Graph, vocals: FloatArray) -> dict[str, FloatArray]:
    blocks = list(graph.run(ArrayStems({"vocals": vocals})))
    return {key: np.concatenate([block.stems[key] for block in blocks], axis=1) for key in blocks[0].stems}


def gate(*stretches: tuple[int, int]) -> FloatArray:
    sound = np.zeros((2, FRAMES), np.float32)
    for first, last in stretches:
        sound[:, first:last] = HALF
    return sound


@pytest.mark.parametrize("lookahead", [0, 777])
def test_notes_sound_from_their_frame_to_their_end_whatever_the_latency(tmp_path: Path, lookahead: int) -> None:
    places = [(0, 1), (100, 8191), (8192, 32767), (32768, 40001), (65535, 65537)]
    events = [one for first, last in places for one in (at(first, on()), at(last, off()))]
    plugin = replace(SYNTH, parameters={"level": 1.0, "lookahead": lookahead})
    np.testing.assert_array_equal(heard(preset(plugin), (track(*events),), options(tmp_path)), gate(*places))


def test_what_is_held_before_the_render_is_struck_at_its_start_and_let_go_at_its_end(tmp_path: Path) -> None:
    notes = (track((-9.0, on()), (-8.0, off()), (-3.0, on(80)), (-2.0, on()), (-1.0, off(80))),)
    ringing = StemPreset(tail=1.0)
    sound = heard(preset(mix=ringing), notes, options(tmp_path))
    assert sound.shape == (2, FRAMES + RATE)
    np.testing.assert_array_equal(sound, np.pad(gate((0, FRAMES)), ((0, 0), (0, RATE))))


def test_a_release_rings_on_after_the_end_until_it_is_quiet(tmp_path: Path) -> None:
    plugin = replace(SYNTH, parameters={"level": 1.0, "release_s": 0.1})
    sound = heard(preset(plugin, StemPreset()), (track(at(0, on())),), options(tmp_path))
    expected = 0.5 * np.exp(-(np.arange(sound.shape[1] - FRAMES) + 1) / (0.1 * RATE))
    assert 0.7 * RATE < sound.shape[1] - FRAMES < 1.2 * RATE, "0.84 s to -90 dBFS"
    np.testing.assert_allclose(sound[0, FRAMES : FRAMES + 20_000], expected[:20_000], rtol=2e-3)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_an_instrument_has_the_channels_of_the_render(tmp_path: Path, channels: int) -> None:
    sound = heard(preset(), (track(at(50, on()), at(90, off())),), options(tmp_path), channels)
    np.testing.assert_array_equal(sound[: min(channels, 2)], gate((50, 90))[: min(channels, 2)])
    assert sound.shape[0] == channels
    assert not sound[2:].any()


def test_an_instrument_has_chain_target_and_bus_like_a_stem(tmp_path: Path) -> None:
    mix = StemPreset((Effect("Gain", {"gain_db": 6.0}),), tail=0.0, target_peak_db=-12.0, gain_db=-6.0, bus="KEYS")
    wanted = preset(mix=mix, buses={"KEYS": Bus("KEYS", print_=True)})
    with Rack(options(tmp_path)) as rack:
        graph = bound(wanted, (track(at(0, on())),), rack)
        assert (graph.printed, graph.instruments, graph.buses) == (frozenset(), (KEYS,), ("bus:KEYS",))
        made = collect_all(graph, SILENCE.copy())
    np.testing.assert_allclose(made[KEYS], gate((0, FRAMES)) * 10 ** (-12 / 20) * 2, rtol=1e-5)
    np.testing.assert_allclose(made["bus:KEYS"], made[KEYS] * np.float32(10 ** (-6 / 20)), rtol=1e-5)


@pytest.mark.parametrize("mix", [{"reference_lufs": -20.0}, {"reference_lufs": -20.0, "target_peak_db": -12.0}, {}])
def test_the_disk_is_asked_for_as_many_streams_as_are_put_on_it(
    tmp_path: Path, mix: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    opened = tempfile.TemporaryFile

    def counted(**how: Any) -> Any:
        files.append(how)
        return opened(**how)

    monkeypatch.setattr(tempfile, "TemporaryFile", counted)
    with Rack(options(tmp_path)) as rack:
        chained = StemPreset((Effect("Gain", {"gain_db": 6.0}),), tail=0.0, **mix)  # type: ignore[arg-type]
        graph = bound(preset(mix=chained), (track(at(0, on())),), rack)
        collect_all(graph, SILENCE.copy())
    assert graph.put_aside == len(files) == len(mix)


def test_an_instrument_plays_the_tracks_it_is_told(tmp_path: Path) -> None:
    notes = (track(at(0, on()), name="Keys left"), track(at(0, on(32)), name="Bass"), track(at(0, on()), name="keys R"))
    keys = replace(preset().instruments["keys"], tracks=("KEYS*",))
    sound = heard(replace(preset(), instruments={"keys": keys}), notes, options(tmp_path))
    np.testing.assert_array_equal(sound, gate((0, FRAMES)), "one key struck twice is one key")


@pytest.mark.parametrize(
    ("notes", "tracks", "why"),
    [
        ((), (), "no .mid with notes lies beside the render"),
        ((track(at(0, on())),), ("Organ",), "none of its tracks is in the .mid, which has 'Keys'"),
    ],
)
def test_an_instrument_with_nothing_to_play_is_left_out_and_told(
    tmp_path: Path, notes: tuple[NoteTrack, ...], tracks: tuple[str, ...], why: str
) -> None:
    told: list[str] = []
    keys = replace(preset().instruments["keys"], tracks=tracks)
    with Rack(options(tmp_path), told.append) as rack:
        assert bound(replace(preset(), instruments={"keys": keys}), notes, rack).nodes == {}
    assert len(told) == 1
    assert why in told[0]


def test_an_instrument_that_gives_nothing_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    with Rack(options(tmp_path, seconds_to_load=8.0), told.append) as rack:
        graph = bound(preset(mix=StemPreset(tail=0.0, reference_lufs=-20.0)), (track(at(9, on(0))),), rack)
        assert not collect_all(graph, SILENCE.copy())[KEYS].any()
    assert told == ["The instrument keys gave only silence: look at its level and its keys."]


def test_an_instrument_that_stays_silent_is_waited_for_within_its_time(tmp_path: Path) -> None:
    told: list[str] = []
    mute = replace(SYNTH, parameters={"level": 0.0})
    with Rack(options(tmp_path, seconds_to_load=8.0), told.append) as rack:
        bound(preset(mute), (track(at(9, on())),), rack)
    assert told == []


def test_tracks_without_a_note_in_the_render_are_told_as_that(tmp_path: Path) -> None:
    told: list[str] = []
    notes = (track((-3.0, on()), (-2.0, off()), at(FRAMES, on()), at(FRAMES + 9, off())),)
    with Rack(options(tmp_path), told.append) as rack:
        assert not collect_all(bound(preset(), notes, rack), SILENCE.copy())[KEYS].any()
    assert told == ["The instrument keys is silent: it has no notes within this render."]


def test_any_number_of_messages_may_have_one_time_and_keep_their_order(tmp_path: Path) -> None:
    pressed = [at(0, bytes((0xA0 | channel, key, 1))) for channel in range(16) for key in range(30)]
    flood = [at(place, message) for place in (2000, 4000) for _ in range(200) for message in (off(), on())]
    sound = heard(preset(), (track(*pressed, *flood, at(5000, off())),), options(tmp_path))
    np.testing.assert_array_equal(sound, gate((2000, 5000)))


@pytest.mark.parametrize(("fault", "said"), [(1, "ended by itself"), (2, "NaN")])
def test_an_instrument_that_misbehaves_is_one_clear_error(tmp_path: Path, fault: int, said: str) -> None:
    with pytest.raises(EffectError, match=said) as caught:
        heard(preset(replace(SYNTH, parameters={"fault": fault})), (track(at(0, on(TROUBLE))),), options(tmp_path))
    assert "TestSynth.vst3 on keys" in caught.value.message


@pytest.mark.parametrize(("name", "said"), [("TestTrim.vst3", "is no instrument"), ("Gone.vst3", "is not in")])
def test_what_cannot_play_is_refused_or_skipped_before_any_work(tmp_path: Path, name: str, said: str) -> None:
    notes, told = (track(at(0, on())),), list[str]()
    with Rack(options(tmp_path), told.append) as rack:
        with pytest.raises(BridgeError, match=said):
            bound(preset(Plugin(name)), notes, rack)
        if name == "Gone.vst3":
            assert bound(preset(Plugin(name, missing="skip")), notes, rack).instruments == ()
            assert rack.inserts[0].skipped
            assert len(told) == 1


def test_stems_stay_as_they_are_beside_an_instrument(tmp_path: Path) -> None:
    vocals = np.random.default_rng(0).uniform(-1, 1, (2, FRAMES)).astype(np.float32)
    wanted = preset(stems={"vocals": StemPreset((Effect("Gain", {"gain_db": 0.0}),), tail=0.0)})
    with Rack(options(tmp_path)) as rack:
        made = collect_all(bound(wanted, (track(at(0, on())),), rack), vocals.copy())
    np.testing.assert_array_equal(made["vocals"], vocals)


def test_settings_of_before_the_render_hold_in_it_and_the_bank_comes_before_the_program() -> None:
    volume, bank, program, bend = bytes((0xB0, 7, 90)), bytes((0xB0, 0, 3)), bytes((0xC0, 5)), bytes((0xE0, 0, 70))
    earlier = [(-5.0, bytes((0xC0, 1))), (-4.0, bank), (-4.0, program), (-3.0, volume), (-2.0, bend), (-1.0, on())]
    score = score_of([track(*earlier, (0.5, off()))], 1000, 2000)
    assert score == ((0, bank), (0, program), (0, volume), (0, bend), (0, on()), (500, off()))


def test_a_pedal_that_is_down_at_the_end_is_let_go() -> None:
    down, up = bytes((0xB0, 64, 127)), bytes((0xB0, 64, 0))
    assert score_of([track((0.0, down), (0.1, on()), (0.2, off()))], 1000, 300)[-1] == (300, up)


def test_all_notes_off_ends_what_is_held() -> None:
    assert score_of([track((-2.0, on()), (-1.0, bytes((0xB0, 123, 0))))], 1000, 300) == ()


RESET = bytes((0xB0, 121, 0))


@pytest.mark.parametrize("local", [RESET, bytes((0xB0, 122, 0))])
def test_a_reset_of_controllers_ends_no_note_so_that_one_is_let_go_at_the_end(local: bytes) -> None:
    assert score_of([track((0.1, on()), (0.2, local))], 1000, 300) == ((100, on()), (200, local), (300, off()))
    assert score_of([track((-0.2, on()), (-0.1, local))], 1000, 300)[-2:] == ((0, on()), (300, off()))
    assert score_of([track((-0.2, on()), (0.0, local))], 1000, 300) == ((0, on()), (0, local), (300, off()))


def test_what_was_reset_before_the_render_is_reset_in_it_and_what_was_set_after_that_is_set() -> None:
    wheel, volume, bend = bytes((0xB0, 1, 20)), bytes((0xB0, 7, 90)), bytes((0xE0, 0, 70))
    earlier = [(-1.0, message) for message in (RESET, wheel, volume, RESET, bend)]
    score = score_of([track(*earlier, (0.1, on()), (0.2, off()))], 1000, 300)
    assert score == ((0, wheel), (0, volume), (0, RESET), (0, bend), (100, on()), (200, off()))


def test_a_bend_range_of_before_the_render_holds_though_nothing_is_selected_any_more() -> None:
    def control(*pairs: tuple[int, int]) -> list[bytes]:
        return [bytes((0xB0, *pair)) for pair in pairs]

    bend_range = control((101, 0), (100, 0), (6, 12), (38, 0))
    tuning = control((101, 0), (100, 2), (6, 70))
    nothing = control((101, 127), (100, 127))
    earlier = [(-1.0, message) for message in (*bend_range, *tuning, *nothing)]
    sent = [message for _, message in score_of([track(*earlier, (0.1, on()), (0.2, off()))], 1000, 300)][:-2]
    entered, selected = {}, {}
    for message in sent:
        selected[message[1]] = message[2]
        if message[1] == 6:
            entered[selected[101], selected[100]] = message[2]
    assert entered == {(0, 0): 12, (0, 2): 70}
    assert sent[-2:] == nothing


def test_a_pedal_that_a_reset_lifted_is_not_lifted_again() -> None:
    down = bytes((0xB0, 64, 127))
    assert score_of([track((0.0, down), (0.1, RESET))], 1000, 300) == ((0, down), (100, RESET))
