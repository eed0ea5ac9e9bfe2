"""A drop appears in one rename, complete or not at all, and never over anything."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_drops import stage_drop

from bridge.delivery.manifest import read, verify
from bridge.delivery.publish import publish
from bridge.domain.drop import Staged
from bridge.errors import DeliveryError, DestinationError, NoSpaceError

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


def test_a_published_drop_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    drop = publish(stage_drop(tmp_path, "job-1"))
    assert drop.folder == tmp_path / "song"
    assert drop.manifest == tmp_path / "song" / "drop.json"
    assert drop.import_script == tmp_path / "song" / "import.lua"
    assert verify(drop.folder) == []
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


def test_a_second_take_gets_a_number_and_the_first_is_not_touched(tmp_path: Path) -> None:
    first = publish(stage_drop(tmp_path, "job-1"))
    (first.folder / "stems" / "notes.txt").write_text("mine", encoding="utf-8")
    second = publish(stage_drop(tmp_path, "job-2"))
    third = publish(stage_drop(tmp_path, "job-3", name="SONG"))
    assert [second.folder.name, third.folder.name] == ["song 2", "SONG 3"]
    assert (first.folder / "stems" / "notes.txt").read_text(encoding="utf-8") == "mine"


@posix_only
def test_nothing_of_the_user_is_replaced_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "song").mkdir()
    (tmp_path / "song 2").write_bytes(b"mine")
    (tmp_path / "song 3").symlink_to(tmp_path / "gone")
    assert publish(stage_drop(tmp_path, "job-1")).folder.name == "song 4"
    assert list((tmp_path / "song").iterdir()) == []
    assert (tmp_path / "song 2").read_bytes() == b"mine"
    assert (tmp_path / "song 3").is_symlink()


@pytest.mark.parametrize("kind", ["drop", "file"])
def test_a_name_taken_at_the_last_moment_is_not_replaced_either(tmp_path: Path, kind: str) -> None:
    def rename_after_somebody_else(source: Path, target: Path) -> None:
        if target.name == "song":
            if kind == "file":
                target.write_bytes(b"mine")
            else:
                target.mkdir()
                (target / "mine").write_bytes(b"")
        source.rename(target)

    drop = publish(stage_drop(tmp_path, "job-1"), rename=rename_after_somebody_else)
    assert drop.folder.name == "song 2"
    assert verify(drop.folder) == []
    assert (tmp_path / "song").is_file() if kind == "file" else (tmp_path / "song" / "mine").exists()


def test_many_publishers_of_one_name_all_succeed(tmp_path: Path) -> None:
    many = 8
    staged = [stage_drop(tmp_path, f"job-{number}") for number in range(many)]
    start = threading.Barrier(many)

    def go(number: int) -> Path:
        start.wait()
        return publish(staged[number]).folder

    with ThreadPoolExecutor(many) as pool:
        folders = list(pool.map(go, range(many)))
    assert {folder.name for folder in folders} == {"song", *(f"song {number}" for number in range(2, many + 1))}
    assert all(verify(folder) == [] for folder in folders)
    assert not (tmp_path / ".staging").exists()


def test_where_case_makes_no_name_two_drops_published_at_once_are_two(tmp_path: Path) -> None:
    first, second = stage_drop(tmp_path, "job-1", name="Song"), stage_drop(tmp_path, "job-2", name="song")
    rival: list[Path] = []

    def as_macos_and_windows_do(source: Path, target: Path) -> None:
        if not rival:
            # The other one appears between our look and our rename.
            rival.append(publish(second, rename=os.rename).folder)
        if target.name.casefold() in {entry.name.casefold() for entry in tmp_path.iterdir()}:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        source.rename(target)

    drop = publish(first, rename=as_macos_and_windows_do)
    assert [rival[0].name, drop.folder.name] == ["song", "Song 2"]
    assert verify(drop.folder) == verify(rival[0]) == []


def test_a_drop_whose_disk_does_not_confirm_it_is_there_all_the_same_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    staged = stage_drop(tmp_path, "job-1")
    monkeypatch.setattr("bridge.delivery.publish.fsync_folder", fails)
    drop = publish(staged)
    assert verify(drop.folder) == []
    assert "did not confirm" in drop.doubt
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


@pytest.mark.parametrize("missing", ["drop.json", "stems/song - Vocals.wav"])
def test_an_incomplete_folder_is_never_published(tmp_path: Path, missing: str) -> None:
    staged = stage_drop(tmp_path, "job-1")
    (staged.folder / missing).unlink()
    with pytest.raises(DeliveryError, match=Path(missing).name):
        publish(staged)
    assert [path.name for path in tmp_path.iterdir()] == [".staging"]


def test_a_truncated_stem_is_never_published(tmp_path: Path) -> None:
    staged = stage_drop(tmp_path, "job-1")
    os.truncate(staged.folder / "stems" / "song - Other.wav", 10)
    with pytest.raises(DeliveryError, match="10 bytes"):
        publish(staged)


class WindowsThatHolds:
    """Refuses a rename some times, as Windows does while a scanner looks at the files, then does it."""

    def __init__(self, refusals: int, winerror: int) -> None:
        self.refusals = refusals
        self.winerror = winerror

    def __call__(self, source: Path, target: Path) -> None:
        if self.refusals:
            self.refusals -= 1
            error = PermissionError(errno.EACCES, "The process cannot access the file")
            error.winerror = self.winerror
            raise error
        source.rename(target)


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_scanner_that_holds_the_files_for_a_moment_is_waited_for(tmp_path: Path, winerror: int) -> None:
    pauses: list[float] = []
    drop = publish(stage_drop(tmp_path, "job-1"), rename=WindowsThatHolds(4, winerror), sleep=pauses.append)
    assert verify(drop.folder) == []
    assert len(pauses) == 4


@pytest.mark.parametrize(
    ("rename", "error"),
    [
        (WindowsThatHolds(1000, 32), DestinationError),
        (WindowsThatHolds(1000, 17), DestinationError),
    ],
    ids=["held for good", "another reason"],
)
def test_a_refused_rename_keeps_the_staging_to_be_published_later(
    tmp_path: Path, rename: WindowsThatHolds, error: type[Exception]
) -> None:
    staged = stage_drop(tmp_path, "job-1")
    pauses: list[float] = []
    with pytest.raises(error) as raised:
        publish(staged, rename=rename, sleep=pauses.append)
    assert getattr(raised.value, "hint", "")
    assert sum(pauses) < 30
    assert (len(pauses) > 0) == (rename.winerror == 32)
    assert publish(staged).folder.name == "song"


def test_a_full_disk_at_the_rename_is_no_space(tmp_path: Path) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    staged = stage_drop(tmp_path, "job-1")
    with pytest.raises(NoSpaceError):
        publish(staged, rename=full)
    assert publish(staged).folder.is_dir()


def test_an_outbox_that_went_away_is_one_clear_error(tmp_path: Path) -> None:
    staged = stage_drop(tmp_path / "outbox", "job-1")
    (tmp_path / "outbox").rename(tmp_path / "elsewhere")
    with pytest.raises(DeliveryError) as raised:
        publish(staged)
    assert raised.value.hint


def test_the_name_is_built_again_by_the_publisher(tmp_path: Path) -> None:
    drop = publish(stage_drop(tmp_path / "outbox", "job-1", name="../CON:*"))
    assert drop.folder.parent == tmp_path / "outbox"
    assert drop.folder.name == "_CON__"
    assert read(drop.manifest).files


def test_only_a_staged_folder_can_be_published(tmp_path: Path) -> None:
    drop = publish(stage_drop(tmp_path, "job-1"))
    with pytest.raises(ValueError, match="not a staged folder"):
        publish(Staged(drop.folder, "again", tmp_path))
    assert verify(drop.folder) == []


def test_the_parent_side_loads_no_numpy() -> None:
    rooms = "bridge.delivery.publish, bridge.delivery.stage, bridge.intake.select"
    code = f"import sys, {rooms}; print('numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"
