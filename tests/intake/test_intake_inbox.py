"""What lies in an inbox: everything that may be a render, nothing else, and never a wait or an exception."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge.intake.filters import is_placeholder
from bridge.intake.inbox import DEEPEST, Listing, list_inbox

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file kinds")
PRESETS = ("clean", "vocal-air", "Drum Bus")


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(listing: Listing, inbox: Path) -> list[str]:
    return [one.path.relative_to(inbox).as_posix() for one in listing.files]


def test_files_come_with_their_identity_in_the_order_people_count(tmp_path: Path) -> None:
    put(*(tmp_path / name for name in ("take 10.wav", "take 2.WAV", "clean/a.flac", "Take 1.aif")))
    listing = list_inbox(tmp_path, presets=PRESETS)
    assert names(listing, tmp_path) == ["Take 1.aif", "take 2.WAV", "take 10.wav", "clean/a.flac"]
    assert listing.complete
    assert not listing.problems
    for one in listing.files:
        status = one.path.stat()
        found = (one.identity.dev, one.identity.ino, one.identity.size, one.identity.mtime_ns)
        assert found == (status.st_dev, status.st_ino, 1, status.st_mtime_ns)


@pytest.mark.parametrize(
    "litter",
    [
        "song.wav.reapeaks", "song.wav.reapindex", "song.RPP", "song.RPP-bak", "._song.wav", ".DS_Store", "Thumbs.db",
        "desktop.ini", ".stfolder/a.wav", ".stversions/a.wav", "@eaDir/a.wav", ".syncthing.song.wav.tmp",
        ".nfs000.wav", ".fuse_hidden0.wav", "song.wav.part", "song.wav.filepart", "song.wav.crdownload", "song.wav.tmp",
        "song.wav.json", "song.json", "done/song.wav", "Done/clean/song.wav", ".staging/1-1/song.wav",
        ".stem-bridge-canary-0011", "clean/.hidden.wav", "$RECYCLE.BIN/a.wav", "song",
    ],
)  # fmt: skip
def test_litter_is_left_alone_silently(tmp_path: Path, litter: str) -> None:
    put(tmp_path / litter, tmp_path / "real.wav")
    listing = list_inbox(tmp_path, presets=PRESETS)
    assert names(listing, tmp_path) == ["real.wav"]
    assert not listing.problems


def test_a_drop_and_an_outbox_inside_are_never_input(tmp_path: Path) -> None:
    put(tmp_path / "drop" / "drop.json", tmp_path / "drop" / "stems" / "a.wav", tmp_path / "out" / "b.wav")
    assert not list_inbox(tmp_path, outboxes=[tmp_path / "out", tmp_path / "gone"]).files
    put(tmp_path / "drop.json", tmp_path / "c.wav")
    listing = list_inbox(tmp_path)
    assert not listing.files
    assert "drop" in listing.problems[0]


@posix_only
def test_an_outbox_is_known_through_a_link(tmp_path: Path) -> None:
    put(tmp_path / "inbox" / "out" / "b.wav")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "inbox" / "out")
    assert not list_inbox(tmp_path / "inbox", outboxes=[tmp_path / "elsewhere"]).files


@pytest.mark.parametrize(
    ("path", "preset"),
    [
        ("a.wav", None),
        ("clean/a.wav", "clean"),
        ("CLEAN/a.wav", "clean"),
        ("drum bus/a.wav", "Drum Bus"),
        ("clean/album/a.wav", "clean"),
        ("clean/vocal-air/a.wav", "vocal-air"),
        ("album/vocal-air/a.wav", "vocal-air"),
        ("vocl-air/a.wav", None),
        ("album/cd 1/a.wav", None),
    ],
)
def test_the_nearest_folder_named_like_a_preset_chooses_it(tmp_path: Path, path: str, preset: str | None) -> None:
    put(tmp_path / path)
    (found,) = list_inbox(tmp_path, presets=PRESETS).files
    assert found.preset == preset


def test_a_folder_that_nearly_names_a_preset_is_said_once_with_the_name(tmp_path: Path) -> None:
    put(tmp_path / "vocl-air" / "a.wav", tmp_path / "vocl-air" / "b.wav", tmp_path / "empty" / "notes.txt")
    (problem,) = list_inbox(tmp_path, presets=PRESETS).problems
    assert "vocl-air" in problem
    assert problem.endswith("Did you mean 'vocal-air'?")


@posix_only
def test_what_is_no_plain_file_is_said_and_never_waited_for(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    put(inbox / "own.wav", tmp_path / "elsewhere" / "a.wav")
    (inbox / "link.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    (inbox / "device.wav").symlink_to("/dev/zero")
    (inbox / "dangling.wav").symlink_to(tmp_path / "nothing")
    (inbox / "folder").symlink_to(tmp_path / "elsewhere")
    (inbox / "loop").symlink_to(inbox)
    (inbox / "a folder.wav").mkdir()
    os.mkfifo(inbox / "pipe.wav")
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(inbox)
        try:
            server.bind("s.wav")
        finally:
            os.chdir(here)
        listing = list_inbox(inbox)
    assert names(listing, inbox) == ["own.wav"]
    assert len(listing.problems) == 5
    assert all(problem.endswith(".") for problem in listing.problems)


@pytest.mark.parametrize(
    ("facts", "elsewhere"),
    [
        ({"st_file_attributes": 0x20}, False),
        ({"st_file_attributes": 0x20 | 0x400000}, True),
        ({"st_file_attributes": 0x40000}, True),
        ({"st_file_attributes": 0x1000}, True),
        ({"st_flags": 0}, False),
        ({"st_flags": 0x40000000}, True),
        ({}, False),
    ],
)
def test_files_that_are_only_in_a_cloud_are_told_by_what_the_listing_says(
    facts: dict[str, int], elsewhere: bool
) -> None:
    assert is_placeholder(SimpleNamespace(**facts)) is elsewhere  # type: ignore[arg-type]


def test_an_inbox_that_is_not_there_is_no_empty_inbox(tmp_path: Path) -> None:
    put(tmp_path / "a file")
    for inbox in (tmp_path / "gone", tmp_path / "a file", tmp_path / "\0", tmp_path / ("x" * 5000)):
        listing = list_inbox(inbox)
        assert not listing.files
        assert not listing.complete
        assert len(listing.problems) == 1
    assert list_inbox(tmp_path).complete


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_makes_the_listing_incomplete(tmp_path: Path) -> None:
    put(tmp_path / "shut" / "a.wav", tmp_path / "b.wav")
    (tmp_path / "shut").chmod(0)
    listing = list_inbox(tmp_path)
    (tmp_path / "shut").chmod(0o700)
    assert names(listing, tmp_path) == ["b.wav"]
    assert not listing.complete


def test_a_deep_tree_ends_at_a_limit_that_is_said(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(DEEPEST):
        deep = deep / "d"
    put(deep / "last.wav", deep / "d" / "too deep.wav")
    listing = list_inbox(tmp_path)
    assert [one.path.name for one in listing.files] == ["last.wav"]
    assert any("deep" in problem for problem in listing.problems)


def test_a_thousand_bad_things_give_some_sentences_not_a_thousand(tmp_path: Path) -> None:
    for number in range(100):
        put(tmp_path / f"no such preset {number}" / "a.wav")
    listing = list_inbox(tmp_path, presets=PRESETS)
    assert len(listing.files) == 100
    assert len(listing.problems) == 21
    assert "80 more" in listing.problems[-1]


@posix_only
@pytest.mark.parametrize(
    "name",
    ["a\nb.wav", "-rf.wav", "$(id).wav", "`x`.wav", "100%.wav", "]]--.wav", "\u202egpj.wav", "e\u0301.wav", "\xe9.wav",
     "CON.wav", " .wav", "x" * 251 + ".wav"],
)  # fmt: skip
def test_hostile_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert [one.path.name for one in list_inbox(tmp_path).files] == [name]


@posix_only
def test_names_that_are_no_text_are_taken(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    try:
        os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    (found,) = list_inbox(tmp_path).files
    assert os.fsencode(found.path) == raw


def test_twins_in_case_and_in_unicode_form_are_files_of_their_own(tmp_path: Path) -> None:
    wanted = {"e\u0301.wav", "\xe9.wav", "Song.wav", "song.wav"}
    put(*(tmp_path / name for name in wanted))
    there = {path.name for path in tmp_path.iterdir()}
    assert {one.path.name for one in list_inbox(tmp_path).files} == there


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs mount namespaces")
def test_another_disk_mounted_below_is_left_alone_and_said(tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    put(tmp_path / "own.wav")
    code = (
        "import sys; from pathlib import Path; from bridge.intake.inbox import list_inbox\n"
        "found = list_inbox(Path(sys.argv[1])); print([one.path.name for one in found.files], *found.problems)"
    )
    script = 'mount -t tmpfs none "$1/usb" 2>/dev/null || exit 77; touch "$1/usb/a.wav"; exec "$2" -c "$3" "$1"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, code]
    run = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    )
    if run.returncode != 0 and "Error" not in run.stderr:
        pytest.skip("mounting is not allowed here")
    assert run.stdout.startswith("['own.wav'] "), run.stderr
    assert "another disk" in run.stdout
