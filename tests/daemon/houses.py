"""A daemon of its own for a test: real folders, a real journal, real events, a real worker child; only the separator
is the exact fake.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from bridge.config import Settings
from bridge.daemon.loop import Daemon
from bridge.delivery.manifest import read, verify
from bridge.domain.drop import MANIFEST, Drop
from bridge.domain.events import Event, StageStarted
from bridge.domain.work import Work
from bridge.errors import BridgeError
from bridge.journal.journal import read_works

__all__ = ["FAKE_CHILD", "House", "Listener", "sound"]

FAKE_CHILD = (sys.executable, str(Path(__file__).with_name("fake_child.py")))
PATIENCE_SECONDS = 30.0
"""A safety net, nothing more."""


def sound(path: Path, *, seed: int = 1, seconds: float = 0.25) -> Path:
    """Write a small finished WAV under a hidden name and rename it, as a careful program does."""
    samples = np.random.default_rng(seed).normal(0, 0.1, (round(8000 * seconds), 2)).clip(-1, 1)
    part = path.with_name(f".{path.name}.part")
    soundfile.write(part, samples, 8000, subtype="PCM_16", format="WAV")
    part.rename(path)
    return path


@dataclass
class Listener:
    """Told, and remembers."""

    said: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    drops: list[Path] = field(default_factory=list)
    errors: list[tuple[str, BridgeError]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def start(self, render: Path, number: int, of: int) -> None:
        self.started.append(render.name)

    def stages(self) -> list[str]:
        """The stages that were begun, in order."""
        return [event.stage for event in self.events if isinstance(event, StageStarted)]

    def report(self, event: Event) -> None:
        self.events.append(event)

    def say(self, text: str) -> None:
        self.said.append(text)

    def done(self, render: Path, drop: Drop) -> None:
        self.drops.append(drop.folder)

    def failed(self, render: Path | None, error: BridgeError) -> None:
        self.errors.append((render.name if render else "", error))


class House:
    """One inbox, one outbox, one state folder."""

    def __init__(self, folder: Path, **daemon: object) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.outbox = folder / "outbox"
        self.state = folder / "state"
        self.presets = folder / "presets"
        for place in (self.inbox, self.outbox, self.presets):
            place.mkdir(parents=True, exist_ok=True)
        self.told = Listener()
        self.daemon_settings = {"priority": "normal", **daemon}
        self.after = "keep"
        self.preset = "clean"
        self.model = "htdemucs_mini"
        self.settle_seconds = 0.1
        self.stems = "all"

    def settings(self) -> Settings:
        inbox = {"path": self.inbox, "outbox": self.outbox, "model": self.model, "after": self.after}
        settings = Settings.model_validate(
            {
                "inboxes": [inbox | {"preset": self.preset}],
                "separation": {"device": "cpu", "threads": 1, "stems": self.stems},
                "daemon": self.daemon_settings,
                "tell": {"desktop": False},
                "presets": {"folders": [self.presets]},
            }
        )
        # Shorter than people may ask for, so that tests need not wait.
        intake = settings.intake.model_copy(update={"settle_seconds": self.settle_seconds, "rescan_seconds": 1.0})
        return settings.model_copy(update={"intake": intake})

    def daemon(self, command: tuple[str, ...] = FAKE_CHILD, **options: object) -> Daemon:
        return Daemon(
            self.settings(),
            self.state,
            self.told,
            load=self.settings,
            worker_command=command,
            first_pause_seconds=0.2,
            **options,
        )

    def once(self, command: tuple[str, ...] = FAKE_CHILD, *, include_existing: bool = True) -> int:
        """Do all there is, and return the exit code."""
        return self.daemon(command, include_existing=include_existing).run(once=True)

    @contextmanager
    def running(self, command: tuple[str, ...] = FAKE_CHILD, **options: object) -> Iterator[Daemon]:
        """Run a daemon in a thread for the length of the block, from its first look on."""
        daemon = self.daemon(command, **options)
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(daemon.run()), name="daemon under test")
        thread.start()
        try:
            self.until(lambda: (self.state / "status.json").exists() or not thread.is_alive())
            yield daemon
        finally:
            daemon.stop()
            daemon.stop()
            thread.join(PATIENCE_SECONDS)
        assert codes == [0]

    def until(self, happened: Callable[[], object]) -> None:
        """Wait for what must come."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert time.monotonic() < end, f"it did not happen: {self.story()}"
            time.sleep(0.02)

    def works(self) -> list[Work]:
        return read_works(self.state)

    def states(self) -> dict[str, str]:
        """State of the latest work of every file."""
        return {work.path.name: work.state for work in self.works()}

    def drops(self) -> list[str]:
        """Names of what is visible in the outbox; every one of them must be a whole drop."""
        if not self.outbox.exists():
            return []
        names = sorted(entry.name for entry in self.outbox.iterdir() if not entry.name.startswith("."))
        for name in names:
            assert verify(self.outbox / name) == []
        return names

    def renders_of_drops(self) -> list[str]:
        """File names of the renders that drops were made of, one for each drop."""
        return sorted(Path(read(self.outbox / name / MANIFEST).render.path).name for name in self.drops())

    def staging_is_clean(self) -> bool:
        return not (self.outbox / ".staging").exists()

    def story(self) -> str:
        works = [(work.path.name, work.state, work.attempts, work.reason) for work in self.works()]
        return f"{works}; said {self.told.said}; errors {self.told.errors}; {list(self.folder.glob('outbox/*'))}"
