"""How a running job is shown: bars on a terminal, plain lines in a log, JSON lines for programs."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bridge.cli import output
from bridge.domain.drop import Drop
from bridge.domain.events import Event, Notice, Progress, StageStarted
from bridge.errors import BridgeError
from bridge.units import format_bytes, format_duration

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["Bars", "Download", "Feedback", "Json", "Lines", "feedback", "has_bars"]

_LINE_EVERY_SECONDS = 10.0
"""How often a log without a terminal gets a line."""


class Feedback:
    """Told what happens to every render of a call; a context manager. This base tells what a log needs."""

    top: Path | None = None
    """Renders below it are called by their place in it, since many folders hold a 'Song.wav'."""
    subject: Path | None = None
    """The one render or drop that the whole call is about; None where it is about several."""

    def __init__(self) -> None:
        self._began: dict[Path, float] = {}
        self._stage_began = self._seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is KeyboardInterrupt:
            self.say("Interrupted. Drops that were delivered stay; of the render under way nothing is left.")

    def start(self, render: Path, number: int, of: int) -> None:
        """A render is begun, the `number`-th `of` all."""
        self._began[render] = time.monotonic()
        self._seconds = 0.0
        name = self._name(render)
        self.say(f"{name} ({number} of {of})" if of > 1 else name)

    def about(self, render: Path, text: str) -> str:
        """Write a sentence about a render so that it begins with what it is called, where it is not called by name."""
        name = self._name(render)
        rest = text.removeprefix(f"{render.name} ")
        return text if name == render.name else f"{name} {rest}" if rest != text else f"{name}: {text}"

    def _name(self, render: Path) -> str:
        is_below = self.top is not None and self.top in render.parents
        return render.relative_to(self.top).as_posix() if self.top and is_below else render.name

    def report(self, event: Event) -> None:
        """Something happened inside the job."""
        if isinstance(event, Notice):
            self.say(f"  note: {event.message}")
            return
        self._seconds = max(self._seconds, event.total_seconds)
        if isinstance(event, StageStarted):
            self._stage_began = time.monotonic()
        self.progress(event)

    def progress(self, event: StageStarted | Progress) -> None:
        """A stage begins or goes on."""

    def say(self, text: str) -> None:
        """Tell people something."""
        output.say(output.one_line(text))

    def done(self, render: Path, drop: Drop) -> None:
        """A drop is there."""
        took = time.monotonic() - self._began.pop(render, time.monotonic())
        speed = f", {self._seconds / took:.1f}x real time" if self._seconds and took > 0 else ""
        name = f"{render.name} " if self._began else ""  # others are under way
        self.say(f"  {name}done in {format_duration(took)}{speed}")
        output.result(str(drop.folder))

    def failed(self, render: Path | None, error: BridgeError) -> None:
        """A render could not be done; `render` is None when the whole call cannot."""
        if render is not None:
            self._began.pop(render, None)
        output.error(error, "" if render is None else self.about(render, error.message))

    def overall(self, done_seconds: float, total_seconds: float, took_seconds: float) -> None:
        """Of a run over many renders so much sound is done, after so long."""
        if 0 < done_seconds < total_seconds:
            left = took_seconds * (total_seconds - done_seconds) / done_seconds
            self.say(f"{100 * done_seconds / total_seconds:.0f} % of all, {format_duration(left)} left")

    def _pace(self, event: Progress) -> tuple[float, float]:
        """Return the stage's speed in x real time and the seconds it still needs."""
        took = max(time.monotonic() - self._stage_began, 1e-3)
        speed = event.done_seconds / took
        return speed, (event.total_seconds - event.done_seconds) / speed if speed > 0 else 0.0


