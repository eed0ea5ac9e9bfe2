"""What the daemon costs while nothing happens, how soon it begins, and how soon it is back after a SIGKILL.

    python benchmarks/idle.py --minutes 10

Default settings but for the mini model; figures are of the supervising process, the worker is a child of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.watching import Watching, figures_of, render


def idle(watching: Watching, minutes: float) -> None:
    """Print CPU and memory of a daemon that has nothing to do."""
    before = figures_of(watching.pid)
    time.sleep(60 * minutes)
    after = figures_of(watching.pid)
    assert before is not None
    assert after is not None
    used = after.cpu_seconds - before.cpu_seconds
    print(f"idle for {minutes:g} minutes: {used:.2f} CPU seconds = {100 * used / (60 * minutes):.3f} % of one core")
    print(f"resident {before.rss_mb:.1f} -> {after.rss_mb:.1f} MB, open files {before.files} -> {after.files}")


def jobs_of(watching: Watching) -> set[str]:
    """Return the jobs that are being worked on, by their lock in staging."""
    return {path.name for path in watching.staging.glob("*.lock")}


def latency(watching: Watching, times: int) -> None:
    """Print the time from a file that is closed to its job that begins."""
    took = []
    for number in range(times):
        render(watching.inbox / f"take {number}.wav", seed=number)
        took.append(watching.until(60, lambda: jobs_of(watching)))
        watching.until(120, lambda number=number: (watching.outbox / f"take {number}").exists())
        watching.until(60, lambda: not jobs_of(watching))
    print(f"file closed to job begun, {watching.settle_seconds:g} s of them to settle: ", end="")
    print(f"{min(took):.2f} to {max(took):.2f} s in {times} runs")


def recovery(watching: Watching, times: int) -> None:
    """Print the time from the start after a SIGKILL in the middle of a job to the job that begins again."""
    took = []
    for number in range(times):
        render(watching.inbox / f"long {number}.wav", seed=1000 + number, seconds=60.0)
        watching.until(60, lambda: jobs_of(watching))
        time.sleep(1.0)
        killed = jobs_of(watching)
        watching.kill()
        watching.start()
        took.append(watching.until(60, lambda killed=killed: jobs_of(watching) - killed))
        watching.until(300, lambda number=number: (watching.outbox / f"long {number}").exists())
        watching.until(60, lambda: not jobs_of(watching))
    print(f"started after a SIGKILL to job begun again: {min(took):.2f} to {max(took):.2f} s in {times} runs")


def main() -> None:
    """Run, and print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--times", type=int, default=5)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        watching = Watching(Path(folder) / "idle")
        watching.start()
        try:
            watching.until(60, lambda: watching.status().get("state") == "running")
            time.sleep(5.0)
            idle(watching, chosen.minutes)
            latency(watching, chosen.times)
            recovery(watching, chosen.times)
        except BaseException:
            watching.kill()
            raise
        watching.stop()


if __name__ == "__main__":
    main()
