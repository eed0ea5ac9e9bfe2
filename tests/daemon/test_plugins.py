"""A plugin that misbehaves costs the render it was used on; the others are done, and the daemon lives."""

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
        plugins = settings.plugins.model_copy(
            update={
                "folders": (self.folder / "plugins", vst3.plugins()),
                "seconds_to_load": 5.0,
                "seconds_without_progress": 2.0,
            }
        )
        return settings.model_copy(update={"plugins": plugins})

    def faulty(self, name: str) -> None:
        """Install the test plugins once more, as other versions: their crashes are counted apart."""
        folder = vst3.install(self.folder / "plugins" / name, "TestFault", "CrashOnLoad", "ExitOnLoad", "HangOnLoad")
        for program in folder.rglob("*.so"):
            with program.open("ab") as file:
                file.write(name.encode())

    def preset_file(self, name: str, step: str) -> None:
        # The vocals of the fake separator are 53 dB down.
        steps = ["Gain: {gain_db: 22}", "Gain: {gain_db: 22}", f"plugin: {step}"]
        chain = "".join(f"      - {one}\n" for one in steps)
        text = f"version: 1\nstems:\n  vocals:\n    tail: 0\n    chain:\n{chain}"
        (self.presets / f"{name}.yaml").write_text(text, encoding="utf-8")
        (self.inbox / name).mkdir()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginHouse:
    monkeypatch.setenv("STEM_BRIDGE_DATA", str(tmp_path / "data"))
    return PluginHouse(tmp_path / "house")


FAULTS = {
    "crash": (
        "{path: NAME/TestFault.vst3, parameters: {fault: Crash, after_s: 2}}",
        "on vocals ended by itself (signal 11)",
    ),
    "exit": (
        "{path: NAME/TestFault.vst3, parameters: {fault: Exit, after_s: 2}}",
        "on vocals ended by itself (exit code 0)",
    ),
    "hang": ("{path: NAME/TestFault.vst3, parameters: {fault: Hang, after_s: 2}}", "on vocals gave no answer for 2 s"),
    "nan": ("{path: NAME/TestFault.vst3, parameters: {fault: NaN, after_s: 2}}", "NaN or infinity"),
    "loud": ("{path: NAME/TestFault.vst3, parameters: {fault: Loud, after_s: 2}}", "a thousand times louder"),
    "forged": ("{path: NAME/TestFault.vst3, parameters: {fault: Garbage, after_s: 2}}", "answer"),
    "silent": ("{path: NAME/TestFault.vst3, parameters: {fault: Silence}}", "gives only silence"),
    "crash at load": ("{path: NAME/CrashOnLoad.vst3}", "ended by itself (signal 11)"),
    "exit at load": ("{path: NAME/ExitOnLoad.vst3}", "ended by itself (exit code 0)"),
    "hang at load": ("{path: NAME/HangOnLoad.vst3}", "gave no answer for 5 s"),
}
"""Step of a chain, and what its render is parked for."""
DOUBTS = {
    "slow to load": ("{path: LateToLoad.vst3}", ""),
    "falls silent": (
        "{path: NAME/TestFault.vst3, parameters: {fault: Silence, after_s: 5}}",
        "only silence for 4.9 s while sound went in, first near 0:05",
    ),
    "denormals": (
        "{path: NAME/TestFault.vst3, parameters: {fault: Denormals, after_s: 5}}",
        "only silence for 4.9 s while sound went in, first near 0:05",
    ),
    "gain": ("{path: TestTrim.vst3, parameters: {gain_db: -6, lookahead_samples: 100}}", ""),
}
"""Step of a chain, and what the drop tells of it."""


def test_whatever_a_plugin_does_its_render_is_parked_or_done_and_the_daemon_goes_on(house: PluginHouse) -> None:
    house.stems = ["vocals"]  # type: ignore[assignment]
    contents = {}
    for name, (step, _) in {**FAULTS, **DOUBTS}.items():
        house.faulty(name)
        house.preset_file(name, step.replace("NAME", name))
        render = sound(house.inbox / name / f"{name}.wav", seconds=10.0)
        contents[render] = render.read_bytes()
    assert house.once() == 1
    assert house.states() == {f"{name}.wav": "parked" if name in FAULTS else "done" for name in (*FAULTS, *DOUBTS)}
    assert {work.error for work in house.works() if work.state == "parked"} == {"EffectError"}
    said = {name.removesuffix(".wav"): error.message for name, error in house.told.errors}
    for name, (_, reason) in FAULTS.items():
        assert reason in said[name]
        assert ".vst3 on vocals" in said[name]
    manifests = [drop.manifest for drop in find_drops(house.outbox)]
    notices = {Path(one.render.path).name: " ".join(one.notices) for one in manifests}
    for name, (_, doubt) in DOUBTS.items():
        told = notices[f"{name}.wav"]
        assert doubt in told
        assert ("TestFault.vst3 on vocals" in told) is bool(doubt)
    assert {render: render.read_bytes() for render in contents} == contents


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
