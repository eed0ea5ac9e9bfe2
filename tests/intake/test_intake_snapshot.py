"""A snapshot is the whole file or an error: what moves while it is read is never taken for a render."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults import files_no_larger_than

from bridge.errors import DestinationError, NoSpaceError, ReadError, RenderChangedError
from bridge.intake.snapshot import take

SIZE = 3 * (1 << 20) + 17
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file kinds")


@pytest.fixture
def render(tmp_path: Path) -> Path:
    path = tmp_path / "inbox" / "song.wav"
    path.parent.mkdir()
    path.write_bytes(os.urandom(SIZE))
    # An hour old, so that any later write shows in the time.
    hour_ago = path.stat().st_mtime_ns - 3600 * 10**9
    os.utime(path, ns=(hour_ago, hour_ago))
    return path


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_the_copy_is_exact_and_the_original_is_untouched(render: Path, into: Path) -> None:
    before = render.stat()
    snapshot = take(render, into)
    assert snapshot.path == into / "snapshot.wav"
    assert snapshot.path.read_bytes() == render.read_bytes()
    assert snapshot.sha256 == hashlib.sha256(render.read_bytes()).hexdigest()
    assert (snapshot.identity.size, snapshot.identity.mtime_ns) == (SIZE, before.st_mtime_ns)
    after = render.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns, after.st_size) == (before.st_mtime_ns, before.st_ctime_ns, SIZE)
    snapshot.path.write_bytes(b"")
    assert render.stat().st_size == SIZE, "the copy is a file of its own"


def test_an_empty_file_is_copied_too(render: Path, into: Path) -> None:
    render.write_bytes(b"")
    assert take(render, into, name="mine").path == into / "mine"


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"RIFF")


def truncate(path: Path) -> None:
    os.truncate(path, 1000)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def delete(path: Path) -> None:
    path.unlink()


def put_a_link(path: Path) -> None:
    path.rename(path.with_name("moved.wav"))
    path.symlink_to("moved.wav")


@contextmanager
def meanwhile(call: str, action: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Do something to the file right before the first time the system is asked for `call`."""
    real, waiting = getattr(os, call), [action]

    def interrupted(*args: object) -> object:
        if waiting:
            waiting.pop()()
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        yield


CHANGES = [grow, rewrite_in_place, truncate, replace, delete, put_a_link]


@posix_only
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_that_changes_while_it_is_read_is_not_taken(
    render: Path, into: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with meanwhile("read", lambda: change(render), monkeypatch), pytest.raises(RenderChangedError) as raised:
        take(render, into)
    assert raised.value.hint
    assert not list(into.iterdir())


@posix_only
@pytest.mark.parametrize("kept_out_by", ["the system", "our own look afterwards"])
def test_a_link_put_there_after_the_look_is_not_followed(
    render: Path, into: Path, kept_out_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept_out_by != "the system":
        monkeypatch.delattr(os, "O_NOFOLLOW")  # as on Windows
    with meanwhile("open", lambda: put_a_link(render), monkeypatch), pytest.raises(RenderChangedError):
        take(render, into)
    assert not list(into.iterdir())


@posix_only
def test_a_pipe_put_there_after_the_look_does_not_wait_for_a_writer(
    render: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_a_pipe() -> None:
        render.unlink()
        os.mkfifo(render)

    with meanwhile("open", put_a_pipe, monkeypatch), pytest.raises(ReadError):
        take(render, into)


@posix_only
def test_what_is_not_a_plain_file_is_refused(tmp_path: Path, render: Path, into: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to(render)
    for path in (
        tmp_path / "pipe.wav",
        tmp_path / "link.wav",
        tmp_path,
        Path("/dev/zero"),
        tmp_path / "gone",
        Path("\0"),
    ):
        with pytest.raises(ReadError) as raised:
            take(path, into)
        assert raised.value.hint
    assert not list(into.iterdir())


def test_a_copy_that_cannot_be_written_says_so_and_leaves_nothing(render: Path, into: Path) -> None:
    with pytest.raises(DestinationError):
        take(render, into / "gone")
    (into / "there").write_bytes(b"mine")
    with pytest.raises(DestinationError):
        take(render, into, name="there")
    assert (into / "there").read_bytes() == b"mine"


@posix_only
def test_a_full_disk_is_no_space_and_leaves_nothing(render: Path, into: Path) -> None:
    with files_no_larger_than(1 << 20), pytest.raises(NoSpaceError) as raised:
        take(render, into)
    assert raised.value.hint
    assert not list(into.iterdir())


@posix_only
def test_a_file_larger_than_the_disk_is_refused_before_the_first_byte(render: Path, into: Path) -> None:
    os.truncate(render, shutil.disk_usage(into).free + (1 << 32))  # a hole; takes no space
    with pytest.raises(NoSpaceError):
        take(render, into)
    assert not list(into.iterdir())


def test_an_interrupted_copy_leaves_nothing(render: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with meanwhile("write", interrupt, monkeypatch), pytest.raises(KeyboardInterrupt):
        take(render, into)
    assert not list(into.iterdir())
