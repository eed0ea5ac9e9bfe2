"""A stage is finished or it never was; nothing but complete folders is ever left, and nothing of others is touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.delivery.durable import remove_tree
from bridge.delivery.stage import discard_stage, hold_stage, open_stage, sweep
from bridge.errors import DestinationError, NoSpaceError

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def work_in(outbox: Path, job_id: str, *, failing: BaseException | None = None, finishing: bool = True) -> Path:
    with open_stage(outbox, job_id) as stage:
        (stage.folder / "stems").mkdir()
        (stage.folder / "stems" / "a.wav").write_bytes(b"sound")
        (stage.work / "scratch").write_bytes(b"scratch")
        if failing is not None:
            raise failing
        if finishing:
            stage.finish()
    return stage.folder


def test_a_finished_stage_outlives_its_block_without_the_scratch(tmp_path: Path) -> None:
    outbox = tmp_path / "not" / "there" / "yet"
    folder = work_in(outbox, "job-1")
    assert tree(folder) == {"stems", "stems/a.wav"}
    assert tree(folder.parent) == {"drop", "drop/stems", "drop/stems/a.wav"}
    discard_stage(outbox, "job-1")
    assert tree(outbox) == set()
    discard_stage(outbox, "job-1")


@pytest.mark.parametrize("failing", [ValueError(), KeyboardInterrupt(), GeneratorExit(), None])
def test_whatever_ends_the_block_early_leaves_nothing(tmp_path: Path, failing: BaseException | None) -> None:
    if failing is None:
        work_in(tmp_path, "job-1", finishing=False)
    else:
        with pytest.raises(type(failing)):
            work_in(tmp_path, "job-1", failing=failing)
    assert tree(tmp_path) == set()


def test_what_an_earlier_attempt_of_the_same_job_left_is_gone(tmp_path: Path) -> None:
    left = tmp_path / ".staging" / "job-1" / "drop" / "old.wav"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"old")
    assert tree(work_in(tmp_path, "job-1")) == {"stems", "stems/a.wav"}


def test_one_job_leaves_the_stage_of_another_alone(tmp_path: Path) -> None:
    with open_stage(tmp_path, "job-1") as stage:
        work_in(tmp_path, "job-2", finishing=False)
        with pytest.raises(ValueError, match="boom"):
            work_in(tmp_path, "job-3", failing=ValueError("boom"))
        (stage.folder / "mine").write_bytes(b"")
        stage.finish()
    assert tree(tmp_path / ".staging") == {"job-1", "job-1/drop", "job-1/drop/mine"}


def test_jobs_that_come_and_go_at_once_do_not_take_the_staging_folder_from_each_other(tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def come_and_go(worker: int) -> None:
        start.wait()
        for round_ in range(100):
            with open_stage(tmp_path, f"job-{worker}-{round_}"):
                continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert tree(tmp_path) == set()


def test_an_outbox_that_is_a_file_or_lies_in_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for outbox in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DestinationError) as raised:
            work_in(outbox, "job-1")
        assert raised.value.hint
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_file_where_the_staging_folder_must_be_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / ".staging").write_bytes(b"mine")
    with pytest.raises(DestinationError):
        work_in(tmp_path, "job-1")
    assert (tmp_path / ".staging").read_bytes() == b"mine"


@posix_only
def test_a_staging_folder_that_leads_elsewhere_is_refused_and_nothing_there_is_touched(tmp_path: Path) -> None:
    outbox, elsewhere = tmp_path / "outbox", tmp_path / "elsewhere"
    (elsewhere / "job-1").mkdir(parents=True)
    (elsewhere / "job-1" / "precious").write_bytes(b"mine")
    outbox.mkdir()
    (outbox / ".staging").symlink_to(elsewhere)
    with pytest.raises(DestinationError):
        work_in(outbox, "job-1")
    discard_stage(outbox, "job-1")
    sweep(outbox)
    assert tree(elsewhere) == {"job-1", "job-1/precious"}


@posix_only
def test_a_job_folder_that_is_a_link_is_not_emptied(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    (precious / "mine").write_bytes(b"mine")
    (precious / "mine").chmod(0o400)
    (tmp_path / "outbox" / ".staging").mkdir(parents=True)
    (tmp_path / "outbox" / ".staging" / "job-1").symlink_to(precious)
    with pytest.raises(DestinationError):
        work_in(tmp_path / "outbox", "job-1")
    assert (precious / "mine").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("job_id", ["", ".", "..", "a/b", "../x", "a b", "-x", "x" * 41, "é"])
def test_a_job_id_is_a_plain_word(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(ValueError, match="job id"):
        work_in(tmp_path, job_id)


def test_space_is_asked_for_before_the_work(tmp_path: Path) -> None:
    with open_stage(tmp_path, "job-1") as stage:
        stage.require_space(1)
        with pytest.raises(NoSpaceError) as raised:
            stage.require_space(shutil.disk_usage(tmp_path).free * 2)
    assert "free" in raised.value.message
    assert raised.value.hint


def test_a_stage_whose_files_vanished_cannot_be_finished(tmp_path: Path) -> None:
    with open_stage(tmp_path, "job-1") as stage:
        shutil.rmtree(stage.folder)
        with pytest.raises(DestinationError):
            stage.finish()
    assert tree(tmp_path) == set()


HOLD = """
import sys
from pathlib import Path
from bridge.delivery.stage import hold_stage, open_stage
with hold_stage(Path(sys.argv[1]), "other"), open_stage(Path(sys.argv[1]), "other") as stage:
    (stage.work / "half.wav").write_bytes(b"sound")
    print("holds", flush=True)
    sys.stdin.read()
