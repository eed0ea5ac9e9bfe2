"""Instruments in a preset: what they may say, and every slip with its line."""

from __future__ import annotations

import pytest

from bridge.errors import PresetError
from bridge.presets.loader import parse

HEAD = "version: 1\nbuses: {KEYS: {}}\ninstruments:\n  keys:\n"


def test_everything_it_may_say_arrives() -> None:
    body = "    plugin: {path: a.vst3, parameters: {x: 1}}\n    tracks: [Piano, 'Key*']\n    bus: KEYS\n    tail: 2\n"
    instrument = parse(HEAD + body, name="p").instruments["keys"]
    assert (instrument.plugin.path, instrument.plugin.wet, instrument.tracks) == ("a.vst3", 1.0, ("Piano", "Key*"))
    assert (instrument.mix.bus, instrument.mix.tail) == ("KEYS", 2.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "    bus: KEYS\n", "p:4: instrument 'keys' needs 'plugin'"),
        (HEAD + "    plugin: {path: a.vst3, wet: 0.5}\n", "p:5: plugin has no 'wet'"),
        (HEAD + "    plugin: {path: ../a.vst3}\n", "p:5:"),
        (HEAD + "    plugin: {path: a.vst3}\n    bus: NONE\n", "p:6: there is no bus 'NONE'"),
        (HEAD + "    plugin: {path: a.vst3}\n    tracks: Piano\n", "'tracks' must be a list"),
        (HEAD + "    plugin: {path: a.vst3}\n    midi: b.mid\n", "instrument 'keys' has no 'midi'"),
        ("version: 1\ninstruments: {Vocals: {plugin: {path: a.vst3}}}\n", "'Vocals' is taken"),
        ("version: 1\ninstruments: {a: {plugin: {path: a.vst3}}, A: {plugin: {path: a.vst3}}}\n", "'A' is taken"),
        (
            "version: 1\ninstruments:\n" + "".join(f"  i{n}: {{plugin: {{path: a.vst3}}}}\n" for n in range(17)),
            "more than 16 instruments",
        ),
    ],
)
def test_every_slip_says_where(text: str, said: str) -> None:
    with pytest.raises(PresetError) as caught:
        parse(text, name="p")
    assert said in str(caught.value)
