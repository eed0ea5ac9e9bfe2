"""A live plugin through a whole job and into a session: it sounds there as if it had been printed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pedalboard
import pytest
import soundfile

from bridge.cli.audition import audition
from bridge.config import Settings
from bridge.delivery.manifest import Manifest, read
from bridge.delivery.publish import publish
from bridge.domain.drop import PROJECT, Drop
from bridge.domain.events import Event, Notice
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.plugins import PluginOptions
from bridge.pipeline.process import process
from bridge.presets.loader import parse
from bridge.separation.separator import FakeSeparator
from tests import vst3
from tests.reaper.standin.effects import Vst3
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.songs import mix_of, multitrack

RATE = 44_100
FRAMES = RATE
NAME = "VST3: TestTrim (Stem Bridge)"
PRESET = """\
version: 1
stems:
  vocals:
    chain:
      - Gain: {{gain_db: -3}}
      - plugin: {{path: TestTrim.vst3, parameters: {{gain_db: -12.5, invert: true}}, wet: 0.5, live: {live}}}
  bass:
    chain: [{{plugin: {{path: TestTrim.vst3, parameters: {{gain_db: 4.5}}, live: {live}}}}}]
    bus: LOW
buses:
  LOW: {{}}
"""


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    soundfile.write(path, mix_of(multitrack(FRAMES / RATE, RATE, 2, seed=5)).T, RATE, "FLOAT")
    return path


def done(render: Path, outbox: Path, text: str, *folders: Path) -> tuple[Drop, Manifest, list[str]]:
    events: list[Event] = []
    plugins = PluginOptions(folders=folders or (vst3.plugins(),))
    job = Job(
        "job1", render, outbox, "song", parse(text, name="p"), SeparationOptions("htdemucs_mini"), plugins=plugins
    )
    drop = publish(process(job, events.append, lambda: False, lambda _: FakeSeparator()))
    return drop, read(drop.manifest), [one.message for one in events if isinstance(one, Notice)]


def installed(state: Path) -> Vst3:
    """The test plugin as another host knows it: it reads the states itself."""

    def values_of(written: bytes) -> Mapping[str, float]:
        plugin = pedalboard.load_plugin(str(vst3.plugins() / "TestTrim.vst3"))
        plugin.preset_data = written
        plugin.process(np.zeros((2, 512), np.float32), RATE)
        return {one.name: one.raw_value for one in plugin.parameters.values()}

    def gain_of(values: Mapping[str, float]) -> float:
        return float(10 ** ((values["Gain"] * 48 - 24) / 20) * (-1 if values["Invert"] >= 0.5 else 1))

    start = {"Latency": 0.0, "Gain": 0.5, "Lookahead": 0.0, "Invert": 0.0, "Mode": 0.0}
    return Vst3(state.read_bytes()[8:40].decode("ascii"), start, values_of, gain_of)


def test_live_sounds_as_printed_and_the_files_are_what_stands_before_it(render: Path, tmp_path: Path) -> None:
    drop, manifest, _ = done(render, tmp_path / "live", PRESET.format(live="true"))
    printed, _, _ = done(render, tmp_path / "printed", PRESET.format(live="false"))
    states = [one.state.path for one in manifest.plugins if one.live and one.state is not None]
    assert states == ["plugins/Bass - 1 TestTrim.vstpreset", "plugins/Vocals - 1 TestTrim.vstpreset"]
    assert manifest.preset.printed == ("vocals",), "the bass is dry, and there once"
    kinds = [(one.stem, one.kind) for one in manifest.files if one.stem in ("vocals", "bass")]
    assert sorted(kinds) == [("bass", "stem"), ("vocals", "dry"), ("vocals", "stem")]
    sounds = []
    for one in (drop, printed):
        reaper = Reaper()
        reaper.plugins[NAME] = installed(drop.folder / states[0])
        reaper.run(one.import_script)
        assert reaper.messages == []
        sounds.append(master(reaper.project, sample_rate=RATE, frames=FRAMES))
        if one is drop:
            vocals, bass = reaper.project.track("Vocals").fx[0], reaper.project.track("Bass").fx[0]
            assert (vocals.wet, vocals.preset) == (0.5, str(drop.folder / states[1]))
            assert bass.values["Gain"] == pytest.approx((4.5 + 24) / 48, abs=1e-6)
    np.testing.assert_allclose(sounds[0], sounds[1], atol=2e-6)
    settings = Settings.model_validate({"plugins": {"folders": [str(vst3.plugins())]}})
    preset = parse(PRESET.format(live="true"), name="p")
    into = tmp_path / "auditions"
    heard, _ = soundfile.read(audition(preset, drop.folder, settings, into=into, stem="bass", seconds=1.0, start=0.0))
    printed_bass, _ = soundfile.read(printed.folder / "stems" / "song - Bass.wav", frames=len(heard))
    np.testing.assert_array_equal(heard, printed_bass, "an audition has what is live too")
    assert "TestTrim" not in (drop.folder / PROJECT).read_text(encoding="utf-8")


def test_a_preset_of_live_plugins_only_prints_nothing_and_still_needs_them(render: Path, tmp_path: Path) -> None:
    text = 'version: 1\nstems: {"*": {chain: [{plugin: {path: TestTrim.vst3, live: true, missing: skip}}]}}\n'
    drop, manifest, _ = done(render, tmp_path / "all", text)
    assert manifest.preset.printed == ()
    assert len([one for one in manifest.plugins if one.live and one.state is not None]) == 4
    assert not (drop.folder / "dry").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    drop, manifest, told = done(render, tmp_path / "none", text, empty)
    assert all(one.skipped and one.state is None for one in manifest.plugins)
    assert any("TestTrim.vst3 was left out" in sentence for sentence in told)
    reaper = Reaper()
    reaper.run(drop.import_script)
    assert reaper.messages == []
    assert all(not track.fx for track in reaper.project.tracks)
