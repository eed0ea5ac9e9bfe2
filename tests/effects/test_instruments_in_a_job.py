"""An instrument through a whole job: its own file and track, in its place, and no part of the sum."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from bridge.audio.chunks import Broadcast, Chunks
from bridge.audio.write import SoundWriter
from bridge.cli.apply import _job as applied
from bridge.cli.jobs import Planner
from bridge.config import Settings
from bridge.delivery.manifest import Manifest, read
from bridge.delivery.publish import publish
from bridge.domain.drop import PROJECT, TEMPO_MIDI, Drop
from bridge.domain.events import Event
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.plugins import PluginOptions
from bridge.domain.preset import OutputOptions
from bridge.domain.render import Marker, Origin, Source
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.pipeline.process import process
from bridge.presets.loader import parse
from bridge.separation.separator import FakeSeparator
from tests import vst3
from tests.songs import mix_of, multitrack

RATE = 44_100
PRESET = """\
version: 1
buses: {KEYS: {}}
stems: {vocals: {chain: [{Delay: {delay_seconds: 1/8, mix: 0.5}}], tail: 1}}
instruments:
  Keys:
    plugin: {path: TestSynth.vst3, parameters: {level: 1.0}}
    tracks: [Piano]
    tail: 0.5
    gain_db: -3
    bus: KEYS
"""


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A render that starts ten seconds into its project, and a .mid of two tracks from the project's start."""
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    chunks = Chunks(Broadcast(time_reference_frames=10 * RATE))
    with SoundWriter(path, sample_rate=RATE, channels=2, subtype="PCM_24", container="WAV", chunks=chunks) as sound:
        sound.write(mix_of(multitrack(2.0, RATE, 2, seed=2)))
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    tempo = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(120), time=0)])
    tempo.append(
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(60), time=960 * 5)
    )  # second 5: 600 ticks are 1.25 s
    piano = mido.MidiTrack([mido.MetaMessage("track_name", name="Piano", time=0)])
    piano.append(mido.Message("note_on", note=64, velocity=127, time=960 * 5 + 480 * 5 + 240))  # second 10.5
    piano.append(mido.Message("note_off", note=64, velocity=0, time=240))  # second 11
    drums = mido.MidiTrack([mido.Message("note_on", note=36, velocity=90, time=0)])
    file.tracks.extend([tempo, piano, drums])
    file.save(path.with_suffix(".mid"))
    return path


def done(job: Job) -> tuple[Drop, Manifest]:
    events: list[Event] = []
    drop = publish(process(job, events.append, lambda: False, lambda _: FakeSeparator()))
    return drop, read(drop.manifest)


def job_of(render: Path, outbox: Path, **changes: object) -> Job:
    plugins = PluginOptions(folders=(vst3.plugins(),))
    job = Job("job1", render, outbox, "song", parse(PRESET, name="keys"), SeparationOptions("htdemucs_mini"))
    return replace(job, plugins=plugins, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24"])
def test_it_is_a_file_and_a_track_in_its_place_and_no_part_of_the_sum(
    render: Path, tmp_path: Path, subtype: str
) -> None:
    drop, manifest = done(job_of(render, tmp_path, output=OutputOptions(subtype=subtype)))  # type: ignore[arg-type]
    (file,) = [one for one in manifest.files if one.kind == "instrument"]
    assert (file.path, file.is_in_mix) == ("instruments/song - Keys.wav", False)
    assert all(one.is_in_mix for one in manifest.files if one is not file)
    sound, rate = soundfile.read(drop.folder / file.path, always_2d=True)
    assert (rate, sound.shape) == (RATE, (3 * RATE, 2)), "as long as all that is printed"
    gain = 10 ** (manifest.output.common_gain_db / 20)
    expected = np.zeros((3 * RATE, 2))
    expected[RATE // 2 : RATE] = 0.5 * gain
    np.testing.assert_allclose(sound, expected, atol=1e-6)
    assert manifest.null_depth_db is not None
    project = (drop.folder / PROJECT).read_text(encoding="utf-8")
    assert "instruments/song - Keys.wav" in project
    assert "KEYS" in project
    assert [one.stem for one in manifest.plugins] == ["instrument:Keys"]
    assert manifest.preset.printed == ("vocals",)


def test_other_notes_are_another_drop_and_without_instruments_they_are_not(render: Path, tmp_path: Path) -> None:
    keys = []
    for text in (PRESET, PRESET.partition("instruments")[0]):
        for extra in (b"", b"\0"):
            copy = tmp_path / f"{len(keys)}" / "song.wav"
            copy.parent.mkdir()
            copy.write_bytes(render.read_bytes())
            copy.with_suffix(".mid").write_bytes(render.with_suffix(".mid").read_bytes() + extra)
            keys.append(done(job_of(copy, copy.parent, preset=parse(text, name="keys")))[1].drop_id)
    assert keys[0] != keys[1]
    assert keys[2] == keys[3]


def test_apply_on_a_drop_knows_all_that_was_known_of_the_render(render: Path, tmp_path: Path) -> None:
    known = {
        "origin": Origin(10.0, "sidecar"),
        "markers": (Marker(100, "Verse"), Marker(200, "Chorus", 50)),
        "tempo": TempoMap((TempoChange(-10.0, 120.0), TempoChange(-5.0, 60.0, 3, 4)), "sidecar"),
        "source": Source("bus", "p", ("{0A1B2C3D-0000-4000-8000-00000000ABCD}",)),
        "tags": (("artist", "Nobody"),),
    }
    drop, first = done(job_of(render, tmp_path / "out", **known))
    planned = applied(Planner(Settings(), "clean"), drop.folder)
    again, second = done(replace(planned, preset=parse(PRESET, name="keys"), plugins=job_of(render, tmp_path).plugins))
    assert again.folder != drop.folder
    for what in ("origin", "tempo", "source", "tags"):
        assert getattr(second, what) == getattr(first, what), what
    assert set(first.markers) == set(second.markers)
    path = "instruments/song - Keys.wav"
    sounds = [soundfile.read(one.folder / path)[0] for one in (drop, again)]
    np.testing.assert_array_equal(sounds[0], sounds[1], "the notes came along, and lie where they lay")
    (again.folder / TEMPO_MIDI).stat()


def test_a_tempo_that_was_heard_is_in_the_manifest_and_in_no_session(render: Path, tmp_path: Path) -> None:
    silent = tmp_path / "click.wav"
    clicks = np.zeros((2, 6 * RATE), np.float32)
    for beat in range(12):
        clicks[:, beat * RATE // 2 : beat * RATE // 2 + 400] = np.linspace(0.9, 0.0, 400, dtype=np.float32)
    with SoundWriter(silent, sample_rate=RATE, channels=2, subtype="FLOAT", container="WAV") as sound:
        sound.write(clicks)
    text = PRESET.partition("instruments")[0]
    drop, manifest = done(job_of(silent, tmp_path / "out", preset=parse(text, name="keys")))
    assert manifest.tempo is not None
    tempo = manifest.tempo.value()
    assert (tempo.source, round(tempo.changes[0].bpm)) == ("estimated", 120)
    assert not (drop.folder / TEMPO_MIDI).exists()
    assert " PT " not in (drop.folder / PROJECT).read_text(encoding="utf-8"), "no point of a tempo envelope"
    planned = applied(Planner(Settings(), "clean"), drop.folder)
    again, second = done(replace(planned, preset=parse(text, name="keys")))
    assert second.tempo == manifest.tempo
    assert not (again.folder / TEMPO_MIDI).exists()
