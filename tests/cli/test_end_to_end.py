"""The commands on real sound, with the bundled model: what they leave behind, and what they do not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.audio.write import SoundWriter
from bridge.cli.jobs import BESIDE_THE_RENDER
from bridge.delivery.manifest import read
from bridge.domain.drop import MANIFEST
from tests.songs import mix_of, multitrack

Run = Callable[..., Any]
MINI = ("-m", "htdemucs_mini", "--threads", "1")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A render of two seconds, with a name that shells and scripts stumble over."""
    path = tmp_path / "It's [1] ünï.wav"
    write_song(path, seconds=2.0)
    return path


def write_song(path: Path, seconds: float) -> None:
    mix = mix_of(multitrack(seconds))
    with SoundWriter(path, sample_rate=44100, channels=2, container="WAV", subtype="FLOAT") as file:
        file.write(mix)


def test_a_bad_file_is_told_and_the_others_are_done(run: Run, song: Path, tmp_path: Path) -> None:
    (tmp_path / "a text.wav").write_text("no sound", encoding="utf-8")
    before = song.read_bytes()
    ended = run("process", tmp_path, tmp_path / "missing.wav", *MINI, "--two-stems", "vocals", "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    last = [(event["event"], Path(event["render"]).name) for event in events if event["event"] in ("done", "failed")]
    assert sorted(last) == [("done", song.name), ("failed", "a text.wav"), ("failed", "missing.wav")]
    assert ended.code == 1
    (drop,) = (Path(event["drop"]) for event in events if event["event"] == "done")
    assert drop == tmp_path / BESIDE_THE_RENDER / song.stem
    assert [entry.name for entry in drop.parent.iterdir()] == [drop.name], "nothing else is left in the outbox"
    assert {file.stem for file in read(drop / MANIFEST).files} == {"vocals", "instrumental", "mix"}
    assert song.read_bytes() == before


def test_a_preset_is_put_on_a_drop_or_on_the_render_it_came_from(
    run: Run, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told to REAPER"
    tell = [sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write('|'.join(sys.argv[2:]))", str(told)]
    monkeypatch.setenv("STEM_BRIDGE_TELL_REAPER", json.dumps(tell))
    made = run("process", song, *MINI, "-o", tmp_path / "out", "--import")
    assert told.read_text() == f"-nonewinst|{Path(made.out.strip()) / 'import.lua'}"
    assert "trial" not in made.err, "it was chosen"
    drop = Path(made.out.strip())
    newer_with_fewer_stems = run("process", song, *MINI, "--two-stems", "vocals", "-o", tmp_path / "out")
    assert newer_with_fewer_stems.code == 0
    for source in (drop, song):
        ended = run("apply", "vocal-air", source, "-o", tmp_path / "out")
        assert ended.code == 0, ended.err
        assert "copy" in ended.err
        assert "separate" not in ended.err
        assert ended.err.count("htdemucs_mini is a trial model") == 1, "the settings chose another"
        old, new = read(drop / MANIFEST), read(Path(ended.out.strip()) / MANIFEST)
        assert new.preset.printed == ("vocals",)
        dry = {file.stem: file.sha256 for file in old.files if file.kind == "stem"}
        same = {
            file.stem: file.sha256 for file in new.files if file.kind == ("dry" if file.stem == "vocals" else "stem")
        }
        assert dry == same, "not one bit of the dry stems changed"
        assert new.model.name == "htdemucs_mini"


_INTERRUPTED_WHILE_IT_LOADS = """
import signal, sys
from bridge.__main__ import main

class Impatient:
    def find_spec(self, name, *_):
        if name == "bridge.cli.main":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Impatient())
main()
"""


def test_ctrl_c_while_the_program_loads_ends_with_130_and_says_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHILE_IT_LOADS, "--version"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.skipif(os.name == "nt", reason="a test cannot press Ctrl-C for one process on Windows")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_and_being_ended_end_with_130_and_leave_nothing(tmp_path: Path, name: str) -> None:
    render = tmp_path / "long.wav"
    write_song(render, seconds=30.0)
    command = [sys.executable, "-m", "bridge", "process", str(render), *MINI, "--overlap", "0.9", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "separate":
            break
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    outbox = tmp_path / BESIDE_THE_RENDER
    assert not outbox.exists() or list(outbox.iterdir()) == []