class Lines(Feedback):
    """Plain lines on stderr: one at the end of every stage, and one every ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._last = 0.0
        self._ended = ""

    def progress(self, event: StageStarted | Progress) -> None:
        now = time.monotonic()
        if isinstance(event, StageStarted):
            self._last, self._ended = now, ""
            return
        finished = event.done_seconds >= event.total_seconds
        if event.stage != self._ended and (finished or now - self._last >= _LINE_EVERY_SECONDS):
            self._last, self._ended = now, event.stage if finished else ""
            speed, left = self._pace(event)
            percent = 100.0 * event.done_seconds / event.total_seconds if event.total_seconds else 100.0
            rest = "" if finished else f", {format_duration(left)} left"
            self.say(f"  {event.stage:<9}{percent:3.0f} %  {speed:.1f}x real time{rest}")


class Bars(Feedback):
    """A bar for every stage on a terminal; gone when the render is done."""

    def __init__(self) -> None:
        super().__init__()
        self._bars = _bars("{task.fields[pace]}")
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()
        self._bars.stop()
        super().__exit__(kind, value, trace)

    def start(self, render: Path, number: int, of: int) -> None:
        self._clear()
        super().start(render, number, of)

    def progress(self, event: StageStarted | Progress) -> None:
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._bars.add_task(event.stage, total=event.total_seconds, pace="")
        if isinstance(event, Progress) and event.done_seconds > 0:
            speed, left = self._pace(event)
            pace = f"{speed:.1f}x real time" + (f", {format_duration(left)} left" if left > 0 else "")
            self._bars.update(self._tasks[event.stage], completed=event.done_seconds, pace=pace)

    def say(self, text: str) -> None:
        self._bars.console.print(output.one_line(text), markup=False, highlight=False, soft_wrap=True)

    def done(self, render: Path, drop: Drop) -> None:
        self._clear()
        super().done(render, drop)

    def failed(self, render: Path | None, error: BridgeError) -> None:
        self._clear()
        super().failed(render, error)

    def _clear(self) -> None:
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()
        self._bars.refresh()


class Json(Feedback):
    """One JSON object a line on stdout; the last of every render, and of a call that failed, is `done` or `failed`."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(value, BridgeError):
            self.failed(self.subject, value)
        super().__exit__(kind, value, trace)

    def start(self, render: Path, number: int, of: int) -> None:
        output.event("started", render=render, number=number, of=of)

    def report(self, event: Event) -> None:
        names = {StageStarted: "stage", Progress: "progress", Notice: "notice"}
        output.event(names[type(event)], **asdict(event))

    def say(self, text: str) -> None:
        output.event("notice", message=text)

    def overall(self, done_seconds: float, total_seconds: float, took_seconds: float) -> None:
        output.event("overall", done_seconds=done_seconds, total_seconds=total_seconds, took_seconds=took_seconds)

    def done(self, render: Path, drop: Drop) -> None:
        output.event("done", render=render, drop=drop.folder, import_script=drop.import_script, manifest=drop.manifest)

    def failed(self, render: Path | None, error: BridgeError) -> None:
        output.event("failed", render=render, error=type(error).__name__, message=error.message, hint=error.hint)


def feedback(*, json: bool) -> Feedback:
    """Choose how to tell: JSON when asked, bars on a terminal, else lines."""
    if json:
        return Json()
    return Bars() if has_bars() else Lines()


def has_bars() -> bool:
    """Say whether stderr is a terminal that can go back to a line it has written."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


class Download:
    """Shows how far a download is; a context manager."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bars = _bars("{task.fields[pace]}") if has_bars() else None
        self._task = self._bars.add_task(title, total=None, pace="") if self._bars else None
        self._file = ""

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def step(self, file: str, done_bytes: int, total_bytes: int) -> None:
        """`done_bytes` of `total_bytes` of all files are here; `file` is under way."""
        if self._bars is not None and self._task is not None:
            pace = f"{format_bytes(done_bytes)} of {format_bytes(total_bytes)}"
            self._bars.update(self._task, completed=done_bytes, total=total_bytes, pace=pace)
        elif file != self._file:
            output.say(f"{self._title}: {file} ({format_bytes(total_bytes)} in all)")
        self._file = file


def _bars(last: str) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("  {task.description:<9}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(last, markup=False),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results go to stdout, also where only stderr is a terminal
        redirect_stderr=False,  # rich would break long lines, and with them the paths in errors
    )
