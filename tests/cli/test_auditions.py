"""An audition is, sample by sample, what a whole job prints: stems, buses, instruments, tempo, targets and tails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

from bridge.audio.chunks import Broadcast, Chunks
from bridge.audio.write import SoundWriter
from bridge.delivery.manifest import read
from bridge.delivery.publish import publish
from bridge.domain.drop import MANIFEST
from bridge.domain.job import Job, SeparationOptions
from bridge.pipeline.process import process
from bridge.presets.loader import parse
from bridge.separation.separator import FakeSeparator
from tests import vst3
from tests.songs import mix_of, multitrack

RATE = 44_100
SECONDS = 5.0
Run = Callable[..., Any]

PRESET = """\
version: 1
stems:
  vocals:
    reference_lufs: -20
    target_lufs: -16
    chain:
      - Compressor: {threshold_db: -26, ratio: 4, release_ms: 1/8}
      - Delay: {delay_seconds: 1/8d, feedback: 0.6, mix: 0.4}
      - Chorus: {rate_hz: 0.3, depth: 0.4}
      - Fade: {in_seconds: 2, out_seconds: 3}
    bus: VOX
  drums: {bus: BAND}
  bass: {chain: [{GSMFullRateCompressor: {}}], gain_db: -6, bus: BASS}
  "*":
    reference_lufs: -20
    chain:
      - Ducker: {under: vocals, threshold_db: -34, depth_db: 9, release_ms: 1/4}
    tail: 0.5
    gain_db: -3
    pan: 0.2
    bus: BAND
buses:
  VOX: {print: true, parent: SUM}
  BASS: {print: true}
  BAND: {print: true, parent: SUM, reference_lufs: -18, chain: [{Compressor: {threshold_db: -24, ratio: 3}}]}
  ROOM: {print: true, chain: [{Reverb: {wet_level: 0.4, dry_level: 0}}]}
  SUM: {print: true, chain: [{BrickwallLimiter: {ceiling_db: -6}}]}
sends:
  - {from: VOX, to: ROOM, level_db: -6}
"""
KEYS = """\
instruments:
  Keys:
    plugin: {path: TestSynth.vst3, parameters: {level: 1.0}}
    chain: [{Delay: {delay_seconds: 1/16, mix: 0.5}}]
    tail: 0.5
    bus: BAND
"""


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drop with dry stems, of a render five seconds into a project whose .mid has two tempi and a note."""
    folder = tmp_path_factory.mktemp("songs")
    render = folder / "song.wav"
    chunks = Chunks(Broadcast(time_reference_frames=5 * RATE))
    with SoundWriter(render, sample_rate=RATE, channels=2, subtype="FLOAT", container="WAV", chunks=chunks) as sound:
        sound.write(mix_of(multitrack(SECONDS, RATE, 2, seed=2)))
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(110), time=0)]))
    file.tracks[0].append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(83), time=480 * 14))
    notes = [mido.Message("note_on", note=64, velocity=127, time=480 * 12)]
    notes.append(mido.Message("note_off", note=64, velocity=0, time=240))
    file.tracks.append(mido.MidiTrack(notes))
    file.save(render.with_suffix(".mid"))
    clean = parse("version: 1\nstems: {}\n", name="clean")
    job = Job("job1", render, folder / "out", "song", clean, SeparationOptions("htdemucs_mini"))
    return publish(process(job, lambda _: None, lambda: False, lambda _: FakeSeparator())).folder


def heard(run: Run, *arguments: object) -> np.ndarray:
    ended = run("presets", "audition", *arguments)
    assert ended.code == 0, ended.err
    return soundfile.read(ended.out.strip(), dtype="float32", always_2d=True)[0].T  # type: ignore[no-any-return]


def applied(run: Run, *arguments: object) -> Path:
    ended = run("apply", *arguments)
    assert ended.code == 0, ended.err
    return Path(ended.out.strip())


