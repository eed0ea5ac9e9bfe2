"""`stem-bridge plugins`: the folders of the settings, what is in them, and the names that presets use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import vst3
from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("_own_data")


@pytest.fixture
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEM_BRIDGE_DATA", str(tmp_path / "data"))


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    def write(*names: str) -> Path:
        vst3.install(tmp_path / "mine", *names)
        file = tmp_path / "bridge.yaml"
        file.write_text("plugins: {folders: [mine]}\n")
        return file

    return write


def test_scan_list_and_show(run: Run, config: Callable[..., Path]) -> None:
    file = config("TestTrim", "CrashOnLoad")
    assert "Not scanned yet" in run("plugins", "list", "--config", file).out
    scanned = run("plugins", "scan", "--config", file)
    assert scanned.code == 0
    assert "CrashOnLoad.vst3: It ended by itself (signal 11)." in scanned.err
    assert "Plugins: 2, of which chains can use 1." in scanned.err
    lines = [json.loads(line) for line in run("plugins", "list", "--json", "--config", file).out.splitlines()]
    assert [(Path(line["path"]).name, line["usable"]) for line in lines] == [
        ("CrashOnLoad.vst3", False),
        ("TestTrim.vst3", True),
    ]
    for name in ("TestTrim.vst3", "testtrim"):
        shown = run("plugins", "show", name, "--config", file).out
        assert "gain_db" in shown
        assert "-24 to 24" in shown
        assert "Stereo, Mono, Swap" in shown
    one = json.loads(run("plugins", "show", "TestTrim", "--json", "--config", file).out)
    gain = next(parameter for parameter in one["parameters"] if parameter["name"] == "gain_db")
    assert (gain["kind"], gain["unit"], gain["low"], gain["high"]) == ("number", "dB", -24.0, 24.0)


def test_a_shell_is_listed_and_each_of_its_plugins_is_shown_by_name(run: Run, config: Callable[..., Path]) -> None:
    file = config("TestShell", "TestSynth")
    scanned = run("plugins", "scan", "--config", file)
    assert "TestShell.vst3  2 plugins" in scanned.out
    assert "it plays notes under 'instruments'" in scanned.out
    inside = run("plugins", "show", "TestShell", "--config", file)
    assert (inside.err.splitlines()[-1], inside.out.split()) == (
        "TestShell.vst3 holds several plugins; show one with --name:",
        ["TestTrim", "TestFault"],
    )
    for words in (("TestShell", "--name", "TestTrim"), ("testtrim",)):
        assert "gain_db" in run("plugins", "show", *words, "--config", file).out
    wrong = run("plugins", "show", "TestShell", "--name", "TestTrin", "--config", file)
    assert (wrong.code, "Did you mean 'TestTrim'?" in wrong.err) == (2, True)


def test_retry_lets_in_what_was_blocked(run: Run, config: Callable[..., Path]) -> None:
    file = config("CrashOnLoad")
    for _ in range(2):
        run("plugins", "scan", "--again", "--config", file)
    assert "Blocked" in run("plugins", "list", "--config", file).out
    assert run("plugins", "show", "CrashOnLoad", "--config", file).code == 2
    retried = run("plugins", "scan", "--retry", "--config", file)
    assert "Plugins let in again: 1." in retried.err
    assert "signal 11" in retried.out


def test_a_name_that_is_not_there_is_answered_with_the_nearest(run: Run, config: Callable[..., Path]) -> None:
    ended = run("plugins", "show", "TestTrin", "--config", config("TestTrim"))
    assert ended.code == 2
    assert "Did you mean 'TestTrim.vst3'?" in ended.err


def test_without_folders_the_usual_ones_are_named(run: Run) -> None:
    for command in ("scan", "list"):
        ended = run("plugins", command)
        assert ended.code == 2
        assert "plugins: {folders: [...]}" in ended.err
