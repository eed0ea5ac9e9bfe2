"""Names that stand for pipes and devices where a file is expected: told at once, never waited for, never read on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes and devices with names")


@pytest.mark.parametrize(
    "line",
    [
        "apply clean {odd}",
        "presets check {odd}",
        "process {song} -p {odd} -m htdemucs_mini",
        "process {odd} -m htdemucs_mini",
        "watch --once --config {odd}",
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_name_that_is_no_plain_file_is_told_at_once(tmp_path: Path, line: str, kind: str) -> None:
    odd = tmp_path / "odd.yaml"
    os.mkfifo(odd) if kind == "pipe" else odd.symlink_to("/dev/zero")
    song = tmp_path / "song.wav"
    song.write_bytes(b"")
    words = [word.format(odd=odd, song=song) for word in line.split()]
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode in (1, 2)
    assert "plain file" in ended.stderr or (kind == "device" and "too large" in ended.stderr)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "line",
    [
        "apply clean {odd}",
        "batch {folder} -o {odd} --dry-run -m htdemucs_mini",
        "process {odd} -m htdemucs_mini",
        "presets list --config {settings}",
    ],
)
def test_a_link_that_leads_to_itself_is_told_in_words(tmp_path: Path, line: str) -> None:
    odd = tmp_path / "odd"
    odd.symlink_to(odd)
    settings = tmp_path / "bridge.yaml"
    settings.write_text(f"version: 1\ninboxes:\n  - {{path: {odd}, outbox: {odd}/out, preset: clean}}\n")
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "song.wav").write_bytes(b"")
    words = [word.format(odd=odd, settings=settings, folder=tmp_path / "songs") for word in line.split()]
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
