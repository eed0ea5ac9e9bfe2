"""A real disk that runs full in the middle: nothing half-published, nothing lost, and the work goes on by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
NOT_ALLOWED = 77


def on_a_small_disk(what: str, home: Path, kib: int) -> dict[str, int]:
    """Run `tests.full_disk` with a file system of its own, which nobody else sees and which ends with it."""
    disk = home / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={kib}k,nr_inodes=2000 none "$1" 2>/dev/null || exit {NOT_ALLOWED}'
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = f'{mount}; exec "$3" -m tests.full_disk {what} "$1" "$2"'
    command = ["unshare", *user, "--mount", "sh", "-c", script, "sh", str(disk), str(home), sys.executable]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    if ended.returncode == NOT_ALLOWED or "unshare" in ended.stderr:
        pytest.skip("mounting a small disk is not allowed here")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, int] = json.loads(ended.stdout)
    return found


needs_namespaces = pytest.mark.skipif(not shutil.which("unshare"), reason="needs mount namespaces")


@needs_namespaces
def test_a_job_whose_disk_runs_full_at_any_write_leaves_nothing_and_is_done_when_there_is_space(tmp_path: Path) -> None:
    found = on_a_small_disk("process", tmp_path, kib=1024)
    assert found["full"] >= 6, "the disk was full at many writes"
    assert found["done"] >= 1, "and was not, where there was enough"


@needs_namespaces
def test_a_daemon_whose_disk_runs_full_waits_for_space_and_goes_on_by_itself(tmp_path: Path) -> None:
    found = on_a_small_disk("watch", tmp_path, kib=2048)
    assert found["full"] >= 1
    assert found["done"] == 2
