"""The step `plugin` of a preset: what it may say, and that no path leads away."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.domain.preset import Plugin
from bridge.errors import PresetError
from bridge.presets.loader import load, parse


def step(text: str) -> Plugin:
    preset = parse(f"version: 1\nstems:\n  vocals:\n    chain:\n      - plugin: {text}\n", name="test")
    (found,) = preset.stems["vocals"].chain
    assert isinstance(found, Plugin)
    return found


def test_everything_it_may_say_arrives() -> None:
    text = "{path: Hall.vst3, plugin_name: Hall, preset: big.vstpreset, wet: 0.2, bypass: true, missing: skip, "
    assert step(text + "parameters: {decay_s: 1.8, on: true, mode: '1/4', gain_db: '-3 dB'}}") == Plugin(
        "Hall.vst3",
        "Hall",
        "big.vstpreset",
        {"decay_s": 1.8, "on": True, "mode": "1/4", "gain_db": "-3 dB"},
        bypass=True,
        wet=0.2,
        missing="skip",
    )
    assert step("{path: Maker/Hall.vst3}") == Plugin("Maker/Hall.vst3")


@pytest.mark.parametrize(
    "path",
    ["../x.vst3", "/x.vst3", r"..\x.vst3", "a/../../x.vst3", "C:/x.vst3", r"\\server\x.vst3", "x.dll", "x", "''", "3"],
)
def test_a_path_that_leads_away_is_refused_with_its_line(path: str) -> None:
    for key, good in (("path", "{path: %s}"), ("preset", "{path: a.vst3, preset: %s}")):
        with pytest.raises(PresetError, match=f"test:5: '{key}'"):
            step(good % path.replace(".vst3", ".vst3" if key == "path" else ".vstpreset"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "needs 'path'"),
        ("{path: a.vst3, wet: 2}", "out of range"),
        ("{path: a.vst3, mising: skip}", "Did you mean 'missing'?"),
        ("{path: a.vst3, missing: maybe}", "'fail' or 'skip'"),
        ("{path: a.vst3, parameters: [1]}", "must be a map"),
        ("{path: a.vst3, parameters: {gain_db: }}", "must be a number"),
        ("{path: a.vst3, parameters: {gain_db: [1]}}", "must be a number"),
        ("{path: a.vst3, parameters: {gain_db: .nan}}", "usable number"),
        ("{path: a.vst3, parameters: {'gain db': 1}}", "no name of a parameter"),
    ],
)
def test_every_fault_says_what_to_do(text: str, says: str) -> None:
    with pytest.raises(PresetError) as raised:
        step(text)
    assert says in f"{raised.value.message} {raised.value.hint}"


def test_a_state_beside_the_preset_is_meant_before_one_in_the_plugin_folders(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = "version: 1\nstems: {vocals: {chain: [{plugin: {path: a.vst3, preset: big.vstpreset}}]}}\n"
    file.write_text(text)
    (found,) = load(file).stems["vocals"].chain
    assert isinstance(found, Plugin)
    assert found.preset == "big.vstpreset"
    (tmp_path / "big.vstpreset").write_bytes(b"VST3")
    (found,) = load(file).stems["vocals"].chain
    assert isinstance(found, Plugin)
    assert found.preset == str(tmp_path / "big.vstpreset")


def test_no_link_beside_the_preset_leads_away(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "secret").write_bytes(b"not yours")
    try:
        (tmp_path / "presets" / "big.vstpreset").symlink_to(tmp_path / "secret")
    except OSError:
        pytest.skip("this system lets nobody make links")
    file = tmp_path / "presets" / "mine.yaml"
    file.write_text("version: 1\nstems: {vocals: {chain: [{plugin: {path: a.vst3, preset: big.vstpreset}}]}}\n")
    with pytest.raises(PresetError, match="leads out"):
        load(file)
