"""The .mid beside a render, on its way through a whole job: manifest, import.lua, session.rpp and tempo.mid."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.audio.chunks import Broadcast, Chunks
from bridge.audio.write import SoundWriter
from bridge.delivery.manifest import Manifest, read
from bridge.delivery.publish import publish
from bridge.domain.drop import ARDOUR_SESSION, PROJECT, TEMPO_MIDI, Drop
from bridge.domain.events import Event, Notice
from bridge.domain.job import Job, SeparationOptions, drop_key
from bridge.domain.render import AudioFormat, FileIdentity, Levels, Marker, Render, Source
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.midi.tempo import read_midi, write_midi
from bridge.pipeline.process import process
from bridge.presets.loader import parse
from bridge.separation.separator import FakeSeparator
from tests.songs import mix_of, multitrack

RATE = 44_100
DRY = parse("version: 1\nname: dry\ndescription: Nothing done.\n", name="dry")
SONG = TempoMap((TempoChange(0, 100), TempoChange(12, 93.7, 7, 8)), "midi")


@pytest.fixture
def render(tmp_path: Path) -> Path:
    """A render that starts ten seconds into its project, with one cue marker."""
    path = tmp_path / "song.wav"
    chunks = Chunks(Broadcast(time_reference_frames=10 * RATE), (Marker(RATE // 2, "Verse"),))
    with SoundWriter(path, sample_rate=RATE, channels=2, subtype="PCM_24", container="WAV", chunks=chunks) as sound:
        sound.write(mix_of(multitrack(3.0, RATE, 2, seed=2)))
    return path


def done(render: Path, **changes: object) -> tuple[Drop, Manifest, list[Event]]:
    job = Job("job1", render, render.parent / "outbox", "song", DRY, SeparationOptions("htdemucs_mini"))
    events: list[Event] = []
    drop = publish(process(replace(job, **changes), events.append, lambda: False, lambda _: FakeSeparator()))
    return drop, read(drop.manifest), events


def test_its_map_and_markers_reach_everything_a_daw_reads(render: Path) -> None:
    exported = [Marker(RATE, "Before"), Marker(21 * RATE // 2 + 7, "Verse"), Marker(11 * RATE, "Chorus")]
    render.with_suffix(".mid").write_bytes(write_midi(SONG, exported, RATE, 60 * RATE))
    drop, manifest, _ = done(render)
    assert manifest.tempo is not None
    tempo = manifest.tempo.value()
    assert tempo.source == "midi"
    assert [(round(one.seconds, 3), one.bpm, one.numerator) for one in tempo.changes] == [(-10, 100, 4), (2, 93.7, 7)]
    assert [one.name for one in manifest.markers] == ["Verse", "Chorus"], "the cue marker and that of the .mid are one"
    assert manifest.markers[0].position_frames == RATE // 2, "the sample of the cue chunk, not the tick"
    back = read_midi((drop.folder / TEMPO_MIDI).read_bytes(), TEMPO_MIDI)
    assert [(round(one.seconds, 3), one.bpm) for one in back.changes] == [(0, 100), (2, 93.7)]
    points = [
        line.split() for line in (drop.folder / PROJECT).read_text(encoding="utf-8").splitlines() if " PT " in line
    ]
    assert [(round(float(one[1]), 3), float(one[2])) for one in points] == [(0, 100), (12, 93.7)]
    assert "bpm = 93.7" in drop.import_script.read_text(encoding="utf-8")


def test_the_map_of_a_sidecar_wins_and_its_words_are_kept(render: Path) -> None:
    render.with_suffix(".mid").write_bytes(write_midi(SONG, [], RATE, 60 * RATE))
    said = TempoMap((TempoChange(-4, 77),), "sidecar")
    source = Source("bus", "p", ("{0A1B2C3D-0000-4000-8000-00000000ABCD}",))
    _, manifest, _ = done(render, tempo=said, source=source, tags=(("artist", "Nobody"),))
    assert manifest.tempo is not None
    assert manifest.source is not None
    assert (manifest.tempo.value(), manifest.source.value(), manifest.tags) == (said, source, {"artist": "Nobody"})


def test_a_broken_one_is_told_and_the_render_is_done_all_the_same(render: Path) -> None:
    render.with_suffix(".mid").write_bytes(b"MThd but no more")
    drop, manifest, events = done(render)
    assert manifest.tempo is None
    assert not (drop.folder / TEMPO_MIDI).exists()
    assert any(isinstance(one, Notice) and "song.mid was not used" in one.message for one in events)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on Windows")
def test_one_that_is_no_plain_file_is_neither_followed_nor_waited_for(render: Path) -> None:
    os.mkfifo(render.with_suffix(".mid"))
    assert any(isinstance(one, Notice) and "no plain file" in one.message for one in done(render)[2])


def test_tempo_source_and_tags_make_another_drop(tmp_path: Path) -> None:
    form = AudioFormat(RATE, 2, 9, "FLOAT", "WAV")
    plain = Render(tmp_path, FileIdentity(0, 0, 0, 0), "", "key", form, Levels(0, 0, 0))
    job = Job("j", tmp_path, tmp_path, "song", DRY)
    keys = [
        drop_key(job, plain, ()),
        drop_key(job, replace(plain, tempo=SONG), ()),
        drop_key(job, replace(plain, source=Source("time")), ()),
        drop_key(replace(job, tags=(("a", "b"),)), plain, ()),
        drop_key(replace(job, output=replace(job.output, session=("reaper", "ardour"))), plain, ()),
    ]
    assert len(set(keys)) == len(keys)


def test_the_projects_that_are_asked_for_are_made_and_no_others(render: Path) -> None:
    drop, _, _ = done(render, output=replace(DRY.output, session=("ardour",)))
    assert (drop.folder / ARDOUR_SESSION).is_file()
    assert not (drop.folder / PROJECT).exists()
