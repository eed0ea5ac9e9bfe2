"""One instance per journal, across real processes; and where a journal may lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from journals import program, seen

from bridge.errors import ConfigError
from bridge.journal.journal import open_journal, read_works
from bridge.journal.place import network_mount

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


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home/a\\040b rw shared:2 - nfs4 server:/home rw
31 30 8:2 / /home/a\\040b/local rw - btrfs /dev/sdb rw
32 22 0:41 / /mnt/share rw - cifs //nas/music rw
33 22 0:42 / /mnt/share rw - ext4 /dev/sdc1 rw
34 22 0:43 / /media/ssh rw - fuse.sshfs host: rw
nonsense
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/var/lib", False),
        ("/home/a b", True),
        ("/home/a b/deep/er", True),
        ("/home/a bc", False),
        ("/home/a b/local/state", False),
        ("/mnt/share/x", False),
        ("/media/ssh/x", True),
    ],
)
def test_the_innermost_and_last_mount_says_whether_a_folder_is_of_the_network(folder: str, expected: bool) -> None:
    assert network_mount(Path(folder), MOUNTS) is expected
