"""Folders that cannot work are refused with the reason; those that will surprise are said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge.config import Inbox
from bridge.errors import ConfigError
from bridge.intake.folders import check_folders, cloud_of

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")


def folders(top: Path, inbox: str = "in", outbox: str = "out") -> Inbox:
    for name in (inbox, outbox):
        (top / name).mkdir(parents=True, exist_ok=True)
    return Inbox(path=top / inbox, outbox=top / outbox)


def local(_: Path) -> bool:
    return False


def test_two_folders_side_by_side_are_fine(tmp_path: Path) -> None:
    assert check_folders([folders(tmp_path), folders(tmp_path, "in 2")], network=local) == ()


@pytest.mark.parametrize(("inbox", "outbox"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "a/../a"), ("a", "a/b/c")])
def test_folders_in_one_another_are_refused(tmp_path: Path, inbox: str, outbox: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_folders([folders(tmp_path, inbox, outbox)], network=local)
    assert caught.value.hint


def test_two_inboxes_in_one_another_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        check_folders([folders(tmp_path, "a", "out"), folders(tmp_path, "a/b", "out 2")], network=local)


@posix_only
def test_links_hide_no_overlap(tmp_path: Path) -> None:
    folders(tmp_path, "in", "in/out")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "in" / "out")
    with pytest.raises(ConfigError):
        check_folders([Inbox(path=tmp_path / "in", outbox=tmp_path / "elsewhere")], network=local)
    (tmp_path / "again").symlink_to(tmp_path / "in")
    with pytest.raises(ConfigError):
        check_folders([Inbox(path=tmp_path / "in", outbox=tmp_path / "again" / "not there yet")], network=local)


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs mount namespaces")
@pytest.mark.parametrize(
    ("mount", "word"), [('mount --bind "$1/in" "$1/out"', "same"), ('mount -t tmpfs none "$1/out/.staging"', "disk")]
)
def test_mounts_hide_no_overlap_and_no_other_disk(tmp_path: Path, mount: str, word: str) -> None:
    folders(tmp_path)
    (tmp_path / "out" / ".staging").mkdir()
    code = (
        "import sys; from pathlib import Path; from bridge.config import Inbox; from bridge.errors import ConfigError\n"
        "from bridge.intake.folders import check_folders\n"
        "top = Path(sys.argv[1])\n"
        "try: check_folders([Inbox(path=top / 'in', outbox=top / 'out')]); print('fine')\n"
        "except ConfigError as error: print(error.message)"
    )
    script = f'{mount} 2>/dev/null || exit 77; exec "$2" -c "$3" "$1"'
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, code]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    if run.returncode != 0 and "Error" not in run.stderr:
        pytest.skip("mounting is not allowed here")
    assert word in run.stdout, run.stderr


def test_what_works_but_surprises_is_said(tmp_path: Path) -> None:
    (words,) = check_folders([Inbox(path=tmp_path / "not there", outbox=tmp_path / "out")], network=local)
    assert "not there" in words
    (words,) = check_folders([folders(tmp_path)], network=lambda _: True)
    assert "network" in words
    said = check_folders([folders(tmp_path, "Dropbox/in", "OneDrive - Studio/out")], network=local)
    assert ["Dropbox" in said[0], "OneDrive - Studio" in said[1]] == [True, True]
    assert all(words.endswith(".") for words in said)


@posix_only
@pytest.mark.parametrize(
    ("folder", "cloud"),
    [
        ("/home/me/Dropbox/in", "/home/me/Dropbox"),
        ("/home/me/Dropbox (Studio)/in", "/home/me/Dropbox (Studio)"),
        ("/home/me/OneDrive/in", "/home/me/OneDrive"),
        ("/Users/me/OneDrive - Big Label/in", "/Users/me/OneDrive - Big Label"),
        ("/Users/me/Library/CloudStorage/Anything-me@x/in", "/Users/me/Library/CloudStorage"),
        ("/Users/me/Library/Mobile Documents/com~apple~CloudDocs/in",
         "/Users/me/Library/Mobile Documents/com~apple~CloudDocs"),
        ("/Users/me/Google Drive/in", "/Users/me/Google Drive"),
        ("/home/me/Nextcloud/in", "/home/me/Nextcloud"),
        ("/home/me/StemBridge/inbox", ""),
        ("/home/me/my dropbox ideas/in", ""),
        ("/home/me/Boxes/in", ""),
        ("/home/me/Megaphone/in", ""),
    ],
)  # fmt: skip
def test_cloud_folders_are_known_by_their_names(folder: str, cloud: str) -> None:
    assert cloud_of(Path(folder), environment={}, home=Path("/Users/me"), platform="darwin") == cloud


@posix_only
def test_windows_says_itself_which_folder_is_the_cloud_s() -> None:
    environment = {"OneDriveCommercial": "/c/users/me/Firma"}
    assert cloud_of(Path("/C/Users/me/Firma/in"), environment=environment, platform="win32") == "/C/Users/me/Firma"
    assert cloud_of(Path("/C/Users/me/Firmament/in"), environment=environment, platform="win32") == ""
    assert cloud_of(Path("/C/Users/me/Firma/in"), environment=environment, platform="linux") == ""


@posix_only
@pytest.mark.parametrize(
    ("facts", "cloud"),
    [
        ({"st_file_attributes": 0x10}, ""),
        ({"st_file_attributes": 0x10 | 0x100000}, "/data/Studio"),
        ({"st_file_attributes": 0x10 | 0x80000}, "/data/Studio"),
        ({"st_reparse_tag": 0x9000001A}, "/data/Studio"),
        ({"st_reparse_tag": 0x9000601A}, "/data/Studio"),
        ({"st_reparse_tag": 0xA000000C}, ""),
        ({"st_flags": 0x40000000}, "/data/Studio"),
    ],
)
def test_cloud_folders_are_known_by_their_attributes(facts: dict[str, int], cloud: str) -> None:
    def lstat(folder: Path) -> SimpleNamespace:
        if folder == Path("/data/Studio"):
            return SimpleNamespace(**facts)
        if folder == Path("/data/Studio/in"):
            raise FileNotFoundError
        return SimpleNamespace()

    assert cloud_of(Path("/data/Studio/in"), environment={}, platform="win32", lstat=lstat) == cloud  # type: ignore[arg-type]
