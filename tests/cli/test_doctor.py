"""Doctor: what it finds, and that each finding that is not ok says how to mend it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.checks import Machine, check_device, check_ffmpeg, check_folder, check_plugins, look_around
from bridge.config import Settings
from bridge.effects.plugins.blame import record_crash
from bridge.effects.plugins.files import open_file
from bridge.effects.plugins.scan import scan

Run = Callable[..., Any]

CPU_TORCH = {"version": "2.13.0+cpu", "built_for": None, "cuda": False, "mps": False, "name": ""}
CUDA_TORCH = {"version": "2.13.0+cu130", "built_for": "13.0", "cuda": True, "mps": False, "name": "RTX 4070"}
OLD_DRIVER = CUDA_TORCH | {"cuda": False, "name": ""}
APPLE_TORCH = CPU_TORCH | {"version": "2.13.0", "mps": True}
CARD = ("NVIDIA GeForce RTX 4070",)


@pytest.mark.parametrize(
    ("wanted", "machine", "level", "mend"),
    [
        ("auto", Machine((), CPU_TORCH), "ok", ""),
        ("auto", Machine(CARD, CUDA_TORCH), "ok", ""),
        ("auto", Machine((), APPLE_TORCH), "ok", ""),
        ("auto", Machine(CARD, CPU_TORCH), "warn", "pip install --force-reinstall torch==2.13.0 --index-url https://"),
        ("auto", Machine(CARD, OLD_DRIVER), "warn", "driver"),
        ("cuda", Machine(CARD, CPU_TORCH), "fail", "pip install --force-reinstall torch==2.13.0 --index-url https://"),
        ("cuda", Machine((), CPU_TORCH), "fail", "separation.device"),
        ("mps", Machine((), CPU_TORCH), "fail", "separation.device"),
        ("auto", Machine((), None, "libc10.so: cannot open"), "fail", "pip install --force-reinstall torch"),
    ],
)
def test_the_device_is_judged_with_the_command_that_mends_it(
    wanted: str, machine: Machine, level: str, mend: str
) -> None:
    finding = check_device(wanted, machine)
    assert finding.level == level
    assert mend in finding.mend
    assert bool(finding.mend) == (level != "ok")


def test_this_machine_s_torch_answers() -> None:
    machine = look_around()
    assert machine.torch is not None, machine.trouble
    assert machine.torch.keys() == CPU_TORCH.keys()


@pytest.mark.parametrize(
    ("system", "command"), [("Darwin", "brew install ffmpeg"), ("Windows", "winget install Gyan.FFmpeg")]
)
def test_ffmpeg_is_only_missed_for_m4a(system: str, command: str) -> None:
    assert check_ffmpeg("/usr/bin/ffmpeg", system).level == "ok"
    finding = check_ffmpeg(None, system)
    assert (finding.level, finding.mend) == ("warn", command)


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    assert check_folder("outbox", tmp_path).level in ("ok", "warn")
    assert list(tmp_path.iterdir()) == []
    missing = check_folder("outbox", tmp_path / "not here")
    assert (missing.level, "mkdir" in missing.mend) == ("fail", True)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root may write to: /proc")
def test_a_blocked_folder_is_found_by_trying() -> None:
    finding = check_folder("outbox", Path("/proc"))
    assert finding.level == "fail"
    assert finding.mend


def test_doctor_ends_with_2_when_something_must_be_mended_and_says_what(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text("inboxes: [{path: in, outbox: out, model: htdemucs_mini, preset: nope}]", encoding="utf-8")
    ended = run("doctor", "--json", "--config", file)
    findings = [json.loads(line) for line in ended.out.splitlines()]
    failed = {one["subject"]: one["mend"] for one in findings if one["level"] == "fail"}
    assert ended.code == 2
    assert failed.keys() == {"inbox folder", "outbox folder", "presets"}
    assert all(failed.values())
    assert {"device", "sound libraries", "model htdemucs_mini", "ffmpeg"} <= {one["subject"] for one in findings}
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    file.write_text(file.read_text(encoding="utf-8").replace("nope", "clean"), encoding="utf-8")
    ended = run("doctor", "--config", file)
    assert ended.code == 0, ended.out
    assert sys.version.split()[0] in ended.out


def test_doctor_looks_at_the_default_model_when_settings_name_one(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    inbox = "inboxes: [{path: in, outbox: out, model: htdemucs_mini}]\n"
    seen = []
    for text in (inbox, inbox + "separation: {model: nope}\n", "separation: {model: htdemucs_mini}\n"):
        file.write_text(text, encoding="utf-8")
        findings = map(json.loads, run("doctor", "--json", "--config", file).out.splitlines())
        seen.append([one["subject"] for one in findings if one["subject"].startswith("model ")])
    assert seen == [["model htdemucs_mini"], ["model nope", "model htdemucs_mini"], ["model htdemucs_mini"]]


def test_plugins_are_judged_by_their_folders_the_last_scan_and_what_crashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, gone = tmp_path / "vst3", tmp_path / "gone"
    folder.mkdir()
    plugin = folder / "Fine.vst3"
    plugin.write_bytes(b"no plugin at all")
    monkeypatch.setenv("STEM_BRIDGE_DATA", str(tmp_path / "data"))
    settings = Settings.model_validate({"plugins": {"folders": [str(folder), str(gone)]}})
    options = settings.plugins.options()
    findings = list(check_plugins(settings))
    assert [(one.level, one.subject) for one in findings] == [("warn", "plugin folder"), ("warn", "plugins")]
    assert findings[1].mend == "stem-bridge plugins scan"
    scan(options.folders, options, lambda _: None)
    assert [one.level for one in check_plugins(settings)] == ["warn", "ok"]
    for _ in range(2):
        record_crash(options.records, open_file(plugin, options.folders).sha256(), plugin, "hung")
    blocked = list(check_plugins(settings))[1]
    assert (blocked.subject, blocked.mend) == ("plugin Fine", "stem-bridge plugins scan --retry")
