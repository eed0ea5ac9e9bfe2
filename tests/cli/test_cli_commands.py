"""Every command: what it prints where, its exit code, and that every fault is one line and a way out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from bridge import config, strict_yaml
from bridge.cli.apply import drop_of
from bridge.errors import ConfigError, ReadError

Run = Callable[..., Any]


def two_lines(err: str) -> bool:
    lines = err.splitlines()
    return len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("       ")


def test_help_names_every_command_and_the_exit_codes(run: Run) -> None:
    ended = run("--help")
    for command in (
        "demo",
        "init",
        "watch",
        "process",
        "batch",
        "apply",
        "jobs",
        "drops",
        "presets",
        "models",
        "cache",
        "service",
        "evaluate",
        "doctor",
    ):
        assert f"\n  {command} " in ended.out
    assert ended.code == 0
    assert "130 interrupted" in " ".join(ended.out.split())


def test_every_command_has_help(run: Run) -> None:
    for line in (
        "demo",
        "init",
        "process",
        "batch",
        "apply",
        "evaluate",
        "doctor",
        "presets list",
        "models pull",
        "jobs list",
        "drops prune",
        "service install",
        "watch",
        "batch",
    ):
        assert run(*line.split(), "--help").code == 0


@pytest.mark.parametrize("line", ["nonsense", "process", "process --nonsense a.wav", "process --overlap x a.wav"])
def test_a_wrong_command_line_ends_with_2_and_nothing_on_stdout(run: Run, line: str) -> None:
    ended = run(*line.split())
    assert (ended.code, ended.out) == (2, "")
    assert "Usage:" in ended.err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--preset cleen", "Did you mean 'clean'"),
        ("--model htdemux", "htdemucs"),
        ("--stems vocals,guitar", "drums, bass, other, vocals"),
        ("--two-stems guitar", "drums, bass, other, vocals"),
        ("--stems vocals --two-stems drums", "Keep one"),
        ("--overlap 1.5", "0.95"),
        ("--residual othr", "'other'"),
        ("--subtype PCM_32", "'PCM_24'"),
        ("--config nowhere.yaml", "stem-bridge init"),
        ("--preset=", "vocal-air"),
        ("--model=", "htdemucs_ft"),
        ("--stems=", "commas"),
        ("--stems=,", "commas"),
        ("--threads 100000", "256"),
    ],
)
def test_what_the_user_must_change_is_told_before_any_work(run: Run, tmp_path: Path, flags: str, says: str) -> None:
    render = tmp_path / "song.wav"
    render.write_bytes(b"")
    ended = run("process", "-m", "htdemucs_mini", render, *flags.split())
    assert (ended.code, ended.out) == (2, "")
    assert two_lines(ended.err)
    assert says in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_renders_that_cannot_be_found_are_each_told_and_end_with_1(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    ended = run("process", tmp_path / "none.wav", empty)
    assert (ended.code, ended.out, ended.err.count("error: ")) == (1, "", 2)


def test_of_several_renders_the_last_line_counts_what_was_done_and_what_failed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"no sound")
    several = run("process", "-m", "htdemucs_mini", tmp_path / "song.wav", tmp_path / "none.wav")
    assert (several.code, several.out, several.err.splitlines()[-1]) == (1, "", "0 done, 2 failed.")
    assert "failed." not in run("process", "-m", "htdemucs_mini", tmp_path / "song.wav").err


def test_missing_weights_are_told_with_the_command_that_fetches_them_first(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "song.wav").write_bytes(b"")
    ended = run("process", tmp_path / "song.wav")
    error, hint = ended.err.splitlines()
    assert (ended.code, error.split(":")[1]) == (2, " The weights of htdemucs are missing")
    assert hint.endswith("run: stem-bridge models pull htdemucs")
    assert "-m, or separation.model" in hint
    (tmp_path / "bridge.yaml").write_text(
        f"version: 1\ninboxes:\n  - {{path: '{tmp_path / 'in'}', outbox: '{tmp_path / 'out'}'}}\n", encoding="utf-8"
    )
    monkeypatch.setenv("STEM_BRIDGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("STEM_BRIDGE_CONFIG", str(tmp_path / "bridge.yaml"))
    ends = {
        command: run(*command.split(), *rest).err
        for command, rest in (("batch", [tmp_path]), ("models verify htdemucs", []), ("watch --once", []))
    }
    assert {command: ended.err in err for command, err in ends.items()} == dict.fromkeys(ends, True)
    assert error.removeprefix("error: ") in run("doctor").out


def test_where_the_demo_cannot_go_its_own_flag_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    ended = run("demo", "--into", tmp_path / "file")
    assert (ended.code, ended.out) == (1, "")
    assert "--into" in ended.err
    assert "--outbox" not in ended.err
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_an_empty_path_is_a_slip_and_not_the_current_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["process", ""], ["process", "song.wav", "--outbox", ""], ["apply", "clean", ""]):
        ended = run(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert "empty" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_may_not_be_read_is_one_failed_render_and_not_a_wrong_command_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    (tmp_path / "empty").mkdir()
    ended = run("process", tmp_path / "empty", tmp_path / "missing.wav")
    assert ended.code == 1
    assert [line for line in ended.err.splitlines() if line.startswith("error")] == [
        f"error: No sound files in {tmp_path / 'empty'}.",
        f"error: {tmp_path / 'missing.wav'} is not there.",
    ]


def test_programs_get_json_lines_only_even_for_faults(run: Run, tmp_path: Path) -> None:
    ended = run("process", "--json", tmp_path / "none.wav")
    (event,) = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, event["event"], event["error"]) == (1, "failed", "ReadError")
    assert Path(event["render"]).name == "none.wav"
    ended = run("process", "--json", tmp_path / "none.wav", "--residual", "x")
    (event,) = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, event["event"], event["error"], event["render"]) == (2, "failed", "ConfigError", None)


def test_names_from_disk_cannot_move_the_cursor(run: Run, tmp_path: Path) -> None:
    ended = run("process", tmp_path / "a\x1b[2J\nb.wav")
    assert ended.code == 1
    assert "\x1b" not in ended.err
    assert two_lines(ended.err)


def test_a_traceback_is_shown_only_with_vv(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert "Traceback" not in run("evaluate", missing, missing).err
    assert "Traceback" in run("evaluate", "-vv", missing, missing).err
    assert "Traceback" not in run("evaluate", missing, missing).err


def test_presets_are_listed_shown_checked_and_begun(run: Run, tmp_path: Path) -> None:
    listed = run("presets", "list")
    assert "clean" in {line.split()[0] for line in listed.out.splitlines()}
    assert run("presets", "show", "clean").out.startswith("version: 1")
    assert json.loads(run("presets", "schema").out)["$schema"]
    made = run("presets", "new", tmp_path / "mine")
    assert (made.code, made.out.strip()) == (0, str(tmp_path / "mine.yaml"))
    assert run("presets", "check", tmp_path / "mine.yaml", "clean").code == 0
    assert run("presets", "new", tmp_path / "mine").code == 2


def test_checking_goes_on_after_a_broken_preset_and_ends_with_2(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nstems:\n  vocals: {pann: 1}\n", encoding="utf-8")
    ended = run("presets", "check", broken, "clean")
    assert ended.code == 2
    assert f"{broken}:3:" in ended.err
    assert "Did you mean 'pan'?" in ended.err
    assert ended.out.startswith("clean: ok")


def test_models_are_listed_and_verified(run: Run) -> None:
    assert "htdemucs_ft" in run("models", "list").out
    ended = run("models", "verify", "htdemucs_mini")
    assert (ended.code, ended.out.split()[0]) == (0, "ready")
    assert run("models", "pull", "htdemucs_mni").code == 2


@pytest.mark.parametrize("name", ["Stem Bridge", "it's #1: [mine]", "räume"])
def test_init_writes_settings_that_load_and_makes_the_folders(run: Run, tmp_path: Path, name: str) -> None:
    home, file = tmp_path / name, tmp_path / "etc" / "bridge.yaml"
    ended = run("init", home, "--config", file)
    assert (ended.code, ended.out.strip()) == (0, str(file))
    (inbox,) = config.load(file, environment={}).inboxes
    assert (inbox.path, inbox.outbox) == (home / "inbox", home / "outbox")
    assert inbox.path.is_dir()
    assert inbox.outbox.is_dir()
    before = file.read_bytes()
    assert run("init", home, "--config", file).code == 2
    assert file.read_bytes() == before


def test_every_commented_setting_of_init_loads_when_its_mark_is_removed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    run("init", tmp_path / "home", "--config", file)
    text = file.read_text(encoding="utf-8").replace("\n  # ", "\n  ")
    file.write_text(text, encoding="utf-8")
    written = strict_yaml.load(text, what="bridge.yaml", error=ConfigError).plain()
    settings = config.load(file, environment={})
    defaults = config.Settings()
    for part in ("intake", "separation", "output", "daemon", "tell"):
        assert getattr(settings, part) == getattr(defaults, part)
        assert set(type(getattr(defaults, part)).model_fields) <= set(written[part]), part


def test_a_render_without_a_drop_is_told_how_to_get_one(tmp_path: Path) -> None:
    render = tmp_path / "song.wav"
    with pytest.raises(ReadError):
        drop_of(render, tmp_path)
    render.write_bytes(b"RIFF")
    (tmp_path / "not ours").mkdir()
    (tmp_path / "not ours" / "drop.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="No drop of song"):
        drop_of(render, tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "batch {}",
        "drops list -o {}",
        "drops show {}",
        "drops prune -o {}",
        "apply clean {}",
        "presets audition clean {}",
    ],
)
def test_a_name_that_no_disk_takes_is_told_as_one_that_is_not_there(run: Run, line: str) -> None:
    ended = run(*line.format("a" * 5000).split())
    assert (ended.code, ended.out) == (2, "")
    assert two_lines(ended.err)
    for folders in (["a" * 5000, "."], [".", "a" * 5000]):
        ended = run("evaluate", *folders)
        assert (ended.code, two_lines(ended.err)) == (1, True)


@pytest.mark.parametrize("name", ["\udcff", "\x1b[2J", "a\nb"])
def test_a_new_preset_is_not_called_by_what_cannot_be_read(run: Run, tmp_path: Path, name: str) -> None:
    ended = run("presets", "new", tmp_path / name)
    assert (ended.code, ended.out) == (2, "")
    assert two_lines(ended.err)
    assert list(tmp_path.iterdir()) == []
