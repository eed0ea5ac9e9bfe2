"""`presets check` tells every slip of a file at once, each in the words the loader has for it alone."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import PresetError
from bridge.presets.loader import load
from bridge.presets.shelf import slips_of
from bridge.presets.slips import slips

RIGHT = """\
version: 1
name: p
variables: {air_db: 3}
tags: [vocals]
stems:
  vocals:
    reference_lufs: -20
    chain:
      - HighpassFilter: {cutoff_frequency_hz: 90}
      - Compressor: {threshold_db: -20, ratio: 3, attack_ms: 8}
      - Gain: {gain_db: $air_db}
      - plugin: {path: A.vst3, wet: 0.5}
      - parallel: [[], [{Reverb: {room_size: 0.4}}, {Gain: {gain_db: -6}}]]
      - mid_side: {side: [{Gain: {gain_db: 2}}]}
    bus: VOX
    pan: 0
  "*": {bus: MUSIC}
buses:
  VOX: {color: "#d1495b"}
  MUSIC: {gain_db: -1}
  VERB: {reaper_fx: [ReaVerbate]}
sends:
  - {from: VOX, to: VERB, level_db: -14}
output: {format: wav}
"""
SLIPS = (
    ("tags: [vocals]", "tags: [Vocals]"),
    ("reference_lufs: -20", "reference_lufs: loud"),
    ("HighpassFilter: {cutoff", "HighpasFilter: {cutoff"),
    ("threshold_db: -20", "treshold_db: -20"),
    ("ratio: 3", "ratio: -3"),
    ("attack_ms: 8", "attack_ms: fast"),
    ("path: A.vst3", "path: 3"),
    ("wet: 0.5", "wet: 5"),
    ("room_size: 0.4", "room: 0.4"),
    ("[{Reverb:", "[{Reverbs:"),
    ("{gain_db: -6}", "{gain: -6}"),
    ("side: [{Gain: {gain_db: 2}", "sides: [{Gain: {gain_db: 2}"),
    ("bus: VOX", "bus: VOXX"),
    ("pan: 0", "paan: 0"),
    ('"*": {bus: MUSIC}', "drms: {bus: MUSIC}"),
    ('color: "#d1495b"', "color: red"),
    ("gain_db: -1", "gain_db: loud"),
    ("level_db: -14", "level: -14"),
    ("format: wav", "format: mp3"),
)
SLIPS_OF_VARIABLES = (
    ("{air_db: 3}", "{air_db: [3]}"),
    ("{air_db: 3}", "{air_db: }"),
    ("{air_db: 3}", "{Air_db: 3}"),
    ("{air_db: 3}", "[air_db]"),
    ("{air_db: 3}", "{air_db: 3, more: 2}"),
    ("$air_db", "$ar_db"),
)


def written(folder: Path, text: str) -> Path:
    path = folder / "p.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def with_slips(which: Sequence[tuple[str, str]]) -> str:
    text = RIGHT
    for right, wrong in which:
        assert right in text
        text = text.replace(right, wrong, 1)
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slips")


def test_a_preset_that_loads_has_none(folder: Path) -> None:
    path = written(folder, RIGHT)
    load(path)
    assert slips(path) == ()


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from([one for one in SLIPS if not one[1].startswith(("[{Reverbs", "sides"))]), min_size=1))
def test_many_slips_are_told_at_once_each_as_if_it_were_alone_and_by_line(
    folder: Path, which: set[tuple[str, str]]
) -> None:
    alone = []
    for slip in which:
        with pytest.raises(PresetError) as caught:
            load(written(folder, with_slips([slip])))
        alone.append(caught.value)
    together = slips(written(folder, with_slips(sorted(which, key=SLIPS.index))))
    assert sorted(one.message for one in together) == sorted(one.message for one in alone)
    lines = [int(one.message.removeprefix(f"{folder / 'p.yaml'}:").partition(":")[0]) for one in together]
    assert lines == sorted(lines)


@pytest.mark.parametrize("slip", SLIPS + SLIPS_OF_VARIABLES, ids=itemgetter(1))
def test_one_slip_is_told_once_in_the_loaders_words_and_nothing_that_follows_from_it(
    folder: Path, slip: tuple[str, str]
) -> None:
    path = written(folder, with_slips([slip]))
    with pytest.raises(PresetError) as caught:
        load(path)
    assert [(one.message, one.hint) for one in slips(path)] == [(caught.value.message, caught.value.hint)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("version: 1\nstems: {vocals: {chain: [{Gain: {gain_db: $no}}, {Gian: {}}, {Gain: {gain_db: $nor}}]}}\n", 3),
        ("version: 1\nstems: {vocals: {chain: [{Compresor: {}}, {Gian: {}}]}, drms: {}}\n", 3),
        ("version: 1\nvariables: {a: [], b: 1}\nstems: {vocals: {pan: $a, gain_db: $c, bus: $$b}}\n", 3),
        ("version: 1\nvariables: {a: []}\nstems: {vocals: {pan: $a, gain_db: loud}}\n", 2),
        ("version: 1\nbuses: {A: {parent: B}, B: {parent: A}}\nstems: {vocals: {bus: A}}\n", 1),
        ("version: 1\nbuses: {A: {}, a: {}}\nstems: {vocals: {bus: a}}\n", 1),
        ("version: 1\nstems: [\n", 1),
        ("version: 1\nextends: nowhere\nstems: {drms: {}}\n", 1),
        ("", 1),
        ("7\n", 1),
        ("version: 2\nstems: {drms: {}}\n", 1),
        ("version: 1\nsends: [{}, {from: 1}, 3]\n", 3),
        ("version: 1\n" + "".join(f"slip{number}: 1\n" for number in range(300)), 100),
    ],
)
def test_what_no_preset_should_hold_is_told_and_ends(folder: Path, text: str, count: int) -> None:
    path = written(folder, text)
    with pytest.raises(PresetError):
        load(path)
    assert len(slips(path)) == count


def test_slips_of_what_is_extended_come_after_ones_own(folder: Path) -> None:
    (folder / "base.yaml").write_text("version: 1\nstems: {drms: {}, bass: {pan: 5}}\n", encoding="utf-8")
    path = written(folder, "version: 1\nextends: base.yaml\n\n\n\nstems: {vocals: {pan: 7}}\n")
    told = [(one.path, one.message.partition(": ")[2]) for one in slips_of(str(path))]
    assert [place.name for place, _ in told if place] == ["p.yaml", "base.yaml", "base.yaml"]
    assert told[0][1] == "'pan' is 7, out of range."


def test_a_name_of_no_preset_is_one_slip() -> None:
    (error,) = slips_of("cleen")
    assert "There is no preset 'cleen'" in error.message
    assert slips_of("clean") == ()
