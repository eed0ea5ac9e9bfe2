"""The loader: a preset says exactly what it says, and every fault names its line and the way out."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.preset import Bus, Effect, OutputOptions, Parallel, Send, StemPreset
from bridge.errors import PresetError
from bridge.presets.catalog import EFFECTS, REFUSED
from bridge.presets.loader import load, parse
from bridge.presets.shelf import template

FULL = """\
version: 1
name: full
description: All there is.
stems:
  vocals:
    reference_lufs: -20
    chain:
      - HighpassFilter: {cutoff_frequency_hz: 90, bypass: true}
      - Compressor: {threshold_db: -20, ratio: 3, link: true, wet: 0.5}
      - parallel:
          - []
          - [{Invert: }, {LadderFilter: {mode: HPF24, cutoff_hz: 200}}]
    tail: 2.5
    gain_db: -3
    pan: 0.25
    mute: true
    bus: VOX
  "*": {bus: VERB, tail: auto}
buses:
  VOX: {color: "#d1495b", gain_db: -1}
  VERB: {reaper_fx: [ReaVerbate]}
sends:
  - {from: VOX, to: VERB, level_db: -14}
output: {subtype: PCM_24}
"""


def test_a_preset_says_exactly_what_it_says() -> None:
    preset = parse(FULL, name="full")
    chain = (
        Effect("HighpassFilter", {"cutoff_frequency_hz": 90.0}, bypass=True),
        Effect("Compressor", {"threshold_db": -20.0, "ratio": 3.0, "link": True}, wet=0.5),
        Parallel(((), (Effect("Invert"), Effect("LadderFilter", {"mode": "HPF24", "cutoff_hz": 200.0})))),
    )
    assert preset.stems == {
        "vocals": StemPreset(chain, -20.0, 2.5, -3.0, 0.25, True, "VOX"),
        "*": StemPreset(bus="VERB"),
    }
    assert preset.buses == {"VOX": Bus("VOX", "#d1495b", -1.0), "VERB": Bus("VERB", reaper_fx=("ReaVerbate",))}
    assert preset.sends == (Send("VOX", "VERB", -14.0),)
    assert preset.output == OutputOptions(subtype="PCM_24")
    assert preset.stated_output == {"subtype"}
    assert preset.sha256 == hashlib.sha256(FULL.encode()).hexdigest()
    assert preset.for_stem("guitar").bus == "VERB"


def wrong(text: str) -> PresetError:
    with pytest.raises(PresetError) as caught:
        parse(text, name="p")
    return caught.value


def step(text: str) -> str:
    return f"version: 1\nstems:\n  vocals:\n    chain:\n      - {text}\n"


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("", 1, "empty", "version: 1"),
        ("- a", 1, "must be a map", "name: value"),
        ("name: p", 1, "needs 'version'", "version"),
        ("version: 2", 1, "out of range", "1"),
        ("version: 1\nname: q", 2, "calls itself 'q'", "name: p"),
        ("version: 1\nstem: {}", 2, "no 'stem'", "'stems'"),
        ("version: 1\nstems: {vokals: {}}", 2, "no stem 'vokals'", "'vocals'"),
        ("version: 1\nstems:\n  vocals: {gain: 1}", 3, "no 'gain'", "gain_db"),
        ("version: 1\nstems:\n  vocals: {pan: 2}", 3, "out of range", "-1 to 1"),
        ("version: 1\nstems:\n  vocals: {mute: 1}", 3, "true or false", ""),
        ("version: 1\nstems:\n  vocals: {gain_db: true}", 3, "not true", ""),
        ("version: 1\nstems:\n  vocals: {gain_db: loud}", 3, "the text 'loud'", ""),
        ("version: 1\nstems:\n  vocals: {tail: atuo}", 3, "'tail'", "'auto'"),
        ("version: 1\nstems:\n  vocals: {tail: 61}", 3, "out of range", "60"),
        ("version: 1\nstems:\n  vocals: {bus: VOX}\nbuses:\n  VOXX: {}", 3, "no bus 'VOX'", "'VOXX'"),
        ("version: 1\nbuses:\n  A: {color: #d1495b\n  }", 3, "empty", "quotes"),
        ("version: 1\nbuses:\n  A: {color: red}", 3, "'red'", ""),
        ("version: 1\nbuses:\n  A: {}\n  a: {}", 4, "differ only in case", ""),
        ("version: 1\nbuses: {A: {}}\nsends:\n  - {from: A, to: B}", 4, "no bus 'B'", "Declare"),
        ("version: 1\nbuses: {A: {}, B: {}}\nsends:\n  - {from: A, to: B}", 4, "no effect", "reaper_fx"),
        ("version: 1\nbuses: {A: {reaper_fx: [R]}}\nsends:\n  - {from: A, to: A}", 4, "loop", ""),
        ("version: 1\nbuses: {A: {reaper_fx: ReaComp}}", 2, "must be a list", "- "),
        ("version: 1\noutput: {format: mp3}", 2, "'format'", ""),
        (step("Compresor: {}"), 5, "no effect 'Compresor'", "'Compressor'"),
        (step("compressor: {}"), 5, "no effect", "'Compressor'"),
        (step("Compressor: {treshold_db: -20, ratio: 2}"), 5, "no 'treshold_db'", "'threshold_db'"),
        (step("Compressor: {ratio: 2}"), 5, "needs 'threshold_db'", "threshold_db"),
        (step("Compressor: {threshold_db: 6, ratio: 2}"), 5, "6, out of range", "-60 to 0 dBFS"),
        (step("Compressor: {threshold_db: -6, ratio: 2, wet: 2}"), 5, "out of range", "0 to 1"),
        (step("Compressor:\n        threshold_db: -6"), 5, "holds 2", "indent"),
        (step("Invert"), 5, "no ':'", "- Invert: {}"),
        (step("Invert: {x: 1}"), 5, "no 'x'", "wet"),
        (step("LadderFilter: {mode: LPF6, cutoff_hz: 100}"), 5, "'mode'", "LPF"),
        (step("Delay: {delay_seconds: 1/7}"), 5, "'1/7'", "Time between echoes"),
        (step("Delay: {delay_seconds: 1/4, mix: 1/8}"), 5, "'1/8'", "number"),
        (step("HighpassFilter: {cutoff_frequency_hz: 90, slope_db: 18}"), 5, "18, out of range", "6, 12, 24, 48 dB"),
        (step("Ducker: {under: vokals}"), 5, "'under'", "'vocals'"),
        (step("mid_side: {}"), 5, "neither", "mid"),
        (step("mid_side: {middle: []}"), 5, "no 'middle'", "mid"),
        (step("VST3Plugin: {}"), 5, "plugin: {path", ""),
        (step("parallel: []"), 5, "no branch", "[]"),
        (step("parallel: [Gain: {gain_db: 1}]"), 5, "must be a list", ""),
        (step("[]"), 5, "must be a map", ""),
        (
            step("Invert: {}\n      - parallel: [[" + "{Invert: }, " * 60 + "], [" + "{Invert: }, " * 60 + "]]"),
            4,
            "100",
            "",
        ),
        ("version: 1\nstems:\n  vocals: {bus: 1}", 3, "the number 1", "quotes"),
        ("version: 1\nstems: {vocals: {chain: {Invert: {}}}}", 2, "must be a list", ""),
    ],
)
def test_every_fault_names_its_line_and_the_way_out(text: str, line: int, message: str, hint: str) -> None:
    error = wrong(text)
    assert error.message.startswith(f"p:{line}: ")
    assert message in error.message
    assert error.hint
    assert hint in error.hint


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_used_says_why(name: str) -> None:
    assert REFUSED[name] in wrong(step(f"{name}: {{}}")).message


NUMBERS = [(e, p) for e, spec in EFFECTS.items() for p, field in spec.parameters.items() if field.kind == "number"]


@pytest.mark.parametrize(("effect", "parameter"), NUMBERS)
def test_every_number_of_the_catalog_is_held_to_its_range(effect: str, parameter: str) -> None:
    fields = EFFECTS[effect].parameters
    given = {
        name: (field.choices[0] if field.kind == "choice" else field.default)
        for name, field in fields.items()
        if field.required
    }
    for value, good in [
        (fields[parameter].low, True),
        (fields[parameter].high, True),
        (fields[parameter].high + 1, False),
        (fields[parameter].low - 0.5, False),
    ]:
        listed = ", ".join(f"{key}: {val}" for key, val in (given | {parameter: value}).items())
        text = step(f"{effect}: {{{listed}}}")
        if good:
            assert parse(text, name="p").stems["vocals"].chain[0].parameters[parameter] == value
        else:
            assert "out of range" in wrong(text).message


def test_a_preset_file_that_is_not_there_or_a_folder_is_a_preset_error(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.yaml", tmp_path):
        with pytest.raises(PresetError) as caught:
            load(path)
        assert caught.value.path == path
        assert caught.value.hint


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_preset_loads_or_is_refused_and_nothing_else(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([FULL, template("full")]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    junk = data.draw(st.one_of(st.sampled_from(["null", "[]", "{}", "-1", "no", "1e9", "'"]), st.text(max_size=5)))
    with contextlib.suppress(PresetError):
        parse(text[:start] + junk + text[end:], name="full")
