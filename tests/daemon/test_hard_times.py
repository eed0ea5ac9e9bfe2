"""Unfinished files, a journal that cannot be written, settings that change, a pace that drops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from bridge.daemon.control import Request, ask
from bridge.domain.job import Job, SeparationOptions
from bridge.errors import ConfigError
from bridge.presets.loader import parse
from bridge.worker.client import Worker
from tests.daemon.houses import FAKE_CHILD, House, sound
from tests.faults import files_no_larger_than


def test_half_a_file_is_never_taken_and_the_whole_one_is(tmp_path: Path) -> None:
    house = House(tmp_path)
    whole = sound(tmp_path / "song.wav").read_bytes()
    (house.inbox / "song.wav").write_bytes(whole[: len(whole) // 2])
    assert house.once() == 1
    assert house.states() == {"song.wav": "stalled"}
    assert "not finished" in house.works()[0].reason
    with (house.inbox / "song.wav").open("ab") as file:
        file.write(whole[len(whole) // 2 :])
    assert house.once() == 0
    assert house.drops() == ["song"]


@pytest.mark.skipif(os.name == "nt", reason="limits of the system")
def test_a_journal_that_cannot_be_written_stops_nothing_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.daemon.loop._TRIP_SECONDS", 0.2)
    house = House(tmp_path)
    for number in range(3):
        sound(tmp_path / f"slow {number}.wav", seed=number)
    with house.running():
        # The worker starts before the limit, and is not bound by it.
        (tmp_path / "slow 0.wav").rename(house.inbox / "slow 0.wav")
        house.until(lambda: "separate" in house.told.stages())
        with files_no_larger_than(0):
            house.until(lambda: any("journal" in error.message for _, error in house.told.errors))
            (tmp_path / "slow 1.wav").rename(house.inbox / "slow 1.wav")
            threading.Event().wait(0.5)
        (tmp_path / "slow 2.wav").rename(house.inbox / "slow 2.wav")
        house.until(lambda: list(house.states().values()) == ["done"] * 3)
    assert house.drops() == ["slow 0", "slow 1", "slow 2"]
    assert house.staging_is_clean()
    assert {work.state for work in house.works()} == {"done"}


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_settings_are_read_again_and_wrong_ones_change_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.running() as daemon:
        good = house.inbox
        house.inbox = tmp_path / "another inbox"
        daemon.reload()
        house.until(lambda: house.inbox.exists())
        sound(house.inbox / "early.wav", seed=1)
        house.until(lambda: "early.wav" in house.states())
        house.inbox = house.outbox
        daemon.reload()
        house.until(lambda: any(isinstance(error, ConfigError) for _, error in house.told.errors))
        house.inbox = tmp_path / "another inbox"
        sound(house.inbox / "late.wav", seed=2)
        house.until(lambda: house.states().get("late.wav") == "done")
        sound(good / "elsewhere.wav", seed=3)
        house.inbox = good
        daemon.reload()
        house.until(lambda: house.states().get("elsewhere.wav") == "done")


def test_an_inbox_that_is_taken_away_and_brought_back_loses_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.running():
        ask(house.state, Request(do="pause"))
        house.until(lambda: "Paused by request" in (house.state / "status.json").read_text())
        sound(house.inbox / "song.wav", seed=1)
        house.until(lambda: house.states() == {"song.wav": "ready"})
        away = house.inbox.rename(tmp_path / "away")
        house.until(lambda: "is not there" in (house.state / "status.json").read_text())
        assert house.states() == {"song.wav": "ready"}, "gone is only what is missing in a folder that is there"
        away.rename(house.inbox)
        sound(house.inbox / "next.wav", seed=2)
        ask(house.state, Request(do="resume"))
        house.until(lambda: house.states() == {"song.wav": "done", "next.wav": "done"})


def test_a_render_that_vanishes_before_its_turn_is_closed_without_a_fuss(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.running():
        ask(house.state, Request(do="pause"))
        house.until(lambda: "Paused by request" in (house.state / "status.json").read_text())
        render = sound(house.inbox / "song.wav", seed=1)
        house.until(lambda: house.states() == {"song.wav": "ready"})
        render.unlink()
        house.until(lambda: house.states() == {"song.wav": "gone"})
    assert house.told.errors == []


def test_a_worker_takes_its_pace_and_a_paused_job_can_still_be_taken_back(tmp_path: Path) -> None:
    render = sound(tmp_path / "slow.wav")
    options = SeparationOptions(model="htdemucs_mini", device="cpu", threads=1)
    job = Job("one", render, tmp_path / "outbox", "slow", parse("version: 1\nname: n\n", name="n"), options)
    pids: list[int] = []
    stages: list[object] = []
    with Worker(command=FAKE_CHILD, started=pids.append) as worker:
        worker.pace("stop")
        worker.begin(job, stages.append)
        for _ in range(20):
            assert worker.poll(0.1) is None
        assert worker.silent_seconds == 0.0
        count = len(stages)
        worker.poll(0.5)
        assert len(stages) == count
        worker.cancel()
        assert not list((tmp_path / "outbox").iterdir())
        worker.pace("half")
        worker.begin(job, stages.append)
        while (staged := worker.poll(0.5)) is None:
            pass
        assert staged.folder.is_dir()
        assert len(pids) == 1, "the same worker, which let go in good order"


@pytest.mark.skipif(sys.platform != "linux", reason="how processes are listed")
def test_a_worker_that_hangs_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    render = sound(tmp_path / "hang.wav")
    child = f"""
        import sys
        sys.path[:0] = [{str(Path(FAKE_CHILD[1]).parent)!r}]
        import fake_child
        from bridge.worker import child
        child._ORPHAN_SECONDS = 0.5
        child.serve(fake_child.separator_of)
    """
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
        from pathlib import Path
        from bridge.domain.job import Job, SeparationOptions
        from bridge.presets.loader import parse
        from bridge.worker.client import Worker
        options = SeparationOptions(model="htdemucs_mini", device="cpu", threads=1)
        preset = parse("version: 1\\nname: n\\n", name="n")
        job = Job("one", Path({str(render)!r}), Path({str(tmp_path / "outbox")!r}), "x", preset, options)
        command = (sys.executable, "-c", {textwrap.dedent(child)!r})
        with Worker(command=command, started=lambda pid: print(pid, flush=True)) as worker:
            worker.begin(job, lambda event: print(event, flush=True))
            while True:
                worker.poll(1.0)
    """
    script = textwrap.dedent(code)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert "read" in parent.stdout.readline()
        time.sleep(1.0)  # now it hangs, or will in a moment
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < end
        time.sleep(0.05)
    shutil.rmtree(tmp_path / "outbox", ignore_errors=True)
