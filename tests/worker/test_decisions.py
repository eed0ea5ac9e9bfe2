"""A parent that knows the work already can stop a job, or point it at stems that exist, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from bridge.delivery.manifest import read
from bridge.delivery.publish import publish
from bridge.domain.drop import Staged
from bridge.domain.events import Event, StageStarted
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.work import Identified
from bridge.errors import Cancelled, WorkerError
from bridge.presets.loader import parse
from bridge.worker.client import Worker
from tests.songs import mix_of, multitrack

PLAIN = parse("version: 1\nname: plain\n", name="plain")
LOUD = parse("version: 1\nname: loud\nstems:\n  vocals: {chain: [{Gain: {gain_db: 3}}]}\n", name="loud")


@pytest.fixture
def render(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, mix_of(multitrack(2.0, 44100, 2, seed=1)).T, 44100, subtype="PCM_24")
    return path


def job_for(render: Path, job_id: str, preset=PLAIN) -> Job:
    options = SeparationOptions(model="htdemucs_mini", device="cpu", threads=1)
    return Job(job_id, render, render.parent / "outbox", render.stem, preset, options)


def finished(worker: Worker) -> Staged:
    while (staged := worker.poll(0.5)) is None:
        pass
    return staged


def test_keys_tell_the_same_work_from_other_work_and_stems_are_used_again(render: Path) -> None:
    seen: list[Identified] = []
    events: list[Event] = []
    with Worker() as worker:
        worker.begin(job_for(render, "one"), events.append, lambda keys: seen.append(keys))
        first = publish(finished(worker))
        worker.begin(job_for(render, "two", LOUD), events.append, lambda keys: (seen.append(keys), first.folder)[1])
        second = publish(finished(worker))
        worker.begin(job_for(render, "three"), events.append, _stop(seen))
        with pytest.raises(Cancelled):
            finished(worker)
        assert publish(finished_job(worker, job_for(render, "four"))).folder.is_dir()
    assert [event.stage for event in events if isinstance(event, StageStarted)].count("separate") == 1
    assert seen[0] == seen[2]
    assert seen[0].separation_key == seen[1].separation_key
    assert seen[0].drop_key != seen[1].drop_key
    assert seen[0].drop_key == read(first.manifest).drop_id
    assert seen[0].seconds == pytest.approx(2.0)
    assert read(second.manifest).model == read(first.manifest).model
    assert not (render.parent / "outbox" / ".staging").exists()


def finished_job(worker: Worker, job: Job) -> Staged:
    worker.begin(job, lambda _: None)
    return finished(worker)


def _stop(seen: list[Identified]):
    def decide(keys: Identified) -> None:
        seen.append(keys)
        raise Cancelled

    return decide


def test_a_worker_that_is_killed_from_outside_says_so_at_the_next_poll(render: Path) -> None:
    with Worker() as worker:
        worker.begin(job_for(render, "one"), lambda _: None)
        assert worker.silent_seconds < 5
        worker.kill()
        with pytest.raises(WorkerError, match="died"):
            finished(worker)
        assert publish(finished_job(worker, job_for(render, "two"))).folder.is_dir()
