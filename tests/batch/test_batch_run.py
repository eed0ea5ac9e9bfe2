"""A run over a library: every render once, the failed ones told, and after a kill no more than what was left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import soundfile

from bridge.batch.plan import Planned, plan_tree
from bridge.batch.run import Batch, Tally
from bridge.delivery.manifest import verify
from bridge.delivery.publish import publish
from bridge.domain.drop import STAGING, Drop
from bridge.domain.events import Event
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.preset import OutputOptions, Preset
from bridge.domain.work import Work
from bridge.errors import BridgeError, DestinationError, ReadError, SetupError, WorkerError
from bridge.intake.plain import identity_of
from bridge.journal.journal import Journal, open_journal
from bridge.presets.loader import parse
from bridge.worker.client import Worker
from tests.songs import mix_of, multitrack

FAKE = (sys.executable, "-X", "utf8", "-m", "tests.daemon.fake_child")
PLAIN = parse("version: 1\nname: plain\n", name="plain")
LOUD = parse("version: 1\nname: loud\nstems:\n  vocals: {chain: [{Gain: {gain_db: 3}}]}\n", name="loud")


@dataclass
class Heard:
    """Remembers what it was told."""

    made: list[str] = field(default_factory=list)
    failed_with: dict[str, BridgeError] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)

    def start(self, render: Path, number: int, of: int) -> None: ...

    def report(self, event: Event) -> None:
        self.events.append(event)

    def say(self, text: str) -> None:
        self.said.append(text)

    def done(self, render: Path, drop: Drop) -> None:
        self.made.append(render.name)

    def failed(self, render: Path | None, error: BridgeError) -> None:
        assert render is not None
        self.failed_with[render.name] = error

    def overall(self, done_seconds: float, total_seconds: float, took_seconds: float) -> None:
        self.progress.append(done_seconds / total_seconds)


@dataclass
class Library:
    """A tree of renders and what is needed to run over it, as often as wanted."""

    home: Path
    worker: Worker
    heard: Heard = field(default_factory=Heard)

    @property
    def top(self) -> Path:
        return self.home / "music"

    def add(self, name: str, *, seed: int = 1) -> Path:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, mix_of(multitrack(0.5, 44100, 2, seed=seed)).T, 44100, subtype="PCM_24")
        return path

    def plan(self) -> tuple[Planned, ...]:
        return plan_tree(sorted(self.top.rglob("*.wav")), self.top, self.home / "out")

    def job(self, one: Planned, name: str, preset: Preset = PLAIN) -> Job:
        options = SeparationOptions(model="htdemucs_mini", device="cpu", threads=1)
        return Job(name, one.render, one.outbox, one.name, preset, options, OutputOptions(format="flac"))

    def run(self, *, failed_too: bool = False, state: str = "state", **more: object) -> tuple[Tally, list[Work]]:
        (self.home / "out").mkdir(exist_ok=True)
        self.heard = Heard()
        with open_journal(self.home / state) as journal:
            batch = self.batch(journal, **more)
            return batch.run(self.plan(), failed_too=failed_too), journal.works()

    def batch(self, journal: Journal, **more: object) -> Batch:
        seconds = {one.render: 0.5 for one in self.plan()}
        values = {"job": self.job, "seconds": seconds, "sleep": self.no_sleep, **more}
        return Batch(journal, [self.worker], self.top, self.home / "out", told=self.heard, **values)

    def no_sleep(self, seconds: float) -> None:
        raise AssertionError("nothing is to be waited for here")

    def drops(self) -> list[str]:
        found = [path.parent for path in (self.home / "out").rglob("drop.json")]
        assert all(not verify(drop) for drop in found)
        assert not list((self.home / "out").rglob(STAGING))
        return sorted(drop.relative_to(self.home / "out").as_posix() for drop in found)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One child for all tests, started before the first: its start is most of their time."""
    with Worker(command=FAKE) as worker:
        library = Library(tmp_path_factory.mktemp("warm"), worker)
        library.add("a.wav")
        worker.run(library.job(library.plan()[0], "warm"), lambda _: None)
        yield worker


@pytest.fixture
def library(tmp_path: Path, worker: Worker) -> Library:
    return Library(tmp_path, worker)


def test_a_bad_file_stops_nothing_and_the_next_run_only_does_what_is_new(library: Library) -> None:
    library.add("a.wav", seed=1)
    library.add("x/b.wav", seed=2)
    (library.top / "bad.wav").write_text("no sound", encoding="utf-8")
    tally, _ = library.run()
    assert tally == Tally(done=2, before=0, failed=1)
    assert library.drops() == ["a", "x/b"]
    assert isinstance(library.heard.failed_with["bad.wav"], ReadError)
    assert library.heard.progress[-1] == 1.0
    library.add("c.wav", seed=3)
    tally, works = library.run()
    assert (tally, library.heard.made) == (Tally(done=1, before=2, failed=1), ["c.wav"])
    assert isinstance(library.heard.failed_with["bad.wav"], ReadError), "it is told again, with its reason"
    assert [work.attempts for work in works if work.path.name == "bad.wav"] == [1], "but not tried again"
    library.add("bad.wav", seed=4)
    assert library.run()[0] == Tally(done=1, before=3, failed=0)


