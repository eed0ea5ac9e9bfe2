"""The worker process: what crosses the border comes back equal, and whatever dies costs one job at most."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.delivery.manifest import read
from bridge.delivery.publish import publish
from bridge.domain.drop import Staged
from bridge.domain.events import Event, Notice, Progress, StageStarted
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.preset import OutputOptions
from bridge.errors import BridgeError, DeviceError, PresetError, ReadError, RenderError, WorkerError
from bridge.presets.loader import parse
from bridge.worker import protocol
from bridge.worker.client import Worker
from tests.songs import mix_of, multitrack

PRESET = parse(
    """
version: 1
name: rich
description: Everything a preset can hold.
stems:
  vocals:
    reference_lufs: -20
    chain:
      - Compressor: {threshold_db: -20, ratio: 2, link: true}
      - parallel: [[], [{Distortion: {drive_db: 6}}, {Gain: {gain_db: -14}}]]
    gain_db: -1.5
    bus: VOX
  "*": {bus: MUSIC, pan: 0.25}
buses:
  VOX: {color: "#d1495b", reaper_fx: [ReaComp]}
  MUSIC: {color: "#30638e"}
  VERB: {reaper_fx: [ReaVerbate]}
sends:
  - {from: VOX, to: VERB, level_db: -14}
""",
    name="rich",
)


@pytest.fixture
def render(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, mix_of(multitrack(2.0, 44100, 2, seed=1)).T, 44100, subtype="PCM_24")
    return path


def job_for(render: Path, number: int = 1) -> Job:
    options = SeparationOptions(model="htdemucs_mini", device="cpu", threads=1)
    return Job(f"job{number}", render, render.parent / "outbox", render.stem, PRESET, options)


def test_everything_that_crosses_the_border_comes_back_equal(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(b"/tmp/not-utf8-\xff/\xe2\x98\x83 ]===].wav"))
    job = replace(
        job_for(odd), output=OutputOptions("flac", "PCM_24", dry=False), model_folders=(odd,), stems_from=odd.parent
    )
    assert protocol.decode_job(_through_a_pipe(protocol.encode_job(job))) == job
    staged = Staged(odd, "name", odd)
    assert protocol.decode_staged(_through_a_pipe(protocol.encode_staged(staged))) == staged
    events: list[Event] = [StageStarted("read", 1.5), Progress("check", 0.25, 1.5), Notice("Ünïcödé\n]]")]
    for event in events:
        assert protocol.decode_event(_through_a_pipe(protocol.encode_event(event))) == event
    raised = PresetError("a", hint="b", path=odd)
    raised.__cause__ = KeyError("c")
    error = protocol.decode_error(_through_a_pipe(protocol.encode_error(raised)))
    assert (type(error), error.message, error.hint, error.path) == (PresetError, "a", "b", odd)
    assert (type(error.__cause__).__name__, str(error.__cause__)) == ("KeyError", "'c'")


def _through_a_pipe(message: dict[str, object]) -> dict[str, object]:
    import json

    line = protocol.line(message)
    assert line.count(b"\n") == 1
    decoded: dict[str, object] = json.loads(line)
    return decoded


def test_jobs_in_a_row_share_one_worker_and_a_bad_render_costs_only_itself(render: Path) -> None:
    bad = render.with_name("bad.wav")
    bad.write_text("this is no sound")
    events: list[Event] = []
    with Worker() as worker:
        first = publish(worker.run(job_for(render, 1), events.append))
        with pytest.raises(ReadError, match=r"^bad\.wav"):
            worker.run(job_for(bad, 2), events.append)
        second = publish(worker.run(job_for(render, 3), events.append))
    assert (first.folder.name, second.folder.name) == ("song", "song 2")
    assert [event.stage for event in events if isinstance(event, StageStarted)].count("separate") == 2
    made = [read(drop.manifest) for drop in (first, second)]
    assert made[0].model.is_trial
    assert [file.sha256 for file in made[0].files] == [file.sha256 for file in made[1].files]
    assert not (render.parent / "outbox" / ".staging").exists()


@pytest.mark.parametrize("why", [KeyboardInterrupt, BrokenPipeError])
def test_an_interrupt_or_a_listener_that_is_gone_takes_the_job_back_and_the_worker_goes_on(
    render: Path, why: type[BaseException]
) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage == "separate":
            raise why

    with Worker() as worker:
        with pytest.raises(why):
            worker.run(job_for(render, 1), interrupt)
        assert not list((render.parent / "outbox").iterdir())
        assert publish(worker.run(job_for(render, 2), lambda _: None)).folder.is_dir()


def test_a_worker_that_does_not_let_go_is_gone_before_the_next_job(
    render: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.worker.client._CANCEL_GRACE_SECONDS", 0.05)
    pids: list[int] = []
    code = "import threading; threading.Event().wait()"
    with Worker(command=(sys.executable, "-c", code), started=pids.append) as worker:
        for number in range(3):
            worker.begin(job_for(render, number), lambda _: None)
            worker.cancel()
            assert not worker.runs
    assert len(set(pids)) == 3


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os._exit(3)", "os.kill(os.getpid(), 9)", "sys.exit()", "sys.stdout.write('{')"]
)
def test_a_worker_that_dies_costs_one_job_and_leaves_nothing_staged(render: Path, end: str) -> None:
    if os.name == "nt" and "kill" in end:
        pytest.skip("no signals on Windows")
    code = f"""
        import os, sys, pathlib
        sys.stdin.buffer.readline()
        stage = pathlib.Path({str(render.parent / "outbox" / ".staging" / "job1" / "work")!r})
        stage.mkdir(parents=True)
        (stage / "half.wav").write_bytes(b"x")
        print("out of luck", file=sys.stderr, flush=True)
        {end}
    """
    with Worker(command=(sys.executable, "-c", textwrap.dedent(code))) as worker:
        with pytest.raises(WorkerError, match=r"died .*while it worked on song\.wav.*out of luck") as raised:
            worker.run(job_for(render), lambda _: None)
        assert raised.value.path == render
        assert not list((render.parent / "outbox").iterdir())
        with pytest.raises(WorkerError, match="died"):
            worker.run(job_for(render), lambda _: None)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL of a parent; Windows needs a job object")
def test_a_worker_whose_parent_is_killed_cleans_up_and_ends(tmp_path: Path) -> None:
    render = tmp_path / "long.wav"
    soundfile.write(render, np.random.default_rng(1).normal(0, 0.1, (44100 * 60, 2)), 44100, subtype="PCM_16")
    code = f"""
        from pathlib import Path
        from bridge.domain.job import Job, SeparationOptions
        from bridge.presets.loader import parse
        from bridge.worker.client import Worker
        render = Path({str(render)!r})
        options = SeparationOptions(model="htdemucs_mini", device="cpu", threads=1)
        preset = parse("version: 1\\nname: n\\n", name="n")
        with Worker() as worker:
            def tell(event):
                if getattr(event, "stage", "") == "separate":
                    print(worker._process.pid, flush=True)
            worker.run(Job("killed", render, render.parent / "outbox", "long", preset, options), tell)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert (tmp_path / "outbox" / ".staging" / "killed").is_dir()
        parent.send_signal(signal.SIGKILL)
    for _ in range(300):
        if not _runs(child):
            break
        time.sleep(0.1)
    assert not _runs(child)
    assert not list((tmp_path / "outbox").iterdir())


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return False
    return state != "Z"


