"""Renders at random moments into a real `watch`, while it is killed, robbed and lied to; then everything is counted.

    python benchmarks/soak.py --minutes 8 --renders 120

Every so often the daemon or its worker gets a SIGKILL, a render is deleted or replaced, a file is written in pieces.
At the end each render that nobody touched must have made exactly one whole drop, no other more than one of each of its
contents, nothing may be left in staging, and no worker may have outlived its daemon. Exits with 1 when that is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.watching import Watching, figures_of, render, workers_of
from bridge.delivery.manifest import read, verify
from bridge.domain.drop import MANIFEST
from bridge.journal.journal import read_works


class Soak:
    """One run."""

    def __init__(self, watching: Watching, renders: int, seconds: float, seed: int) -> None:
        self.watching = watching
        self.luck = random.Random(seed)
        self.left = renders
        self.seconds = seconds
        self.alone: dict[Path, str] = {}
        """Renders that nobody touched, and the hash of what they hold."""
        self.disturbed: set[str] = set()
        self.did: Counter[str] = Counter()
        self.samples: list[tuple[float, float, int, int]] = []

    def run(self) -> None:
        watching, began = self.watching, time.monotonic()
        watching.start()
        # What lies there before the first look is left alone, and would be waited for in vain.
        watching.until(60, lambda: watching.status().get("state") == "running")
        time.sleep(5.0)
        next_render = next_fault = 0.0
        while (now := time.monotonic() - began) < self.seconds:
            if now >= next_render and self.left:
                self._render()
                next_render = now + self.luck.expovariate(max(1, self.left) / max(1.0, 0.9 * self.seconds - now))
            if now >= next_fault:
                self._fault()
                next_fault = now + self.luck.uniform(5, 25)
            seen = figures_of(watching.pid)
            if seen is not None and int(now) % 5 == 0:
                self.samples.append((now, seen.rss_mb, seen.files, seen.threads))
            time.sleep(0.25)
        while self.left:
            self._render()

    def _render(self) -> None:
        self.left -= 1
        name = f"take {self.left:04d}.wav"
        path = self.watching.inbox / name
        content = render(path.with_suffix(".tmp"), seed=self.left, seconds=self.luck.uniform(0.2, 2.0))
        if self.luck.random() < 0.3:
            path.with_suffix(".tmp").unlink()
            with path.open("wb") as file:
                for start in range(0, len(content), 65536):
                    file.write(content[start : start + 65536])
                    file.flush()
                    time.sleep(0.05)
            self.did["written in pieces"] += 1
        else:
            path.with_suffix(".tmp").rename(path)
        self.alone[path] = hashlib.sha256(content).hexdigest()

    def _fault(self) -> None:
        what = self.luck.choice(["daemon", "worker", "worker", "delete", "replace", "touch"])
        if what == "daemon":
            self.watching.kill()
            self.did["daemon killed"] += 1
            self.watching.start()
        elif what == "worker":
            for pid in workers_of(self.watching.pid):
                os.kill(pid, signal.SIGKILL)
                self.did["worker killed"] += 1
        elif self.alone:
            path = self.luck.choice(list(self.alone))
            if what == "touch":
                path.touch()
            else:
                self.disturbed.add(self.alone.pop(path))
                path.unlink()
                if what == "replace":
                    content = render(path, seed=100_000 + self.did["replace"])
                    self.alone[path] = hashlib.sha256(content).hexdigest()
            self.did[what] += 1

    def drain(self) -> float:
        """Wait until all that is left is done; returns how long that took."""
        state = self.watching.folder / "data" / "state"

        def idle() -> bool:
            made = {work.path: work.state for work in read_works(state)}
            return all(made.get(path) == "done" for path in self.alone)

        return self.watching.until(600, idle)

    def verdict(self) -> list[str]:
        """Return what is wrong."""
        outbox, wrong = self.watching.outbox, []
        made: Counter[str] = Counter()
        for folder in sorted(outbox.iterdir()):
            if folder.name.startswith("."):
                if folder.is_dir():
                    wrong.append(f"left behind: {sorted(folder.iterdir())}")
                continue
            wrong += [f"{folder.name}: {problem}" for problem in verify(folder)]
            made[read(folder / MANIFEST).render.sha256] += 1
        for path, sha256 in self.alone.items():
            if made[sha256] != 1:
                wrong.append(f"{path.name} has {made[sha256]} drops")
            if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                wrong.append(f"{path.name} was changed")
        wrong += [f"{count} drops of one disturbed render" for key in self.disturbed if (count := made[key]) > 1]
        return wrong


def main() -> None:
    """Run, and print what came of it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=8.0)
    arguments.add_argument("--renders", type=int, default=120)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        watching = Watching(Path(folder) / "soak", settle_seconds=0.5)
        soak = Soak(watching, chosen.renders, 60 * chosen.minutes, chosen.seed)
        try:
            soak.run()
            drained = soak.drain()
        except BaseException:
            watching.kill()
            raise
        works = read_works(watching.folder / "data" / "state")
        pid = watching.pid
        watching.stop()
        wrong = soak.verdict() + [f"worker {left} outlived its daemon" for left in workers_of(pid)]
        attempts = Counter(work.attempts for work in works if work.state == "done")
        print(f"renders {len(soak.alone)} left alone, {len(soak.disturbed)} deleted or replaced; {dict(soak.did)}")
        print(f"daemon starts {watching.starts}; attempts {dict(attempts)}; drained in {drained:.0f} s")
        third = max(1, len(soak.samples) // 3)
        for name, part in (("first", soak.samples[:third]), ("last", soak.samples[-third:])):
            rss, files, threads = (max(sample[number] for sample in part) for number in (1, 2, 3))
            print(f"{name} third: at most {rss:.0f} MB resident, {files} open files, {threads} threads")
        for sentence in wrong:
            print(f"WRONG: {sentence}")
        print("every render exactly one drop, nothing left behind" if not wrong else f"{len(wrong)} things are wrong")
        if wrong:
            print((watching.folder / "said.txt").read_text(errors="replace")[-3000:])
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
