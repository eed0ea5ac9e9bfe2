"""A plugin that crashes costs the render it was used on; the next one is done, and the daemon lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import Settings
from bridge.delivery.manifest import read, verify
from bridge.delivery.prune import find_drops, reason_to_keep
from bridge.domain.drop import MANIFEST
from tests import vst3
from tests.daemon.houses import House, sound


class PluginHouse(House):
    """A house whose presets may use the test plugins."""

    def settings(self) -> Settings:
        settings = super().settings()
        plugins = settings.plugins.model_copy(update={"folders": (vst3.plugins(),)})
        return settings.model_copy(update={"plugins": plugins})

    def preset_file(self, name: str, step: str) -> None:
        text = f"version: 1\nstems:\n  vocals:\n    tail: 0\n    chain:\n      - plugin: {step}\n"
        (self.presets / f"{name}.yaml").write_text(text, encoding="utf-8")
        (self.inbox / name).mkdir()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginHouse:
    monkeypatch.setenv("STEM_BRIDGE_DATA", str(tmp_path / "data"))
    return PluginHouse(tmp_path / "house")


def test_a_crashing_plugin_parks_its_render_and_the_next_one_is_done(house: PluginHouse) -> None:
    house.preset_file("crash", "{path: TestFault.vst3, parameters: {fault: Crash, after_s: 2}}")
    house.preset_file("trim", "{path: TestTrim.vst3, parameters: {gain_db: -6, lookahead_samples: 100}}")
    sound(house.inbox / "crash" / "a.wav", seed=1, seconds=12.0)
    sound(house.inbox / "trim" / "b.wav", seed=2)
    sound(house.inbox / "c.wav", seed=3)
    content = (house.inbox / "crash" / "a.wav").read_bytes()
    assert house.once() == 1
    assert house.states() == {"a.wav": "parked", "b.wav": "done", "c.wav": "done"}
    (parked,) = [work for work in house.works() if work.path.name == "a.wav"]
    assert parked.error == "EffectError"
    assert (house.inbox / "crash" / "a.wav").read_bytes() == content
    ((name, error),) = house.told.errors
    assert name == "a.wav"
    assert "TestFault.vst3 on vocals ended by itself (signal 11)" in error.message


def test_a_drop_tells_which_plugin_was_at_work_and_holds_its_state(house: PluginHouse) -> None:
    house.preset_file("trim", "{path: TestTrim.vst3, parameters: {gain_db: -6, mode: Swap}, wet: 0.5}")
    sound(house.inbox / "trim" / "b.wav", seed=2)
    assert house.once() == 0
    (drop,) = find_drops(house.outbox)
    (plugin,) = read(drop.folder / MANIFEST).plugins
    assert (plugin.stem, plugin.position, plugin.name, plugin.version) == ("vocals", 1, "TestTrim", "1.2.3")
    assert (plugin.parameters["gain_db"], plugin.parameters["mode"], plugin.wet) == (-6.0, "Swap", 0.5)
    assert plugin.state is not None
    assert plugin.state.path == "plugins/Vocals - 1 TestTrim.vstpreset"
    assert (drop.folder / plugin.state.path).read_bytes()[:4] == b"VST3"
    assert verify(drop.folder) == []
    assert reason_to_keep(drop) == ""
    (drop.folder / plugin.state.path).write_bytes(b"VST4")
    assert "plugins/Vocals" in verify(drop.folder)[0]