def preset_of(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_is_the_stretch_that_a_job_prints_bit_for_bit_on_every_stem_and_bus(
    run: Run, dry: Path, tmp_path: Path
) -> None:
    preset = preset_of(tmp_path, PRESET)
    printed = applied(run, preset, dry, "-o", tmp_path)
    for file in read(printed / MANIFEST).files:
        if file.kind not in ("stem", "bus") or file.stem == "drums":
            continue
        whole = soundfile.read(printed / file.path, dtype="float32", always_2d=True)[0].T
        for at, seconds in ((0.0, 0.5), (2.5, 1.0)):
            name = file.stem.removeprefix("bus:")
            cut = heard(run, preset, dry, "--stem", name, "--at", at, "--seconds", seconds)
            first = round(at * RATE)
            np.testing.assert_array_equal(cut, whole[:, first : first + round(seconds * RATE)], str(file.stem))


def test_what_rings_on_after_the_end_is_heard_as_it_is_printed(run: Run, dry: Path, tmp_path: Path) -> None:
    text = "version: 1\nstems: {vocals: {chain: [{Delay: {delay_seconds: 1/4, feedback: 0.5}}]}}\n"
    preset = preset_of(tmp_path, text)
    printed = applied(run, preset, dry, "-o", tmp_path)
    whole = soundfile.read(printed / "stems" / "song - Vocals.wav", dtype="float32", always_2d=True)[0].T
    assert whole.shape[1] > SECONDS * RATE
    np.testing.assert_array_equal(heard(run, preset, dry, "--at", "4", "--seconds", "60"), whole[:, 4 * RATE :])


def test_an_instrument_is_heard_with_its_notes_and_alone_or_in_its_bus(run: Run, dry: Path, tmp_path: Path) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text(f"version: 1\nplugins: {{folders: ['{vst3.plugins()}']}}\n", encoding="utf-8")
    preset = preset_of(tmp_path, PRESET.replace("reference_lufs: -18, ", "") + KEYS)
    printed = applied(run, preset, dry, "-o", tmp_path, "--config", config)
    for name, path in (("keys", "instruments/song - Keys.wav"), ("BAND", "buses/song - BAND (bus).wav")):
        whole = soundfile.read(printed / path, dtype="float32", always_2d=True)[0].T
        cut = heard(run, preset, dry, "--stem", name, "--at", "1", "--seconds", "2", "--config", config)
        assert np.abs(cut).max() > 0.01
        np.testing.assert_array_equal(cut, whole[:, RATE : 3 * RATE])


def test_a_tempo_that_is_said_now_wins_and_a_preset_beside_the_render_is_found(run: Run, dry: Path) -> None:
    text = "version: 1\nstems: {vocals: {chain: [{Delay: {delay_seconds: 1/4, mix: 1}}]}}\n"
    folder = Path(read(dry / MANIFEST).render.path).parent / "stem-bridge-presets"
    folder.mkdir()
    (folder / "beside.yaml").write_text(text, encoding="utf-8")
    stem = soundfile.read(dry / "stems" / "song - Vocals.wav", dtype="float32", always_2d=True)[0].T
    late = heard(run, "beside", dry, "--bpm", "120", "--at", "2", "--seconds", "1")
    np.testing.assert_allclose(late, stem[:, 2 * RATE - RATE // 2 : 3 * RATE - RATE // 2], atol=1e-6)
    applied(run, "beside", dry, "-o", dry.parent)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--stem", "tuba"], "There is: drums, bass, other, vocals, VOX, BASS, BAND, ROOM, SUM"),
        (["--stem", "drums"], "It prints: bass, other, vocals, BASS, VOX, BAND, ROOM, SUM"),
        (["--at", "6.5"], "ends after 5.0 s"),
        (["--at", "nan"], ""),
        (["--seconds", "nan"], ""),
        (["--at", "-1"], ""),
        (["--bpm", "0"], ""),
    ],
)
def test_what_cannot_be_heard_is_told(run: Run, dry: Path, tmp_path: Path, wrong: list[str], told: str) -> None:
    before = sorted(dry.parent.iterdir())
    ended = run("presets", "audition", preset_of(tmp_path, PRESET), dry, *wrong)
    assert ended.code == 2
    assert told in " ".join(ended.err.split())
    assert sorted(dry.parent.iterdir()) == before
