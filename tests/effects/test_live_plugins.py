"""Plugins that are inserted in REAPER: the stem stays dry at that place, and the cage gives their state."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.domain.plugins import Insert, PluginOptions
from bridge.domain.preset import Bus, Chain, Effect, Plugin, Preset, Send, StemPreset
from bridge.effects.graph import Graph, bind
from bridge.effects.plugins.rack import Rack
from bridge.errors import PluginError
from tests import vst3

RATE = 44_100
GAIN = Effect("Gain", {"gain_db": -6.0})
LIVE = Plugin("TestTrim.vst3", parameters={"gain_db": -12.0, "mode": "Swap"}, wet=0.25, live=True)


def bound(
    preset: Preset, *, channels: int = 2, stems: Sequence[str] = ("vocals", "drums")
) -> tuple[Graph, list[Insert], list[str]]:
    told: list[str] = []
    with Rack(PluginOptions(folders=(vst3.plugins(),)), told.append) as rack:
        graph = bind(preset, stems, sample_rate=RATE, channels=channels, rack=rack)
        return graph, rack.inserts, told


def stems_with(chain: Chain) -> Preset:
    return Preset("test", "", {"vocals": StemPreset(chain)})


def test_a_stem_with_nothing_but_live_plugins_is_not_printed_and_their_states_are_known() -> None:
    graph, (insert,), told = bound(stems_with((LIVE,)))
    assert (graph.printed, told) == (frozenset(), [])
    assert (insert.stem, insert.position, insert.live, insert.wet) == ("vocals", 1, True, 0.25)
    assert (insert.name, insert.maker) == ("TestTrim", "Stem Bridge")
    assert insert.state.startswith(b"VST3")
    assert insert.changed == pytest.approx({"Gain": 0.25, "Mode": 1.0}), "as a DAW names them, without its defaults"


def test_a_stem_that_keeps_its_loudness_and_has_nothing_printed_is_not_copied() -> None:
    graph, inserts, _ = bound(Preset("test", "", {"vocals": StemPreset((LIVE,), target_lufs="dry")}))
    assert (graph.printed, len(inserts)) == (frozenset(), 1)


def test_what_stands_before_a_live_plugin_is_printed_without_it() -> None:
    graph, inserts, _ = bound(stems_with((Plugin("TestTrim.vst3"), GAIN, LIVE)))
    assert graph.nodes["vocals"].chain == (Plugin("TestTrim.vst3"), GAIN)
    assert [(one.position, one.live) for one in inserts] == [(1, False), (2, True)]


def test_the_state_is_the_same_whether_a_plugin_is_printed_or_live() -> None:
    states = []
    for live in (True, False):
        _, (insert,), _ = bound(stems_with((Plugin("TestTrim.vst3", parameters={"gain_db": 3.0}, live=live),)))
        states.append((insert.state, insert.changed, insert.parameters))
    assert states[0] == states[1]


def test_a_bus_that_sound_reaches_has_live_plugins_and_one_that_none_reaches_needs_no_plugin() -> None:
    preset = Preset(
        "test",
        "",
        {"vocals": StemPreset(bus="VOX")},
        {
            "VOX": Bus("VOX"),
            "HALL": Bus("HALL", chain=(LIVE,)),
            "FAR": Bus("FAR", chain=(Plugin("NotThere.vst3", live=True),)),
        },
        (Send("VOX", "HALL", -10.0),),
    )
    graph, inserts, _ = bound(preset)
    assert [(one.stem, one.live) for one in inserts] == [("bus:HALL", True)]
    assert not graph.nodes
    with pytest.raises(PluginError, match="NotThere"):
        bound(Preset("test", "", {"vocals": StemPreset(bus="FAR")}, {"FAR": preset.buses["FAR"]}))


def test_one_that_is_missing_is_left_out_where_the_preset_says_so_and_off_ones_are_nothing() -> None:
    gone = Plugin("NotThere.vst3", missing="skip", live=True)
    _, (insert,), told = bound(stems_with((gone,)))
    assert (insert.skipped != "", insert.state, insert.changed) == (True, b"", {})
    assert "NotThere.vst3 was left out" in told[0]
    _, inserts, _ = bound(stems_with((Plugin("TestTrim.vst3", bypass=True, live=True),)))
    assert inserts == []


def test_more_than_two_channels_are_told_since_reaper_inserts_it_once() -> None:
    preset = Preset("test", "", {"*": StemPreset((LIVE,))})
    _, inserts, told = bound(preset, channels=6)
    assert len(inserts) == 2
    assert len(told) == 1
    assert "the other 4 pass by it" in told[0]
