"""A render is taken only when it is whole: real writers in real processes, half files, and files that are no files."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.errors import ReadError
from bridge.intake.plain import open_plain
from bridge.intake.ready import UNPROVEN_SECONDS, readiness
from bridge.intake.writer import WriterState, share_state, writer_state
from bridge.mounts import filesystem_of, is_network, says_remote
from tests.audio.raw_files import chunk, fmt, riff
from tests.intake.looking import Eyes, wav

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file kinds")

WRITER = """
import os, struct, sys
path = sys.argv[1]
file = None
for line in sys.stdin:
    do, *words = line.split()
    if do == "open":
        file = open(path, words[0], buffering=0)
    elif do == "write":
        file.write(bytes.fromhex(words[0]) * int(words[1]))
    elif do == "patch":
        size = file.seek(0, 2)
        file.seek(4); file.write(struct.pack("<I", size - 8))
        file.seek(40); file.write(struct.pack("<I", size - 44))
        file.seek(0, 2)
    elif do == "close":
        file.close()
    print("done", flush=True)
"""


class Writer:
    """Another process that writes into a file, one step at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def __call__(self, command: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Writer(process)


def unknown(_: Path) -> WriterState:
    return "unknown"


@pytest.mark.parametrize("writer", [writer_state, unknown], ids=["lease", "no lease"])
def test_a_slow_writer_that_patches_its_header_at_the_end_is_waited_for(tmp_path: Path, writer) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "song.wav"
    eyes = Eyes(tmp_path, writer=writer)
    header = riff(fmt(), chunk(b"data", b""), size=0)
    with writing(path) as do:
        do("open wb")
        assert eyes.settle() == {"song.wav": "waiting"}, "an empty file"
        do("write 00 44")
        assert eyes.settle() == {"song.wav": "waiting"}, "a header of zeros"
        do("close")
        do("open r+b")
        do(f"write {header.hex()} 1")
        for _ in range(4):
            do("write 0102 1000")
            assert eyes.look() == {"song.wav": "settling"}
            assert eyes.look() == {"song.wav": "settling"}
        assert eyes.settle() == {"song.wav": "waiting"}, "a pause in the middle of a render is not its end"
        do("patch")
        do("close")
    assert eyes.look() == {"song.wav": "settling"}
    assert eyes.look() == {"song.wav": "settling"}
    assert eyes.look() == {"song.wav": "ready"}


@linux_only
def test_a_whole_file_that_is_still_open_for_writing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(wav())
    eyes = Eyes(tmp_path)
    with writing(path) as do:
        for _ in range(5):
            do("open r+b")
            assert eyes.settle() == {"song.wav": "waiting"}
            do("close")
    assert eyes.look() == {"song.wav": "ready"}


def test_a_copy_in_chunks_is_taken_when_its_last_byte_is_there(tmp_path: Path) -> None:
    whole = wav()
    eyes = Eyes(tmp_path, writer=unknown)
    for end in (1, 12, 44, 1000, len(whole) - 1):
        (tmp_path / "song.wav").write_bytes(whole[:end])
        assert eyes.settle() == {"song.wav": "waiting"}, end
    (tmp_path / "song.wav").write_bytes(whole)
    assert eyes.settle() == {"song.wav": "ready"}


@pytest.mark.parametrize("way", [os.rename, os.link], ids=["rename", "hard link"])
def test_a_file_that_arrives_in_one_step_is_taken(tmp_path: Path, way) -> None:  # type: ignore[no-untyped-def]
    inbox, source = tmp_path / "inbox", tmp_path / "song.wav"
    inbox.mkdir()
    source.write_bytes(wav())
    os.utime(source, (0, 0))
    eyes = Eyes(inbox)
    assert eyes.look() == {}
    way(source, inbox / "song.wav")
    assert eyes.settle() == {"song.wav": "ready"}


def test_a_file_replaced_while_it_settles_starts_again(tmp_path: Path) -> None:
    eyes = Eyes(tmp_path)
    (tmp_path / "song.wav").write_bytes(wav(seed=1))
    eyes.look()
    eyes.look()
    (tmp_path / ".new").write_bytes(wav(seed=2))
    (tmp_path / ".new").replace(tmp_path / "song.wav")
    assert eyes.look() == {"song.wav": "settling"}
    assert eyes.look() == {"song.wav": "settling"}
    assert eyes.look() == {"song.wav": "ready"}


def test_a_temporary_name_counts_for_nothing_and_its_last_name_does(tmp_path: Path) -> None:
    eyes = Eyes(tmp_path)
    (tmp_path / "song.wav.part").write_bytes(wav())
    assert eyes.settle() == {}
    (tmp_path / "song.wav.part").rename(tmp_path / "song.wav")
    assert eyes.settle() == {"song.wav": "ready"}


def test_a_file_that_vanishes_is_no_error(tmp_path: Path) -> None:
    eyes = Eyes(tmp_path)
    (tmp_path / "song.wav").write_bytes(wav())
    eyes.look()
    (tmp_path / "song.wav").unlink()
    assert eyes.look() == {}
    assert readiness(tmp_path / "song.wav").state == "waiting"


HALF = wav()[:-100]
GROWING = riff(fmt(), chunk(b"data", b"\1\2" * 1000, 0), size=0)
STREAMED = riff(fmt(), chunk(b"data", b"\1\2" * 1000, 0xFFFFFFFF), size=0xFFFFFFFF)


@pytest.mark.parametrize("content", [b"", bytes(44), HALF, GROWING, STREAMED], ids=repr)
def test_an_unfinished_file_waits_then_stalls_and_goes_on_when_it_changes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(content)
    for quiet_seconds, state in [(3.0, "waiting"), (599.0, "waiting"), (600.0, "stalled"), (1e6, "stalled")]:
        verdict = readiness(path, quiet_seconds=quiet_seconds)
        assert verdict.state == state
        assert verdict.reason.endswith(".")
    assert path.read_bytes() == content
    path.write_bytes(wav())
    assert readiness(path).state == "ready"


@pytest.mark.parametrize(
    "content",
    [
        b"no sound at all, " * 100,
        riff(fmt(channels=0), chunk(b"data", bytes(400))),
        riff(fmt(tag=0x11), chunk(b"data", bytes(400))),
        riff(fmt(rate=4_000_000_000), chunk(b"data", bytes(400))),
    ],
    ids=["text", "no channels", "ADPCM", "4 GHz"],
)
def test_what_can_never_be_right_is_refused_with_its_reason(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "song.wav").write_bytes(content)
    verdict = readiness(tmp_path / "song.wav")
    assert verdict.state == "refused"
    assert isinstance(verdict.error, ReadError)
    assert verdict.reason == verdict.error.message
    assert verdict.hint


def flac_header() -> bytes:
    packed = (44100 << 44 | 1 << 41 | 15 << 36 | 1000).to_bytes(8, "big")
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed + bytes(16)
    return b"fLaC" + bytes([0x80]) + len(info).to_bytes(3, "big") + info + b"\xff\xf8" + bytes(500)


def test_where_neither_container_nor_system_shows_the_end_a_file_must_hold_still_for_longer(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    path.write_bytes(flac_header())
    assert readiness(path, quiet_seconds=3.0, writer=unknown).state == "waiting"
    assert readiness(path, quiet_seconds=UNPROVEN_SECONDS, writer=unknown).state == "ready"
    assert readiness(path, quiet_seconds=3.0, writer=lambda _: "none").state == "ready"


@posix_only
@pytest.mark.parametrize("kind", ["pipe", "link", "device", "folder", "dangling"])
def test_what_is_no_plain_file_is_never_waited_for_nor_followed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "song.wav"
    make_odd(path, kind)
    assert writer_state(path) in ("unknown", "none")
    assert readiness(path).state == "refused"


@posix_only
@pytest.mark.parametrize("kind", ["pipe", "link", "device", "folder", "dangling"])
def test_a_file_swapped_after_the_first_look_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(wav())

    def swap(_: Path) -> WriterState:
        path.unlink()
        make_odd(path, kind)
        return "none"

    assert readiness(path, writer=swap).state == "refused"


def make_odd(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        target = path.with_name("target")
        if kind == "link":
            target.write_bytes(wav())
        path.symlink_to(target)


@posix_only
def test_an_open_that_meets_a_link_or_a_pipe_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, link, pipe = tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "c.wav"
    plain.write_bytes(wav())
    link.symlink_to(plain)
    os.mkfifo(pipe)
    looked = plain.lstat()
    # The name stood for a plain file when it was looked at: the swap came after.
    monkeypatch.setattr(Path, "lstat", lambda _: looked)
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        open_plain(link)
    with pytest.raises(ReadError):
        open_plain(pipe)


@linux_only
class TestLease:
    """Linux's own word on writers."""

    def test_a_writer_anywhere_in_the_system_is_seen(self, tmp_path: Path) -> None:
        path = tmp_path / "song.wav"
        path.write_bytes(wav())
        assert writer_state(path) == "none"
        with writing(path) as do:
            for mode in ("r+b", "ab", "wb"):
                do(f"open {mode}")
                assert writer_state(path) == "writing"
                do("close")
                assert writer_state(path) == "none"

    def test_readers_do_not_count(self, tmp_path: Path) -> None:
        path = tmp_path / "song.wav"
        path.write_bytes(wav())
        with path.open("rb"):
            assert writer_state(path) == "none"

    def test_a_mapping_for_writing_counts_after_its_file_was_closed(self, tmp_path: Path) -> None:
        path = tmp_path / "song.wav"
        path.write_bytes(wav())
        with path.open("r+b") as file:
            mapped = mmap.mmap(file.fileno(), 0)
        assert writer_state(path) == "writing"
        mapped.close()
        assert writer_state(path) == "none"

    def test_a_writer_who_comes_during_the_probe_harms_nobody(self, tmp_path: Path) -> None:
        path = tmp_path / "song.wav"
        path.write_bytes(wav())
        over = threading.Event()
        came = 0

        def come() -> None:
            nonlocal came
            while not over.is_set():
                with path.open("r+b") as file:
                    file.write(b"RIFF")
                came += 1

        writer = threading.Thread(target=come)
        writer.start()
        states = {writer_state(path) for _ in range(500)}
        over.set()
        writer.join()
        assert states <= {"none", "writing"}
        assert came

    def test_the_signal_of_a_broken_lease_is_one_that_kills_nobody(self) -> None:
        assert signal.getsignal(signal.SIGURG) == signal.SIG_DFL, "whose default is to be ignored"

    def test_on_a_network_nothing_is_claimed(self, tmp_path: Path) -> None:
        path = tmp_path / "song.wav"
        path.write_bytes(wav())
        with path.open("r+b"):
            assert writer_state(path, network=lambda _: True) == "unknown"


@pytest.mark.parametrize(
    ("error", "state"), [(0, "none"), (32, "writing"), (33, "writing"), (5, "unknown"), (2, "unknown"), (87, "unknown")]
)
def test_windows_answers_are_read_with_care(error: int, state: str) -> None:
    assert share_state(Path("song.wav"), lambda _: error) == state


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:20 / /home/me/Dropped\\040Frames rw shared:1 - nfs4 server:/export rw
24 22 0:21 / /mnt rw - ext4 /dev/vdb rw
25 24 0:22 / /mnt/nas rw - cifs //nas/music rw
26 25 0:23 / /mnt/nas rw - tmpfs none rw
27 22 0:24 / /media/disk rw - fuseblk /dev/sdb1 rw
nonsense
28 22 0:25 / /mnt/cloud rw - fuse.rclone remote: rw
"""


@linux_only
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/inbox", "ext4"), ("/home/me/Dropped Frames/inbox", "nfs4"), ("/home/me/Dropped Frames", "nfs4"),
        ("/home/me/Dropped Frames 2", "ext4"), ("/mnt/nas/a", "tmpfs"), ("/mnt/nasty", "ext4"), ("/", "ext4"),
        ("/media/disk/x", "fuseblk"), ("/mnt/cloud/x", "fuse.rclone"),
    ],
)  # fmt: skip
def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(tmp_path: Path, path: str, kind: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert filesystem_of(Path(path), table) == kind


def test_an_unknown_file_system_counts_as_local(tmp_path: Path) -> None:
    assert filesystem_of(tmp_path, tmp_path / "no table") == ""
    assert not is_network(tmp_path)


class MacStatfs(ctypes.Structure):
    """What macOS answers, as its header writes it."""

    _fields_ = (
        ("f_bsize", ctypes.c_uint32),
        ("f_iosize", ctypes.c_int32),
        ("f_blocks", ctypes.c_uint64),
        ("f_bfree", ctypes.c_uint64),
        ("f_bavail", ctypes.c_uint64),
        ("f_files", ctypes.c_uint64),
        ("f_ffree", ctypes.c_uint64),
        ("f_fsid", ctypes.c_int32 * 2),
        ("f_owner", ctypes.c_uint32),
        ("f_type", ctypes.c_uint32),
        ("f_flags", ctypes.c_uint32),
        ("f_fssubtype", ctypes.c_uint32),
        ("f_fstypename", ctypes.c_char * 16),
        ("f_mntonname", ctypes.c_char * 1024),
        ("f_mntfromname", ctypes.c_char * 1024),
        ("f_flags_ext", ctypes.c_uint32),
        ("f_reserved", ctypes.c_uint32 * 7),
    )


@pytest.mark.parametrize(("flags", "remote"), [(0x04909080, False), (0x1000, False), (0x00000018, True), (0, True)])
def test_macos_says_whether_a_disk_is_its_own(flags: int, remote: bool) -> None:
    answer = MacStatfs(f_bsize=4096, f_type=0xFFFFFFFF, f_owner=501, f_fssubtype=0xFFFFFFFF, f_flags=flags)
    assert says_remote(bytes(answer)) is remote
