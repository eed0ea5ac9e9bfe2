"""`stem-bridge reaper`: from the command to actions in REAPER, and back."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bridge.cli.jobs import bring_in
from bridge.cli.progress import Feedback
from bridge.config import state_folder
from bridge.domain.drop import Drop
from tests.cli.conftest import Run
from tests.reaper.standin.machine import Reaper


def test_from_the_command_to_actions_in_reaper_and_back(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "R"
    folder.mkdir()
    (folder / "reaper.ini").write_text("[REAPER]\n")
    settings = tmp_path / "bridge.yaml"
    inbox, outbox = tmp_path / "in ü", tmp_path / "out"
    settings.write_text(f"version: 1\ninboxes:\n  - {{path: '{inbox}', outbox: '{outbox}'}}\n", encoding="utf-8")
    done = run("reaper", "install", "--resource-path", str(folder), "--config", str(settings))
    assert done.code == 0, done.err
    adder = Path(done.out.strip())
    daw = Reaper()
    daw.run(adder)
    names = [Path(path).name for _, path in daw.actions]
    assert "stembridge_Send to bridge.lua" in names
    assert adder.name not in names
    assert all(re.fullmatch(r"stembridge_[A-Z][\w -]+\.lua", name) for name in names)
    assert f"{len(names)} actions" in daw.messages[0]
    config = (adder.parent / "stembridge_config.lua").read_text()
    daw.run_text(
        f"""
        local bridge = assert(loadfile([[{adder.parent / "lib" / "stembridge_bridge.lua"}]]))({{}})
        local config = bridge.config([[{adder.parent}/]])
        assert(config.inboxes[1].path == [[{inbox}]] and config.state == [[{state_folder()}]])
        assert(config.command:find("watch", 1, true))
        """
    )
    assert config.startswith("return {")
    assert run("reaper", "path", "--resource-path", str(folder)).out.strip() == str(adder.parent)
    assert run("reaper", "uninstall", "--resource-path", str(folder)).code == 0
    assert not adder.exists()


def test_without_a_reaper_nothing_is_begun_and_where_to_name_it_is_told(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path))
    (tmp_path / "song.wav").write_bytes(b"never read")
    done = run("process", tmp_path / "song.wav", "--import")
    assert done.code == 2
    assert "tell: {reaper: [/path/to/reaper]}" in done.err


def test_a_reaper_that_cannot_be_started_is_told_with_the_script_to_run(tmp_path: Path) -> None:
    said: list[str] = []

    class Heard(Feedback):
        def say(self, text: str) -> None:
            said.append(text)

    drop = Drop(tmp_path, tmp_path / "import.lua", tmp_path / "drop.json")
    bring_in([drop], ("no such program",), Heard())
    assert len(said) == 1
    assert str(drop.import_script) in said[0]


def test_an_open_reaper_is_given_one_drop_after_the_other(tmp_path: Path) -> None:
    told = tmp_path / "told"
    tells = "import sys, pathlib; pathlib.Path(sys.argv[1]).open('a').write('|'.join(sys.argv[2:]) + '\\n')"
    drops = [Drop(tmp_path / name, tmp_path / name / "import.lua", tmp_path / "drop.json") for name in ("a; b", "c")]
    bring_in(drops, (sys.executable, "-c", tells, str(told)), Feedback())
    assert told.read_text().splitlines() == [f"-nonewinst|{drop.import_script}" for drop in drops]
