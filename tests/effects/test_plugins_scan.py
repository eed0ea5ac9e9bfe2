"""What plugins there are: asked once, each by itself; the dead are listed with their reason."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bridge.domain.plugins import PluginOptions
from bridge.effects.plugins.files import standard_folders
from bridge.effects.plugins.scan import Scanned, known, scan
from tests import vst3


class Ear:
    """Hears which plugins were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, one: Scanned) -> None:
        self.asked.append(one.path.stem)


def options(tmp_path: Path) -> PluginOptions:
    return PluginOptions(folders=(tmp_path / "mine",), records=tmp_path / "records", seconds_to_load=20.0)


def by_name(found: list[Scanned]) -> dict[str, Scanned]:
    return {one.path.stem: one for one in found}


def test_every_plugin_is_asked_once_and_again_when_it_changes(tmp_path: Path) -> None:
    folder = vst3.install(tmp_path / "mine", "TestTrim", "TestFault", "CrashOnLoad")
    chosen = options(tmp_path)
    ear = Ear()
    first = by_name(scan(chosen.folders, chosen, ear))
    assert ear.asked == ["CrashOnLoad", "TestFault", "TestTrim"]
    assert "signal 11" in first["CrashOnLoad"].error
    assert not first["CrashOnLoad"].usable
    trim = first["TestTrim"]
    assert (trim.names, trim.maker, trim.version, trim.usable) == (("TestTrim",), "Stem Bridge", "1.2.3", True)
    assert by_name(scan(chosen.folders, chosen, ear)) == first == by_name(known(chosen.folders, chosen))
    assert len(ear.asked) == 3
    with next((folder / "TestTrim.vst3").rglob("*.so")).open("ab") as program:
        program.write(b"a newer version")
    assert "Not scanned yet" in by_name(known(chosen.folders, chosen))["TestTrim"].error
    scan(chosen.folders, chosen, ear)
    assert ear.asked[3:] == ["TestTrim"]


def test_what_crashed_twice_is_not_asked_a_third_time(tmp_path: Path) -> None:
    vst3.install(tmp_path / "mine", "CrashOnLoad")
    chosen = options(tmp_path)
    found = [scan(chosen.folders, chosen, Ear(), again=True)[0] for _ in range(3)]
    assert "signal 11" in found[0].error
    assert found[1].error == found[2].error
    assert found[2].error.startswith("Blocked: it failed 2 times")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 1, "plugins": {"x": 3}}', '{"version": 1, "plugins": []}', "\0" * 100]
)
def test_a_broken_memory_is_no_memory(tmp_path: Path, content: str) -> None:
    chosen = options(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.vst3").write_bytes(b"no plugin")
    assert chosen.records is not None
    chosen.records.mkdir()
    (chosen.records / "scan.json").write_text(content)
    assert "Not scanned yet" in known(chosen.folders, chosen)[0].error


def test_what_is_no_plugin_is_listed_with_its_reason(tmp_path: Path) -> None:
    chosen = options(tmp_path)
    vst3.plugins()
    (tmp_path / "mine" / "empty.vst3").mkdir(parents=True)
    (tmp_path / "mine" / "text.vst3").write_text("This is text.")
    (tmp_path / "mine" / "note.txt").write_text("This is text.")
    found = by_name(scan(chosen.folders, chosen, Ear()))
    assert "no program for this system" in found["empty"].error
    assert "cannot be loaded" in found["text"].error
    assert set(found) == {"empty", "text"}
    assert json.loads((tmp_path / "records" / "scan.json").read_text())["version"] == 1


def test_hostile_files_are_listed_and_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    chosen = options(tmp_path)
    vst3.plugins()
    folder = tmp_path / "mine"
    folder.mkdir()
    os.mkfifo(folder / "pipe.vst3")
    (folder / "endless.vst3").symlink_to("/dev/zero")
    (folder / "dangling.vst3").symlink_to(folder / "nowhere")
    (folder / "itself.vst3").symlink_to(folder / "itself.vst3")
    (folder / "odd \udcff.vst3").write_text("no plugin")
    for name, target in (("a", "/dev/zero"), ("b", "nowhere")):
        inside = folder / f"{name}.vst3" / "Contents" / "x86_64-linux"
        inside.mkdir(parents=True)
        (inside / f"{name}.so").symlink_to(target)
    found = scan(chosen.folders, chosen, Ear())
    assert len(found) == 7
    assert not [one for one in found if one.usable]


def test_standard_folders_are_those_of_the_system() -> None:
    home = Path("/home/me")
    assert standard_folders("linux", home)[0] == home / ".vst3"
    assert home / "Library" / "Audio" / "Plug-Ins" / "Components" in standard_folders("darwin", home)
    assert all("VST3" in str(folder) for folder in standard_folders("win32", home))
