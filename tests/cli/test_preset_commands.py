"""`presets` and presets on real drops: submixes in files, note values with --bpm, auditions, checks and new ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.audio.read import open_sound
from bridge.audio.write import SoundWriter
from bridge.config import DATA_VARIABLE, state_folder
from bridge.delivery.manifest import read
from bridge.domain.drop import MANIFEST
from bridge.presets import shelf
from bridge.resources import shipped
from tests.songs import mix_of, multitrack

Run = Callable[..., Any]
PRESET = """\
version: 1
stems:
  vocals:
    chain: [{Delay: {delay_seconds: 1/8, mix: 0.3}}]
    bus: VOX
  "*": {bus: MUSIC}
buses:
  VOX: {print: true, parent: SUM}
  MUSIC: {print: true, parent: SUM}
  SUM: {print: true}
"""


def sound_of(path: Path, work: Path) -> np.ndarray:
    with open_sound(path, work) as sound:
        return sound.read(0, sound.format.frames)


def settings_with(outbox: Path, folder: Path) -> Path:
    """Write settings whose one inbox has this outbox."""
    file = folder / "bridge.yaml"
    file.write_text(f"version: 1\ninboxes:\n  - {{path: '{folder / 'in'}', outbox: '{outbox}'}}\n", encoding="utf-8")
    return file


@pytest.fixture
def drop(run: Run, tmp_path: Path) -> Path:
    song = tmp_path / "song.wav"
    with SoundWriter(song, sample_rate=44100, channels=2, container="WAV", subtype="FLOAT") as file:
        file.write(mix_of(multitrack(2.0)))
    preset = tmp_path / "mine.yaml"
    preset.write_text(PRESET, encoding="utf-8")
    made = run(
        "process", song, "-m", "htdemucs_mini", "--threads", "1", "-p", preset, "--bpm", "120", "-o", tmp_path / "out"
    )
    assert made.code == 0, made.err
    return Path(made.out.strip())


def test_submixes_are_files_of_the_drop_and_sum_to_its_stems(run: Run, drop: Path, tmp_path: Path) -> None:
    manifest = read(drop / MANIFEST)
    files = {(file.kind, file.stem): drop / file.path for file in manifest.files}
    buses = {stem: sound_of(path, tmp_path) for (kind, stem), path in files.items() if kind == "bus"}
    assert set(buses) == {"bus:VOX", "bus:MUSIC", "bus:SUM"}
    assert {path.parent.name for (kind, _), path in files.items() if kind == "bus"} == {"buses"}
    stems = [sound_of(path, tmp_path) for (kind, _), path in files.items() if kind == "stem"]
    total = np.zeros_like(buses["bus:SUM"])
    for stem in stems:
        total[:, : stem.shape[1]] += stem
    np.testing.assert_allclose(buses["bus:SUM"], total, atol=1e-6)
    assert manifest.preset.printed == ("vocals",)
    assert all(file.levels.peak > 0 for file in manifest.files if file.kind == "bus")
    again = run("apply", "clean", drop, "-o", tmp_path / "out")
    assert again.code == 0, again.err
    fixed = run("apply", tmp_path / "mine.yaml", drop, "--bpm", "120", "--subtype", "PCM_24", "-o", tmp_path / "out")
    assert {file.kind for file in read(Path(fixed.out.strip()) / MANIFEST).files} == {"stem", "dry", "bus", "mix"}


def test_an_audition_is_the_stretch_of_the_stem_that_a_whole_job_would_print(
    run: Run, drop: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in drop.rglob("*"))
    arguments = ("presets", "audition", tmp_path / "mine.yaml", drop, "--seconds", "1", "--start", "0")
    ended = run(*arguments)
    assert ended.code == 0, ended.err
    path = Path(ended.out.strip())
    assert path.parent == state_folder() / "auditions"
    assert ended.err.splitlines()[-1].startswith("To listen to")
    outbox = sorted(drop.parent.iterdir())
    by_name = run(*arguments[:3], "song.wav", *arguments[4:], "--config", settings_with(drop.parent, tmp_path))
    assert Path(by_name.out.strip()).read_bytes() == path.read_bytes()
    assert sorted(drop.parent.iterdir()) == outbox, "no file among the drops"
    heard = sound_of(path, tmp_path)
    assert heard.shape == (2, 44100)
    printed = next(file for file in read(drop / MANIFEST).files if (file.kind, file.stem) == ("stem", "vocals"))
    np.testing.assert_allclose(heard, sound_of(drop / printed.path, tmp_path)[:, :44100], atol=1e-6)
    assert Path(run(*arguments).out.strip()) != path, "the one before is not written over"
    assert sorted(path.name for path in drop.rglob("*")) == before
    for wrong in (["--stem", "tuba"], ["--stem", "bass"], ["--start", "99"]):
        assert run("presets", "audition", tmp_path / "mine.yaml", drop, *wrong).code == 2


@pytest.mark.parametrize("bpm", ["0", "-3", "961", "nan", "fast"])
def test_a_tempo_that_is_none_is_refused(run: Run, tmp_path: Path, bpm: str) -> None:
    assert run("process", tmp_path / "x.wav", "--bpm", bpm).code == 2


def test_check_runs_every_chain_and_says_what_breaks(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nstems:\n  vocals: {chain: [{Ducker: {under: vocals}}]}\n", encoding="utf-8")
    ended = run("presets", "check", broken, "vocal-echo", "electronic")
    assert ended.code == 2
    assert "circle" in ended.err
    assert [line.split(":")[0] for line in ended.out.splitlines()] == ["vocal-echo", "electronic"]


def test_a_new_preset_brings_the_schema_its_first_line_names(run: Run, tmp_path: Path) -> None:
    made = Path(run("presets", "new", tmp_path / "mine").out.strip())
    first = made.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=stem-bridge-preset.json"
    schema = json.loads((tmp_path / "stem-bridge-preset.json").read_text(encoding="utf-8"))
    assert schema["title"] == "Stem Bridge preset"
    assert run("presets", "check", made).code == 0


def test_a_bare_name_is_written_where_it_is_found_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "default_file", lambda: tmp_path / "config" / "bridge.yaml")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert run("presets", "new", "mine").code == 0
    assert run("presets", "check", "mine").code == 0
    listed = run("presets", "list", "--tag", "vocals").out
    assert "mine" in listed
    assert "karaoke" in listed
    assert "clean" not in listed


def test_of_several_presets_of_one_name_the_nearest_is_used_and_the_others_are_shown(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "default_file", lambda: tmp_path / "config" / "bridge.yaml")
    project = tmp_path / "song" / "stem-bridge-presets"
    for folder, said in ((project, "Of the project"), (tmp_path / "config" / "presets", "Mine")):
        folder.mkdir(parents=True)
        (folder / "vocal-echo.yaml").write_text(
            f"version: 1\nextends: vocal-echo\ndescription: {said}.\n", encoding="utf-8"
        )
    monkeypatch.chdir(tmp_path / "song")
    (row,) = [json.loads(line) for line in run("presets", "list", "--json").out.splitlines() if "vocal-echo" in line]
    assert row["description"] == "Of the project."
    hidden = [tmp_path / "config" / "presets" / "vocal-echo.yaml", shipped("presets") / "vocal-echo.yaml"]
    assert row["hides"] == [str(path) for path in hidden]
    line = next(line for line in run("presets", "list").out.splitlines() if line.startswith("vocal-echo"))
    assert line.split()[1] == "project"
    shown = run("presets", "show", "vocal-echo")
    assert shown.err.strip() == str(project / "vocal-echo.yaml")
    assert run("presets", "check", "vocal-echo").code == 0, "each extends the next one below it"


def test_a_mistyped_tag_or_base_is_answered_with_the_nearest(run: Run, tmp_path: Path) -> None:
    ended = run("presets", "list", "--tag", "vocal")
    assert (ended.code, ended.out) == (2, "")
    assert "'vocals'" in ended.err
    (tmp_path / "mine.yaml").write_text("version: 1\nextends: vocal-aer\n", encoding="utf-8")
    assert "'vocal-air'" in run("presets", "check", tmp_path / "mine.yaml").err
