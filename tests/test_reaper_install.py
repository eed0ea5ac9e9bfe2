"""The scripts get into REAPER's folder and out again: exactly they, and nothing that somebody changed is lost."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

import pytest

from bridge import reaper
from bridge.config import Tell
from bridge.daemon.tell import Messenger
from bridge.errors import ConfigError
from bridge.resources import shipped

SCRIPTS = shipped("reaper_scripts") / "Stem Bridge"


def resource(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "reaper.ini").write_text("[REAPER]\n")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("system", "environment", "place"),
    [
        ("Linux", {}, "home/.config/REAPER"),
        ("Linux", {"XDG_CONFIG_HOME": "{tmp}/xdg"}, "xdg/REAPER"),
        ("Linux", {}, "home/opt/REAPER"),
        ("Darwin", {}, "home/Library/Application Support/REAPER"),
        ("Windows", {"APPDATA": "{tmp}/Roaming"}, "Roaming/REAPER"),
        ("Windows", {}, "home/AppData/Roaming/REAPER"),
    ],
)
def test_the_resource_folder_is_found_on_every_system(
    tmp_path: Path, system: str, environment: dict[str, str], place: str
) -> None:
    made = resource(tmp_path / place)
    environment = {name: value.format(tmp=tmp_path) for name, value in environment.items()}
    assert reaper.find(system, environment, tmp_path / "home") == made


def test_a_portable_folder_is_taken_by_name_and_a_wrong_one_refused(tmp_path: Path) -> None:
    made = resource(tmp_path / "portable")
    assert reaper.find("Linux", {}, tmp_path, made) == made
    with pytest.raises(ConfigError, match=r"no reaper\.ini"):
        reaper.find("Linux", {}, tmp_path, tmp_path)
    with pytest.raises(ConfigError, match="was not found"):
        reaper.find("Darwin", {}, tmp_path)


def test_uninstall_leaves_the_folder_as_it_was_before(tmp_path: Path) -> None:
    folder = resource(tmp_path / "R")
    (folder / "Scripts").mkdir()
    (folder / "Scripts" / "mine.lua").write_text("mine")
    before = tree(folder)
    for _ in range(2):
        done = reaper.install(SCRIPTS, folder, "return {}\n")
        assert not done.kept
    assert done.adder.is_file()
    assert tree(folder).keys() > before.keys()
    removed = reaper.uninstall(folder)
    assert removed is not None
    assert not removed.left
    assert tree(folder) == before
    assert not (folder / "Scripts" / "Stem Bridge").exists()
    assert reaper.uninstall(folder) is None


def test_what_somebody_changed_is_kept_by_install_and_left_by_uninstall(tmp_path: Path) -> None:
    folder = resource(tmp_path / "R")
    done = reaper.install(SCRIPTS, folder, "return {}\n")
    done.adder.write_text("my own")
    (done.folder / "lib" / "notes.txt").write_text("a note")
    again = reaper.install(SCRIPTS, folder, "return {}\n")
    assert [path.read_text() for path in again.kept] == ["my own"]
    assert done.adder.read_bytes() == (SCRIPTS / reaper.ADDER).read_bytes()
    done.adder.write_text("my own 2")
    removed = reaper.uninstall(folder)
    assert removed is not None
    assert removed.left == (done.adder,)
    assert set(tree(done.folder)) == {reaper.ADDER, f"{reaper.ADDER}.mine", str(Path("lib") / "notes.txt")}


def test_a_file_of_an_older_release_goes_with_the_next_one(tmp_path: Path) -> None:
    folder, older = resource(tmp_path / "R"), tmp_path / "older"
    older.mkdir()
    (older / "stembridge_Gone.lua").write_text("-- gone")
    first = reaper.install(older, folder, "return {}\n")
    reaper.install(SCRIPTS, folder, "return {}\n")
    assert not (first.folder / "stembridge_Gone.lua").exists()


@pytest.mark.parametrize("name", ["../../reaper.ini", "/etc/hostname", "a/../../../reaper.ini", "..\\..\\reaper.ini"])
def test_a_list_that_was_tampered_with_removes_nothing_elsewhere(tmp_path: Path, name: str) -> None:
    folder = resource(tmp_path / "R")
    reaper.install(SCRIPTS, folder, "return {}\n")
    listed = folder / "Scripts" / "Stem Bridge" / "stembridge_installed.json"
    sha256 = hashlib.sha256((folder / "reaper.ini").read_bytes()).hexdigest()
    listed.write_text(json.dumps({"version": 1, "sha256": {name: sha256, "x": 3}}))
    reaper.uninstall(folder)
    assert (folder / "reaper.ini").is_file()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 3}', "[" * 100000])
def test_a_broken_list_is_told(tmp_path: Path, text: str) -> None:
    folder = resource(tmp_path / "R")
    reaper.install(SCRIPTS, folder, "return {}\n")
    (folder / "Scripts" / "Stem Bridge" / "stembridge_installed.json").write_text(text)
    with pytest.raises(ConfigError, match="does not say"):
        reaper.uninstall(folder)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    folder = resource(tmp_path / "R")
    (folder / "Scripts").write_text("no folder")
    with pytest.raises(ConfigError, match="cannot be written"):
        reaper.install(SCRIPTS, folder, "return {}\n")


def test_the_command_line_quotes_words_with_spaces_and_takes_the_state_folder_along() -> None:
    command = ("/opt/my python", "-m", "bridge", "watch")
    assert reaper.command_line(command, {}, windows=False) == '"/opt/my python" -m bridge watch'
    moved = reaper.command_line(command, {"STEM_BRIDGE_DATA": "/d d"}, windows=False)
    assert moved == '/usr/bin/env "STEM_BRIDGE_DATA=/d d" "/opt/my python" -m bridge watch'


@pytest.mark.parametrize(
    ("system", "environment", "place"),
    [
        ("Linux", {}, "home/opt/REAPER/reaper"),
        ("Windows", {"PROGRAMFILES": "{tmp}/Program Files"}, "Program Files/REAPER (x64)/reaper.exe"),
        ("Windows", {"PROGRAMFILES": "{tmp}/Program Files"}, "Program Files/REAPER/reaper.exe"),
    ],
)
def test_the_program_of_reaper_is_found_where_it_is_installed_and_first_on_the_search_path(
    tmp_path: Path, system: str, environment: dict[str, str], place: str
) -> None:
    environment = {name: value.format(tmp=tmp_path) for name, value in environment.items()}
    home = tmp_path / "home"
    with pytest.raises(ConfigError):
        reaper.program(system, environment, home, lambda _: None)
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.touch()
    assert reaper.program(system, environment, home, lambda _: None) == (str(path),)
    assert reaper.program(system, environment, home, lambda name: f"/bin/{name}") == ("/bin/reaper",)


def test_a_reaper_that_was_started_for_a_drop_is_never_ended(tmp_path: Path) -> None:
    lives = (
        "import sys, pathlib, time\n"
        "ready, end, ended = map(pathlib.Path, sys.argv[1:4])\n"
        "ready.touch()\n"
        "while not end.exists(): time.sleep(0.01)\n"
        "ended.touch()\n"
    )
    ready, end, ended = tmp_path / "ready", tmp_path / "end", tmp_path / "ended"
    now = [0.0]
    messenger = Messenger(clock=lambda: now[0])
    tell = Tell(desktop=False, reaper=(sys.executable, "-c", lives, str(ready), str(end), str(ended)))
    messenger.finished(tell, tmp_path / "a.wav", tmp_path)
    while not ready.exists():
        time.sleep(0.01)
    now[0] = 3600.0
    messenger.tend()
    messenger.close(0.0)
    end.touch()
    give_up = time.monotonic() + 30
    while not ended.exists():
        assert time.monotonic() < give_up, "it was ended"
        time.sleep(0.01)