def test_a_fault_of_ours_is_told_as_one(render: Path) -> None:
    with Worker() as worker, pytest.raises(BridgeError, match="Internal error") as raised:
        worker.run(
            replace(job_for(render), separation=SeparationOptions("htdemucs_mini", overlap=math.nan)), lambda _: None
        )
    assert "report" in raised.value.hint
    told = "".join(traceback.format_exception(raised.value))
    assert "bridge/pipeline/process.py" in told.replace(os.sep, "/"), "-vv shows where it went wrong in the worker"
    assert type(raised.value.__cause__).__name__ == "ValueError"


def test_a_device_that_failed_costs_the_worker_that_used_it(render: Path) -> None:
    code = """
        import json, os, sys
        sys.stdin.buffer.readline()
        failed = {"is": "failed", "error": "DeviceError", "message": "Gone.", "hint": "", "path": None, "cause": None}
        print(json.dumps({**failed, "trace": str(os.getpid())}), flush=True)
        sys.stdin.buffer.read()
    """
    workers = set()
    with Worker(command=(sys.executable, "-c", textwrap.dedent(code))) as worker:
        for number in range(2):
            with pytest.raises(DeviceError) as raised:
                worker.run(job_for(render, number), lambda _: None)
            workers.update(raised.value.__notes__)
    assert len(workers) == 2


def test_a_worker_asks_for_large_pages_unless_the_user_has_said_what_it_asks_for(
    render: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
        import json, os, sys
        sys.stdin.buffer.readline()
        failed = {"is": "failed", "error": "RenderError", "hint": "", "path": None, "cause": None, "trace": ""}
        print(json.dumps({**failed, "message": os.environ["GLIBC_TUNABLES"]}), flush=True)
    """
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    for asked in ("glibc.malloc.hugetlb=1", "glibc.malloc.hugetlb=0"):
        with (
            Worker(command=(sys.executable, "-c", textwrap.dedent(code))) as worker,
            pytest.raises(RenderError) as told,
        ):
            worker.run(job_for(render), lambda _: None)
        assert told.value.message == asked
        monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")


def test_no_module_is_taken_from_the_folder_where_the_user_stands(
    render: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (render.parent / "json.py").write_text("raise SystemExit('a file of the user was run')")
    monkeypatch.chdir(render.parent)
    with Worker() as worker:
        assert publish(worker.run(job_for(render), lambda _: None)).folder.is_dir()


def test_in_the_worker_nobody_else_has_the_pipes(tmp_path: Path) -> None:
    code = """
        import os, sys
        from bridge.child_pipes import own_pipes
        incoming, outgoing = own_pipes()
        print("chatter", flush=True)
        os.write(1, b"chatter of a library")
        outgoing.write(b"read nothing" if sys.stdin.read() == "" else b"read our message")
        outgoing.write(b", but we read " + incoming.readline())
        outgoing.flush()
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], input=b"a job\n", capture_output=True, cwd=tmp_path, check=True
    )
    assert run.stdout == b"read nothing, but we read a job\n"
    assert run.stderr.count(b"chatter") == 2


def test_a_worker_that_cannot_be_started_says_so_leaves_nothing_and_is_started_later(render: Path) -> None:
    outbox = render.parent / "outbox"
    with Worker(command=(str(render.parent / "no such program"),)) as worker:
        worker.warm()
        assert not worker.runs
        with pytest.raises(DeviceError, match="cannot be started"):
            worker.run(job_for(render), lambda _: None)
        assert not (outbox / ".staging").exists()


def test_a_warm_worker_does_the_job_that_comes(render: Path) -> None:
    started: list[int] = []
    with Worker(started=started.append) as worker:
        worker.warm()
        assert worker.runs
        worker.run(job_for(render), lambda _: None)
        worker.warm()
    assert len(started) == 1
