"""A real `stem-bridge watch` with the mini model, as the soak and idle figures need it. Linux only: it reads /proc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

__all__ = ["Figures", "Watching", "figures_of", "render", "workers_of"]

_SETTINGS = """version: 1
inboxes:
  - {{path: {inbox}, outbox: {outbox}, preset: clean, model: htdemucs_mini}}
separation: {{device: cpu, threads: 1}}
intake: {{settle_seconds: {settle}}}
daemon: {{attempts: 100, spare_cores: 0}}
tell: {{desktop: false}}
"""


def render(path: Path, seed: int, seconds: float = 1.0) -> bytes:
    """Write a WAV of noise under a hidden name and rename it; returns its bytes, which no other seed gives."""
    samples = np.random.default_rng(seed).normal(0, 0.1, (round(44100 * seconds), 2)).clip(-1, 1)
    part = path.with_name(f".{path.name}.part")
    soundfile.write(part, samples, 44100, subtype="PCM_16", format="WAV")
    content = part.read_bytes()
    part.rename(path)
    return content


@dataclass(frozen=True)
class Figures:
    """Of one process, now."""

    cpu_seconds: float
    rss_mb: float
    files: int
    threads: int


def figures_of(pid: int) -> Figures | None:
    """Read /proc; None when the process is gone."""
    proc = Path(f"/proc/{pid}")
    try:
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        ticks = int(fields[11]) + int(fields[12])
        files = len(list((proc / "fd").iterdir()))
        return Figures(
            ticks / os.sysconf("SC_CLK_TCK"), int(status["VmRSS"].split()[0]) / 1024, files, int(status["Threads"])
        )
    except (OSError, KeyError):
        return None


def workers_of(pid: int) -> list[int]:
    """Return the children of a process that are workers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"bridge.worker.child" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            # It ended meanwhile.
            continue
    return found


@dataclass
class Watching:
    """The folders, and the daemon that can be killed and started again."""

    folder: Path
    settle_seconds: float = 3.0
    starts: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    def __post_init__(self) -> None:
        for place in (self.inbox, self.outbox):
            place.mkdir(parents=True)
        (self.folder / "bridge.yaml").write_text(
            _SETTINGS.format(inbox=self.inbox, outbox=self.outbox, settle=self.settle_seconds)
        )

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def staging(self) -> Path:
        return self.outbox / ".staging"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the daemon; what it says goes into a file."""
        self.starts += 1
        command = [sys.executable, "-m", "bridge", "watch", "--config", str(self.folder / "bridge.yaml")]
        environment = {**os.environ, "STEM_BRIDGE_DATA": str(self.folder / "data"), "OMP_NUM_THREADS": "1"}
        with (self.folder / "said.txt").open("ab") as said:
            self.process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)

    def kill(self) -> None:
        """SIGKILL, as the OOM killer or a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)

    def status(self) -> dict[str, object]:
        """Return what it says of itself; empty before it says anything."""
        try:
            read: dict[str, object] = json.loads((self.folder / "data" / "state" / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return read

    def until(self, seconds: float, happened: object) -> float:
        """Wait until a call is true; returns how long that took, infinity when it did not come."""
        assert callable(happened)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if happened():
                return time.monotonic() - began
            time.sleep(0.01)
        return float("inf")
