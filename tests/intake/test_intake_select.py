"""Which files are renders: one error for each path that gives none, and folders without surprises."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from bridge.errors import ReadError
from bridge.intake.select import find_renders

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file kinds")


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(*paths: Path, recursive: bool = False) -> list[str]:
    return [path.name for path in find_renders(paths, recursive=recursive).renders]


def only_error(*paths: Path, recursive: bool = False) -> ReadError:
    found = find_renders(paths, recursive=recursive)
    assert not found.renders
    assert len(found.refused) == 1
    error = found.refused[0]
    assert isinstance(error, ReadError)
    assert error.message
    assert error.hint
    assert "\n" not in error.message + error.hint
    return error


def test_a_bad_path_costs_one_error_and_no_other_path(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav", tmp_path / "b.wav")
    (tmp_path / "empty").mkdir()
    found = find_renders([tmp_path / "no.wav", tmp_path / "b.wav", tmp_path / "empty", tmp_path / "a.wav"])
    assert [path.name for path in found.renders] == ["b.wav", "a.wav"]
    assert [error.path for error in found.refused] == [tmp_path / "no.wav", tmp_path / "empty"]


def test_a_file_given_by_name_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    for name in ("song", ".hidden.wav", "song.bin", "take.part", "-rf.wav", "100%.wav", "絆ふぉーえばー.wav"):
        touch(tmp_path / name)
        assert names(tmp_path / name) == [name]


@pytest.mark.parametrize("name", ["", "\0", "x" * 5000])
def test_what_is_no_file_name_is_one_error(tmp_path: Path, name: str) -> None:
    only_error(tmp_path / name)


def test_a_folder_gives_its_sound_files_in_the_order_people_count(tmp_path: Path) -> None:
    wanted = ["Take 1.wav", "take 2.WAV", "take 10.flac", "take 10b.aif", "take 100.mp3"]
    touch(*(tmp_path / name for name in reversed(wanted)))
    assert names(tmp_path) == wanted


@pytest.mark.parametrize(
    "litter",
    [
        "song.wav.reapeaks", "song.wav.reapindex", "song.RPP", "song.RPP-bak", "song.wav.part", "song.wav.tmp",
        "song.wav~", "song.wav.crdownload", "song.wav.filepart", "._song.wav", ".hidden.wav", ".DS_Store", "Thumbs.db",
        "desktop.ini", ".nfs0001.wav", ".fuse_hidden0001.wav", ".syncthing.song.wav.tmp", "~syncthing~song.wav.tmp",
        ".staging/job/drop/mix/song.wav", ".stversions/song.wav", "@eaDir/song.wav", "__MACOSX/song.wav",
        "$RECYCLE.BIN/song.wav", "System Volume Information/song.wav",
    ],
)  # fmt: skip
def test_litter_is_left_alone_silently(tmp_path: Path, litter: str) -> None:
    touch(tmp_path / litter, tmp_path / "real.wav")
    found = find_renders([tmp_path], recursive=True)
    assert [path.name for path in found.renders] == ["real.wav"]
    assert not found.refused


def test_our_own_output_is_never_input(tmp_path: Path) -> None:
    drop = tmp_path / "outbox" / "song"
    touch(tmp_path / "new.wav", drop / "drop.json", drop / "stems" / "song - Vocals.wav", drop / "mix" / "song.wav")
    assert names(tmp_path, recursive=True) == ["new.wav"]
    for folder in (drop, drop / "stems"):
        assert "drop" in only_error(folder, recursive=True).message
    assert names(drop / "mix" / "song.wav") == ["song.wav"], "a file the user names is the user's choice"


def test_folders_below_are_looked_into_only_when_asked(tmp_path: Path) -> None:
    touch(tmp_path / "b" / "2.wav", tmp_path / "a" / "deep" / "1.wav", tmp_path / "z.wav")
    assert names(tmp_path) == ["z.wav"]
    assert names(tmp_path, recursive=True) == ["z.wav", "1.wav", "2.wav"]
    assert "below" in only_error(tmp_path / "a").hint


def test_the_same_file_given_twice_is_one_render(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav", tmp_path / "sub" / "x.wav")
    again = [tmp_path, tmp_path / "a.wav", tmp_path / "sub" / ".." / "a.wav"]
    assert names(*again) == ["a.wav"]


def test_two_hard_links_are_two_renders(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav")
    os.link(tmp_path / "a.wav", tmp_path / "b.wav")
    assert names(tmp_path) == ["a.wav", "b.wav"]


@posix_only
def test_links_are_followed_only_when_the_user_names_them(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    touch(tmp_path / "elsewhere" / "real.wav", inbox / "own.wav")
    (inbox / "link.wav").symlink_to(tmp_path / "elsewhere" / "real.wav")
    (inbox / "folder").symlink_to(tmp_path / "elsewhere")
    (inbox / "loop").symlink_to(inbox)
    (inbox / "dangling.wav").symlink_to(tmp_path / "gone.wav")
    assert names(inbox, recursive=True) == ["own.wav"]
    (linked,) = find_renders([inbox / "link.wav"]).renders
    assert linked == tmp_path / "elsewhere" / "real.wav"
    assert names(inbox / "folder") == ["real.wav"]
    assert "leads to nothing" in only_error(inbox / "dangling.wav").message


@posix_only
def test_pipes_sockets_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as server:
        # Socket paths are short; the folder of a test may not be.
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            server.bind("s.wav")
        finally:
            os.chdir(here)
        (tmp_path / "folder.wav").mkdir()
        (tmp_path / "circle.wav").symlink_to(tmp_path / "circle.wav")
        only_error(tmp_path)
        for path in (tmp_path / "pipe.wav", tmp_path / "s.wav", Path("/dev/null"), tmp_path / "circle.wav"):
            only_error(path)


@posix_only
def test_a_very_deep_tree_is_walked_without_recursion(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(1200):
        deep = deep / "d"
        deep.mkdir()
    bottom = deep / "bottom.wav"
    bottom.write_bytes(b"")
    try:
        assert names(tmp_path, recursive=True) == ["bottom.wav"]
    finally:
        # Removed from below here, since pytest's own removal is recursive.
        bottom.unlink()
        while deep != tmp_path:
            deep.rmdir()
            deep = deep.parent


@posix_only
def test_names_that_are_no_text_are_taken(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    try:
        os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    (found,) = find_renders([tmp_path]).renders
    assert os.fsencode(found) == raw
