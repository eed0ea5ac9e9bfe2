"""The ReaScript that brings a chosen drop in: it reads data, and runs none of the drop's code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.resources import shipped
from tests.reaper.standin.machine import Reaper
from tests.session.small_drops import ROUTED, make_drop

SCRIPTS = shipped("reaper_scripts")
BRING_IN = SCRIPTS / "Stem Bridge" / "stembridge_Bring stems in.lua"


@pytest.mark.parametrize("chosen", ["import.lua", "drop.lua"])
@pytest.mark.parametrize("version", ["6.30", "7.78"])
def test_it_imports_as_the_drop_s_own_script_does(tmp_path: Path, chosen: str, version: str) -> None:
    drop = make_drop(tmp_path, preset=ROUTED, printed=["vocals"], title='a "b" ]] c')
    own, other = Reaper(version=version), Reaper(version=version)
    own.run(drop.script)
    other.answers.append(str(tmp_path / chosen))
    other.run(BRING_IN)
    assert [one.texts for one in other.project.tracks] == [one.texts for one in own.project.tracks]
    assert [one.values for one in other.project.tracks] == [one.values for one in own.project.tracks]
    once = other.project.state()
    other.run(drop.script)
    assert other.project.state() == once, "both ways know each other's tracks"


def test_a_drop_from_windows_line_ends_is_read(tmp_path: Path) -> None:
    drop = make_drop(tmp_path)
    drop.script.write_bytes(drop.script.read_bytes().replace(b"\n", b"\r\n"))
    reaper = Reaper()
    reaper.answers.append(str(drop.script))
    reaper.run(BRING_IN)
    assert len(reaper.project.tracks) == 5


def test_cancel_changes_nothing_and_says_nothing(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.answers.append(None)
    reaper.run(BRING_IN)
    assert not reaper.project.tracks
    assert not reaper.messages
    assert not reaper.undo_points


HOSTILE = [
    'io.open([[{trap}]], "w"):close()',
    '\nlocal DATA = {{io.open([[{trap}]], "w")}}\n',
    "\nlocal DATA = {{(function() while true do end end)()}}\n",
    '\nlocal DATA = {{x = ("x"):rep(1e10)}}\n',
    "\nlocal DATA = {{x = y.z}}\n",
    "\nlocal DATA = {{version = 99}}\n",
    "\nlocal DATA = {{\n",
    "",
    "\0\1\2",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_file_that_is_no_drop_is_told_and_never_run(tmp_path: Path, text: str) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "import.lua").write_text(text.format(trap=trap), encoding="utf-8", newline="\n")
    reaper = Reaper()
    reaper.answers.append(str(tmp_path / "import.lua"))
    reaper.run(BRING_IN)
    assert not trap.exists()
    assert not reaper.project.tracks
    assert len(reaper.messages) == 1


def test_a_folder_without_a_drop_is_told(tmp_path: Path) -> None:
    reaper = Reaper()
    reaper.answers.append(str(tmp_path / "notes.lua"))
    reaper.run(BRING_IN)
    assert "no drop of Stem Bridge" in reaper.messages[0]


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="install luacheck (Debian: lua-check) to lint the scripts")
def test_the_scripts_and_a_generated_one_are_free_of_warnings(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=ROUTED)
    options = [
        "--std",
        "lua54",
        "--read-globals",
        "reaper",
        "--globals",
        "gfx",
        "--max-line-length",
        "120",
        "--no-color",
    ]
    files = [*SCRIPTS.rglob("*.lua"), drop.script]
    done = subprocess.run(["luacheck", *options, "--", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_script_has_the_header_reapack_wants() -> None:
    for script in SCRIPTS.rglob("*.lua"):
        tags = {line.split()[1] for line in script.read_text("utf-8").splitlines() if line.startswith("-- @")}
        is_part = "@noindex" in tags
        wanted = set() if script.parent.name == "lib" else {"@description", "@version", "@about"}
        assert tags >= (wanted if is_part else wanted | {"@provides"}), script.name