def test_what_failed_is_tried_again_when_asked(library: Library) -> None:
    library.add("a.wav")
    (library.top / "bad.wav").write_text("no sound", encoding="utf-8")
    library.run()
    tally, works = library.run(failed_too=True)
    assert tally == Tally(done=0, before=1, failed=1)
    assert [work.attempts for work in works if work.path.name == "bad.wav"] == [2]


def test_the_same_sound_twice_is_one_drop_and_the_stems_of_another_run_are_used_again(library: Library) -> None:
    library.add("a.wav", seed=5)
    library.add("copy.wav", seed=5)
    tally, works = library.run()
    assert (tally.done, library.drops()) == (2, ["a"])
    keys = works[0].keys
    assert keys is not None
    asked: list[str] = []

    class Elsewhere(dict[str, list[Path]]):
        def get(self, key: str, default: object = None) -> list[Path]:
            asked.append(key)
            return [library.home / "gone", library.home / "out" / "a"]

    def loud(one: Planned, name: str) -> Job:
        return library.job(one, name, LOUD)

    library.run(state="other", stems=Elsewhere(), job=loud)
    assert asked == [keys.separation_key]
    assert library.drops() == ["a", "a 2"]


def test_an_outbox_that_is_taken_away_is_waited_for_and_not_made_anew(library: Library) -> None:
    library.add("a.wav", seed=6)
    out, waits = library.home / "out", []

    def plug_in_at_the_third(seconds: float) -> None:
        assert not out.exists(), "nothing is written where the disk was"
        waits.append(seconds)
        if len(waits) == 3:
            out.mkdir()

    out.mkdir()
    with open_journal(library.home / "state") as journal:
        batch = library.batch(journal, sleep=plug_in_at_the_third)
        out.rmdir()
        tally = batch.run(library.plan())
    assert (tally.done, waits) == (1, sorted(waits))
    assert library.drops() == ["a"]


def test_an_outbox_that_stays_away_ends_the_run_and_the_next_one_goes_on(library: Library) -> None:
    library.add("a.wav", seed=7)
    with open_journal(library.home / "state") as journal:
        batch = library.batch(journal, sleep=lambda _: None, stuck_seconds=100.0)
        with pytest.raises(DestinationError):
            batch.run(library.plan())
        assert [work.state for work in journal.works()] == ["retry"]
    assert library.run()[0] == Tally(done=1)


def killed(library: Library, how_far: Callable[[Batch, Work, Planned], None]) -> None:
    """Do what a run does up to a point, and no more: as if it had been killed there."""
    (library.home / "out").mkdir(exist_ok=True)
    (one,) = library.plan()
    with open_journal(library.home / "state") as journal:
        batch = library.batch(journal)
        work = journal.see(one.render, identity_of(one.render.stat()), library.top)
        how_far(batch, journal.begin(journal.move(work, "ready")), one)
    # What a process holds is free once it is dead.
    library.worker.release()


def stage(batch: Batch, work: Work, one: Planned):
    keys = []
    batch.workers[0].begin(batch.job(one, work.job_id), lambda _: None, keys.append)
    while (staged := batch.workers[0].poll(0.2)) is None:
        pass
    return staged, keys[0]


def killed_at_once(batch: Batch, work: Work, one: Planned) -> None:
    """The attempt is counted, nothing is made."""


def killed_when_staged(batch: Batch, work: Work, one: Planned) -> None:
    stage(batch, work, one)


def killed_before_the_rename(batch: Batch, work: Work, one: Planned) -> None:
    _, keys = stage(batch, work, one)
    batch.journal.publishing(work, keys)


def killed_after_the_rename(batch: Batch, work: Work, one: Planned) -> None:
    staged, keys = stage(batch, work, one)
    batch.journal.publishing(work, keys)
    publish(staged)


@pytest.mark.parametrize(
    ("how_far", "made_again"),
    [
        (killed_at_once, True),
        (killed_when_staged, True),
        (killed_before_the_rename, False),
        (killed_after_the_rename, False),
    ],
)
def test_a_run_that_was_killed_anywhere_ends_with_one_whole_drop(
    library: Library, how_far: Callable[[Batch, Work, Planned], None], made_again: bool
) -> None:
    library.add("a.wav", seed=8)
    killed(library, how_far)
    tally, works = library.run()
    assert tally == Tally(done=int(made_again), before=int(not made_again))
    assert library.drops() == ["a"]
    assert [work.state for work in works] == ["done"]


def test_a_render_that_kills_every_run_is_put_aside(library: Library) -> None:
    library.add("a.wav", seed=9)
    for _ in range(9):
        killed(library, killed_at_once)
    tally, _ = library.run()
    assert tally.failed == 1
    assert isinstance(library.heard.failed_with["a.wav"], WorkerError)


def test_what_the_user_must_change_ends_the_run_and_costs_no_attempt(library: Library) -> None:
    library.add("a.wav", seed=10)

    def unusable(one: Planned, name: str) -> Job:
        raise SetupError("The preset is gone.")

    for _ in range(4):
        with pytest.raises(SetupError):
            library.run(job=unusable)
    assert library.run()[0] == Tally(done=1)
