"""One instance per journal, across real processes; and where a journal may lie."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from journals import program, seen

from bridge.errors import ConfigError
from bridge.journal.journal import open_journal, read_works
from bridge.journal.lock import require_local
from bridge.mounts import filesystem_of

_HOLD = """
with open_journal(folder):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_program_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with program(_HOLD, tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid}\\b"), open_journal(tmp_path):
            pass
        holder.communicate("", timeout=30)
    with open_journal(tmp_path) as journal:
        assert journal.works() == []


def test_a_killed_program_holds_nothing(tmp_path: Path) -> None:
    with program(_HOLD, tmp_path) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
        holder.wait(30)
        (tmp_path / "journal.lock").write_text("9" * 20)
        with open_journal(tmp_path) as journal:
            assert journal.recover() == []
            assert (tmp_path / "journal.lock").read_text() == str(os.getpid())


def test_of_many_that_start_at_once_one_gets_it(tmp_path: Path) -> None:
    text = """
from bridge.errors import ConfigError
sys.stdin.readline()
try:
    with open_journal(folder):
        print("open", flush=True)
        sys.stdin.read()
except ConfigError:
    print("refused", flush=True)
"""
    starters = [program(text, tmp_path) for _ in range(5)]
    for one in starters:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = [one.stdout.readline() for one in starters if one.stdout is not None]
    for one in starters:
        one.communicate("", timeout=30)
    assert sorted(answers) == ["open\n", *["refused\n"] * 4]


def test_one_program_cannot_open_it_twice_either(tmp_path: Path) -> None:
    with open_journal(tmp_path):
        with pytest.raises(ConfigError, match=f"process {os.getpid()}"), open_journal(tmp_path):
            pass
        with pytest.raises(ConfigError), open_journal(tmp_path):
            pass
    with open_journal(tmp_path):
        pass


def test_a_child_that_outlives_the_program_does_not_hold_the_journal(tmp_path: Path) -> None:
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with open_journal(tmp_path):
        child = subprocess.Popen(wait, stdin=subprocess.PIPE, close_fds=False)
    try:
        with open_journal(tmp_path):
            pass
    finally:
        child.communicate(timeout=30)


def test_works_can_be_listed_while_another_program_writes(tmp_path: Path) -> None:
    assert read_works(tmp_path) == []
    with open_journal(tmp_path) as journal:
        assert read_works(tmp_path) == []
        first = seen(journal)
        with journal.together():
            seen(journal, "other.wav")
            assert read_works(tmp_path) == [first]
        assert len(read_works(tmp_path)) == 2


def test_a_place_that_cannot_be_written_to_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught, open_journal(tmp_path / "file" / "state"):
        pass
    assert caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="asks for mounts")
@pytest.mark.parametrize(("kind", "refused"), [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("ext4", False)])
def test_a_network_file_system_is_refused(kind: str, refused: bool, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/a rw\n23 22 0:9 / {tmp_path}/state rw - {kind} there rw\n")
    with pytest.raises(ConfigError, match="network file system") if refused else nullcontext():
        require_local(tmp_path / "state" / "deeper", lambda folder: filesystem_of(folder, mounts))
