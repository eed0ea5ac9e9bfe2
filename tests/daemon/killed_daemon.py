"""Daemons that are killed, with their worker or alone, each at a named step of the work on one render.

Usage: killed_daemon.py FOLDER ATTEMPTS, with a line "STEP|RENDER" on its input for each daemon, answered by the code
that it ended with. Each is a process of its own, forked from one that has loaded what they are made of, as that
takes most of their time. The steps are calls of public functions that are wrapped here; the product knows nothing of
them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bridge.daemon import desk, outcomes, recovery
from bridge.domain.events import StageStarted
from bridge.journal.journal import Journal
from bridge.worker.client import Worker
from tests.daemon.houses import House

FOLDER, STEP, RENDER = Path(sys.argv[1]), "", ""
ATTEMPTS = int(sys.argv[2])
CHILDREN: list[int] = []


def die(step: str, about: object) -> None:
    """End here and now if this is the step, and about our render; on odd days the worker is killed first."""
    if step != STEP or Path(str(getattr(about, "path", about))).stem != RENDER:
        return
    if "with its worker" in STEP:
        for child in CHILDREN:
            os.kill(child, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def wrapped(place: Any, name: str, about: Callable[..., object]) -> None:
    whole = getattr(place, name)

    def around(*args: Any, **kwargs: Any) -> Any:
        die(f"before {name}", about(*args))
        value = whole(*args, **kwargs)
        die(f"after {name}", about(*args))
        return value

    setattr(place, name, around)


def publish_with_steps(staged: Any) -> Any:
    def rename(source: Path, target: Path) -> None:
        die("before rename", staged.name)
        source.rename(target)
        die("after rename", staged.name)

    return publish(staged, rename=rename)


def begin(self: Worker, job: Any, report: Any, decide: Any) -> None:
    def report_and_die(event: Any) -> None:
        report(event)
        if isinstance(event, StageStarted):
            die(f"in {event.stage} with its worker", job.render)

    def decide_and_die(keys: Any) -> Any:
        die("identified with its worker", job.render)
        return decide(keys)

    worker_begin(self, job, report_and_die, decide_and_die)
    CHILDREN[:] = [self._process.pid]
    die("handed over", job.render)


def reach_and_die(self: Journal, work: Any, place: int) -> Any:
    noted = journal_reach(self, work, place)
    if STEP.startswith("noted at ") and noted.reached >= int(STEP.rpartition(" ")[2]) and place >= noted.reached:
        die(STEP, work)
    return noted


journal_reach, Journal.reach = Journal.reach, reach_and_die
desk._NOTE_SECONDS = 0.0
publish, worker_begin = desk.publish, Worker.begin
desk.publish = publish_with_steps
Worker.begin = begin
for method in ("see", "move", "begin", "publishing", "done"):
    wrapped(Journal, method, lambda _, about, *__: about)
wrapped(outcomes, "put_away", lambda work, _: work)
wrapped(recovery, "find_staged", lambda work, *_, **__: work)

if __name__ == "__main__":
    for line in sys.stdin:
        STEP, RENDER = line.rstrip("\n").split("|")
        if (daemon := os.fork()) == 0:
            house = House(FOLDER, attempts=ATTEMPTS)
            house.after = "move" if "put_away" in STEP else "keep"
            code = house.once()
            print(f"never came to '{STEP}': {house.story()}", file=sys.stderr, flush=True)
            os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(daemon, 0)[1]), flush=True)