"""


def holder(outbox: Path) -> subprocess.Popen[bytes]:
    """Another process that stages, until its stdin is closed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(outbox)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"holds"
    return process


def test_what_a_living_process_holds_is_not_swept_and_what_a_killed_one_left_is(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with hold_stage(tmp_path, "mine"):
            work_in(tmp_path, "mine")
            sweep(tmp_path)
            names = {path.name for path in (tmp_path / ".staging").iterdir()}
            assert names == {"other", "other.lock", "mine", "mine.lock"}
            discard_stage(tmp_path, "mine")
        process.kill()
    assert (tmp_path / ".staging" / "other" / "work" / "half.wav").exists()
    sweep(tmp_path)
    assert tree(tmp_path) == set()


def test_a_holder_that_ends_takes_its_lock_along(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.communicate()
    assert tree(tmp_path) == set()


def test_who_discards_what_a_killed_process_staged_takes_its_lock_too(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
    discard_stage(tmp_path, "other")
    assert tree(tmp_path) == set()


def test_sweep_takes_nothing_without_a_lock_file_nor_with_that_of_another_computer(tmp_path: Path) -> None:
    sweep(tmp_path / "no outbox")
    staging = tmp_path / ".staging"
    for name in ("abroad", "unlocked", "not ours", ".hidden"):
        (staging / name / "drop").mkdir(parents=True)
    (staging / "abroad.lock").write_text("another computer", encoding="utf-8")
    (staging / "not ours.lock").write_text("", encoding="utf-8")
    (staging / "folder.lock").mkdir()
    (tmp_path / "song").mkdir()
    before = tree(tmp_path)
    sweep(tmp_path)
    assert tree(tmp_path) == before


def test_a_stage_is_held_while_others_sweep_and_come_and_go(tmp_path: Path) -> None:
    start, stop = threading.Barrier(4), threading.Event()

    def hold_and_go(worker: int) -> None:
        start.wait()
        for round_ in range(100):
            job_id = f"job-{worker}-{round_}"
            with hold_stage(tmp_path, job_id):
                folder = work_in(tmp_path, job_id)
                assert (folder / "stems" / "a.wav").exists()
                discard_stage(tmp_path, job_id)

    def keep_sweeping() -> None:
        start.wait()
        while not stop.is_set():
            sweep(tmp_path)

    with ThreadPoolExecutor(4) as pool:
        sweeping = pool.submit(keep_sweeping)
        try:
            list(pool.map(hold_and_go, range(3)))
        finally:
            stop.set()
        sweeping.result()
    assert tree(tmp_path) == set()


@posix_only
def test_removing_does_not_give_up_at_once_and_does_not_follow_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(kept)
    pauses: list[float] = []
    assert remove_tree(folder, sleep=pauses.append)
    assert kept.read_bytes() == b"mine"
    assert not pauses
    assert not remove_tree(kept, sleep=pauses.append), "a file is no folder"
    assert len(pauses) > 2
    assert 0.2 < sum(pauses) < 3
