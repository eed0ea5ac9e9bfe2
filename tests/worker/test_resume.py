"""A job whose worker is killed goes on at its last finished segment, in a new process, and makes the same drop."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.delivery.manifest import read
from bridge.delivery.publish import publish
from bridge.domain.drop import Drop
from bridge.domain.events import Event, Notice
from bridge.domain.job import Job, SeparationOptions, StoreOptions
from bridge.errors import WorkerError
from bridge.presets.loader import parse
from bridge.separation.store import usage_of_store
from bridge.worker.client import Worker

DRY = parse("version: 1\nname: dry\ndescription: Nothing done.\n", name="dry")
CHILD = (sys.executable, "-P", str(Path(__file__).with_name("counting_child.py")))


def job_of(folder: Path, number: int, store: StoreOptions | None) -> Job:
    return Job(
        f"job{number}",
        folder / "song.wav",
        folder / "outbox",
        "song",
        DRY,
        SeparationOptions("htdemucs_mini"),
        store=store,
    )


def forwards(folder: Path) -> int:
    log = folder / "forwards.txt"
    count = len(log.read_text().split()) if log.exists() else 0
    log.unlink(missing_ok=True)
    return count


def stems_of(drop: Drop) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((drop.folder / "stems").iterdir())}


@pytest.mark.parametrize("max_bytes", [10**9, 4 << 20], ids=["in the store", "in a folder of its own"])
def test_a_killed_job_goes_on_at_its_last_finished_segment(tmp_path: Path, max_bytes: int) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal((20 * 44100, 2))
    soundfile.write(tmp_path / "song.wav", samples, 44100, subtype="PCM_24")
    store = StoreOptions(tmp_path / "store", max_bytes)
    said: list[Event] = []
    with Worker(command=CHILD) as worker:
        plain = publish(worker.run(job_of(tmp_path, 1, None), said.append))
        worker.release()
        whole = forwards(tmp_path)
        (tmp_path / "dies at").write_text("18")
        with pytest.raises(WorkerError):
            worker.run(job_of(tmp_path, 2, store), said.append)
        assert forwards(tmp_path) == 18
        (tmp_path / "dies at").unlink()
        resumed = publish(worker.run(job_of(tmp_path, 3, store), said.append))
        worker.release()
        assert forwards(tmp_path) == whole - 17
        record = read(resumed.manifest).model.segments
        assert record is not None
        assert (record.stored, record.computed) == (17, whole - 17)
        assert stems_of(resumed) == stems_of(plain)
        assert read(plain.manifest).model.segments is None
        (tmp_path / "dies at").write_text("1")
        if max_bytes == 10**9:
            other = replace(job_of(tmp_path, 4, store), separation=SeparationOptions("htdemucs_mini", ("vocals",)))
            publish(worker.run(other, said.append))
            worker.release()
            assert forwards(tmp_path) == 0, "a subset of what was separated needs no network"
    kept = usage_of_store(tmp_path / "store")
    assert kept[1].files == 0, "what was kept for one job goes with its end"
    assert (kept[0].files > 0) == (max_bytes == 10**9)
    assert not [event for event in said if isinstance(event, Notice)]
