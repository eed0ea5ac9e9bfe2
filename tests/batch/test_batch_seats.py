"""Several workers at one library: every render once, whoever gets it, and nothing half done when it all stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.batch.run import Batch, Tally
from bridge.config import load
from bridge.domain.drop import Drop
from bridge.domain.events import Report
from bridge.domain.job import Job
from bridge.domain.work import Identified
from bridge.journal.journal import Journal, open_journal
from bridge.worker.client import Worker
from tests.batch.test_batch_run import FAKE, Heard, Library


class Seen(Worker):
    """Notes the devices that it was asked for; computes on the CPU."""

    def begin(self, job: Job, report: Report, decide: Callable[[Identified], Path | None] = lambda _: None) -> None:
        self.devices = [*getattr(self, "devices", []), job.separation.device]
        super().begin(job, report, decide)


@dataclass
class Noted(Heard):
    order: list[str] = field(default_factory=list)

    def start(self, render: Path, number: int, of: int) -> None:
        self.order.append(f"start {render.name}")

    def done(self, render: Path, drop: Drop) -> None:
        self.order.append(f"done {render.name}")
        super().done(render, drop)


@dataclass
class Shared(Library):
    more: Worker | None = None

    def batch(self, journal: Journal, **more: object) -> Batch:
        assert self.more is not None
        self.heard = more.pop("told", None) or Noted()  # type: ignore[assignment]
        seconds = {one.render: 0.5 for one in self.plan()}
        values = {"job": self.job, "seconds": seconds, "sleep": self.no_sleep, "devices": ("cuda:0", "cuda:1"), **more}
        return Batch(journal, [self.worker, self.more], self.top, self.home / "out", told=self.heard, **values)


@pytest.fixture(scope="module")
def workers() -> Iterator[tuple[Seen, Seen]]:
    with Seen(command=FAKE) as one, Seen(command=FAKE) as other:
        one.warm()
        other.warm()
        yield one, other


@pytest.fixture
def library(tmp_path: Path, workers: tuple[Seen, Seen]) -> Shared:
    for worker in workers:
        worker.devices = []
    return Shared(tmp_path, workers[0], more=workers[1])


def test_renders_are_shared_out_and_each_is_done_once(library: Shared, workers: tuple[Seen, Seen]) -> None:
    for number in range(4):
        library.add(f"{number}.wav", seed=number)
    library.add("bad.wav").write_text("no sound", encoding="utf-8")
    tally, works = library.run()
    assert tally == Tally(done=4, failed=1)
    assert library.drops() == ["0", "1", "2", "3"]
    assert [set(worker.devices) for worker in workers] == [{"cuda:0"}, {"cuda:1"}]
    assert sum(len(worker.devices) for worker in workers) == 5
    assert library.heard.order[:2] == ["start 0.wav", "start 1.wav"], "both are at work before one is done"
    assert library.heard.progress[-1] == 1.0
    assert {work.state for work in works} == {"done", "parked"}
    assert library.run()[0] == Tally(before=4, failed=1)


def test_the_same_sound_at_two_workers_is_one_drop(library: Shared) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        library.add(name, seed=7)
    tally, works = library.run()
    assert (tally, library.drops()) == (Tally(done=3), ["a"])
    assert {work.drop for work in works} == {library.home / "out" / "a"}


def test_a_worker_that_dies_costs_its_own_render_only(tmp_path: Path) -> None:
    with Seen(command=FAKE) as one, Seen(command=FAKE) as other:
        library = Shared(tmp_path, one, more=other)
        library.add("crash.wav", seed=1)
        for number in range(3):
            library.add(f"{number}.wav", seed=number + 2)
        tally, _ = library.run(attempts=2)
    assert tally == Tally(done=3, failed=1)
    assert library.drops() == ["0", "1", "2"]


def test_what_ends_a_run_takes_back_all_that_is_under_way(library: Shared) -> None:
    for number in range(4):
        library.add(f"{number}.wav", seed=number)

    class Impatient(Noted):
        def start(self, render: Path, number: int, of: int) -> None:
            super().start(render, number, of)
            if number == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.run(told=Impatient())
    with open_journal(library.home / "state") as journal:
        assert {work.state for work in journal.works()} <= {"done", "retry", "ready"}
    done = len(library.drops())  # which also looks that nothing is staged
    assert library.run()[0] == Tally(done=4 - done, before=done)


def test_every_card_that_is_named_works_for_a_batch_and_the_first_for_a_single_job(tmp_path: Path) -> None:
    settings = load(environment={"STEM_BRIDGE_SEPARATION_DEVICE": "cuda:0, cuda:1"}).separation
    assert settings.devices == ("cuda:0", "cuda:1")
    assert settings.options("htdemucs").device == "cuda:0"
    assert load(environment={"STEM_BRIDGE_SEPARATION_DEVICE": "mps"}).separation.devices == ("mps",)
