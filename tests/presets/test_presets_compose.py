"""Presets that extend others and hold variables: what is written wins, and every slip names its line and file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.domain.preset import Effect
from bridge.errors import PresetError
from bridge.presets.loader import parse
from bridge.presets.shelf import entries, find, project_folders

BASE = """\
version: 1
name: base
description: The base.
tags: [vocals, bright]
variables: {air_db: 3, room: VOX}
stems:
  vocals:
    gain_db: -2
    chain: [{HighShelfFilter: {cutoff_frequency_hz: 9000, gain_db: $air_db}}]
    bus: $room
  drums: {pan: 0.5}
buses:
  VOX: {color: "#112233", adopt: ["VOX*"]}
"""


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name.replace('_', '-')}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_preset_inherits_what_it_does_not_say_and_replaces_what_it_does(tmp_path: Path) -> None:
    mine = "version: 1\nextends: base\nvariables: {air_db: 5}\nstems: {vocals: {pan: 0.25}, drums: }\n"
    write(tmp_path, base=BASE, mine=mine)
    base, preset = find("base", [tmp_path]), find("mine", [tmp_path])
    assert preset.stems["vocals"].chain == (Effect("HighShelfFilter", {"cutoff_frequency_hz": 9000.0, "gain_db": 5.0}),)
    assert (preset.stems["vocals"].gain_db, preset.stems["vocals"].pan, preset.stems["vocals"].bus) == (
        -2.0,
        0.25,
        "VOX",
    )
    assert set(preset.stems) == {"vocals"}, "a key with nothing behind it takes out what lies below"
    assert (preset.name, preset.description, preset.tags) == ("mine", "The base.", ("vocals", "bright"))
    assert preset.buses == base.buses
    before = preset.sha256
    write(tmp_path, base=BASE.replace("-2", "-3"))
    assert find("mine", [tmp_path]).sha256 != before, "what it extends is part of it"


def test_a_users_preset_may_extend_the_shipped_one_of_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, vocal_air="version: 1\nextends: vocal-air\ndescription: Mine.\n")
    preset = find("vocal-air", [tmp_path])
    assert preset.description == "Mine."
    assert preset.stems == find("vocal-air").stems


def test_a_base_is_found_by_its_path_from_the_preset(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    write(tmp_path / "below", base=BASE)
    write(tmp_path, mine="version: 1\nextends: below/base.yaml\n")
    assert find(str(tmp_path / "mine.yaml")).stems["drums"].pan == 0.5


@pytest.mark.parametrize(
    ("text", "file", "message"),
    [
        ("version: 1\nextends: gone", "mine.yaml:2", "no preset 'gone'"),
        ("version: 1\nextends: mine", "mine.yaml:2", "in a circle"),
        ("version: 1\nextends: [base]", "mine.yaml:2", "name of a preset"),
        ("version: 1\nextends: other", "other.yaml:2", "in a circle"),
        ("version: 1\nextends: base\nvariables: {ari_db: 3}", "mine.yaml:3", "nothing uses the variable 'ari_db'"),
        ("version: 1\nextends: base\nstems: {vocals: {pan: $pam}}", "mine.yaml:3", "no variable 'pam'"),
        ("version: 1\nextends: base\nvariables: {air_db: 99}", "base.yaml:9", "99, out of range"),
        ("version: 1\nvariables: {Air: 3}", "mine.yaml:2", "cannot be called"),
        ("version: 1\nvariables: {air: [3]}", "mine.yaml:2", "must be a number"),
        ("version: 1\nvariables: 3", "mine.yaml:2", "must be a map"),
        ("version: 1\ntags: [Loud!]", "mine.yaml:2", "'tags'"),
    ],
)
def test_every_slip_names_the_file_and_line_it_is_in(text: str, file: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, base=BASE, mine=text, other="version: 1\nextends: mine")
    with pytest.raises(PresetError) as caught:
        find("mine", [tmp_path])
    assert file in caught.value.message
    assert message in caught.value.message
    assert caught.value.hint


def test_a_ladder_of_presets_has_an_end(tmp_path: Path) -> None:
    write(tmp_path, **{f"p{n}": f"version: 1\nextends: p{n + 1}\n" for n in range(20)}, p20="version: 1\n")
    with pytest.raises(PresetError, match="more than 8"):
        find("p0", [tmp_path])
    assert find("p14", [tmp_path]).name == "p14"


def test_two_dollar_signs_are_one() -> None:
    text = 'version: 1\nbuses: {A: {reaper_fx: ["$$Comp"]}}\nstems: {vocals: {bus: A}}\n'
    assert parse(text, name="p").buses["A"].reaper_fx == ("$Comp",)


def test_presets_of_a_project_lie_beside_its_renders_or_above(tmp_path: Path) -> None:
    home = tmp_path / "song" / "stem-bridge-presets"
    home.mkdir(parents=True)
    write(home, mine=BASE.replace("name: base", "name: mine"))
    folders = project_folders(tmp_path / "song" / "renders" / "mix.wav")
    assert find("mine", folders).tags == ("vocals", "bright")
    assert [entry.tags for entry in entries(folders) if entry.name == "mine"] == [("vocals", "bright")]
