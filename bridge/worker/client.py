"""The parent's side of the worker: starts it, hands it jobs, watches it, and cleans up after it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from bridge.delivery.stage import discard_stage, hold_stage
from bridge.domain.drop import Staged
from bridge.domain.events import Event, Report
from bridge.domain.job import Job
from bridge.domain.work import Identified
from bridge.errors import Cancelled, DeviceError, WorkerError
from bridge.worker import protocol
from bridge.worker.family import Family

__all__ = ["Decide", "Pace", "Worker"]

Decide = Callable[[Identified], Path | None]
Pace = Literal["full", "half", "stop"]
"""How fast a job goes: as it can, half the time, or not at all; heard between two blocks."""

_CANCEL_GRACE_SECONDS = 8.0
"""A forward pass in flight may take seconds; after this the worker is killed."""
_POLL_SECONDS = 0.2
"""How often a waiting parent looks up, so that Ctrl-C is heard on Windows too."""
_LOG_TAIL_BYTES = 4000
_UTF8 = int(sys.getfilesystemencoding() == "utf-8")
_CHILD = (sys.executable, "-P", "-X", f"utf8={_UTF8}", "-m", "bridge.worker.child")
"""-P: no file in the folder where the user stands is taken for a module. Names of files mean the same on both sides."""
_LARGE_PAGES = "glibc.malloc.hugetlb=1"
"""Linux gives large arrays large pages. Page by page, asking for their memory took a fifth of a separation."""


class Worker:
    """A child process that runs jobs one after the other; a dead one is replaced at the next job. A context manager."""

    def __init__(self, *, command: tuple[str, ...] = _CHILD, started: Callable[[int], None] = lambda _: None) -> None:
        """`started` is told the process id of every child, before it has a job."""
        self._command = command
        self._started = started
        self._family = Family()
        self._pace: Pace = "full"
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._log: IO[bytes] | None = None
        self._job: Job | None = None
        self._held = ExitStack()
        self._report: Report = _say_nothing
        self._decide: Decide = lambda _: None
        self._heard = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, job: Job, report: Report) -> Staged:
        """Run one job to its end and return the complete staging folder.

        Raises the BridgeError that the job raised, or WorkerError when the worker died. On KeyboardInterrupt, and when
        `report` raises, the job is cancelled and its staging removed before that goes on.
        """
        self.begin(job, report)
        try:
            while (staged := self.poll(_POLL_SECONDS)) is None:
                pass
        except KeyboardInterrupt:
            self.cancel()
            raise
        return staged

    def begin(self, job: Job, report: Report, decide: Decide = lambda _: None) -> None:
        """Hand over a job; `poll` brings its end. `decide` is asked once, when it is known what the job is.

        `decide` returns a drop whose stems are used instead of separating, or None to go on; it raises Cancelled to
        stop the job. What the job stages is held against sweeps until it failed, or `release` is called once it is
        published. Raises DestinationError or NoSpaceError when the outbox cannot be staged in, DeviceError when the
        system has no process to give.
        """
        assert self._job is None, "one job at a time"
        self.release()
        self._start()
        self._held.enter_context(hold_stage(job.outbox, job.id))
        self._job, self._report, self._decide = job, report, decide
        self._heard = time.monotonic()
        self._send(protocol.encode_job(job))
        if self._pace != "full":
            self._send(protocol.encode_pace(self._pace))

    def warm(self) -> None:
        """Start the child if there is none, so that a job that is sure to come need not wait for it.

        Where the system refuses, the job will say so.
        """
        if self._job is None:
            with suppress(DeviceError):
                self._start()

    def poll(self, timeout: float = 0.0) -> Staged | None:
        """Pass on what the worker says within `timeout` seconds; returns the staging folder once the job is done.

        Raises the BridgeError that the job raised, Cancelled when it was stopped, WorkerError when the worker died.
        Then, as after a result, the worker is free for the next job.
        """
        assert self._job is not None, "no job"
        end = time.monotonic() + timeout
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return None
            self._heard = time.monotonic()
            if message is None:
                raise self._died()
            staged = self._take(message)
            if staged is not None:
                return staged

    def release(self) -> None:
        """Say that what the last job staged is published, or not wanted."""
        self._held.close()

    @property
    def silent_seconds(self) -> float:
        """Return for how long the job has said nothing; 0 while it must stand still."""
        return 0.0 if self._pace == "stop" else time.monotonic() - self._heard

    @property
    def runs(self) -> bool:
        """Say whether there is a child, busy or not."""
        return self._process is not None

    def pace(self, pace: Pace) -> None:
        """Let this job and those that follow go so fast; quiet when they do already."""
        if pace == self._pace:
            return
        self._pace = pace
        self._heard = time.monotonic()
        if self._job is not None:
            self._send(protocol.encode_pace(pace))

    def cancel(self) -> None:
        """Take the job back and wait for its end; a worker that does not let go in time is killed."""
        job = self._job
        if job is None:
            return
        self._send({"do": "cancel"})
        try:
            while (message := self._messages.get(timeout=_CANCEL_GRACE_SECONDS)) is not None:
                if message["is"] in ("staged", "failed", "cancelled"):
                    break
        except (queue.Empty, KeyboardInterrupt):
            self.kill()
        self._job = None
        if self._process is not None and self._process.poll() is not None:
            self._reap()
        discard_stage(job.outbox, job.id)
        self.release()

    def kill(self) -> None:
        """End the worker at once; `poll` then raises WorkerError for its job."""
        if self._process is not None:
            self._family.kill(self._process)

    def log_tail(self) -> str:
        """Return the end of what the worker printed."""
        if self._log is None:
            return ""
        end = self._log.seek(0, 2)
        self._log.seek(max(0, end - _LOG_TAIL_BYTES))
        return self._log.read().decode("utf-8", "replace")

    def close(self) -> None:
        """End the worker: a closed pipe asks it to stop, a kill follows if it does not."""
        self._stop()
        self.release()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _stop(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(_CANCEL_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._family.kill(self._process)
            self._reap()

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._reap()
        try:
            self._launch()
        except (OSError, RuntimeError) as exc:
            # RuntimeError: no thread to be had for its messages.
            self.kill()
            self._reap()
            reason = (getattr(exc, "strerror", None) or str(exc)).lower()
            raise DeviceError(
                f"The worker process cannot be started: {reason}.",
                hint="Close other programs; see that there is memory, and space for temporary files.",
            ) from exc

    def _launch(self) -> None:
        if self._log is None:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={"GLIBC_TUNABLES": _LARGE_PAGES, **os.environ},
            **self._family.options(),
        )
        self._family.adopt(self._process.pid)
        self._messages = queue.SimpleQueue()
        reader = threading.Thread(
            target=_read, args=(self._process.stdout, self._messages), name="worker-reader", daemon=True
        )
        reader.start()
        self._reader = reader
        self._started(self._process.pid)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(protocol.line(message))
            self._process.stdin.flush()
        except OSError:
            # The child is gone; the end of its messages says so to whoever waits for them.
            return

    def _take(self, message: dict[str, Any]) -> Staged | None:
        kind = message["is"]
        if kind == "event":
            try:
                self._report(protocol.decode_event(message))
            except Exception:
                # Whoever listened is gone (a closed pipe, a full disk): nobody would get the drop.
                self.cancel()
                raise
        elif kind == "identified":
            try:
                self._send(protocol.encode_answer(self._decide(protocol.decode_identified(message))))
            except Cancelled:
                self.cancel()
                raise
        elif kind in ("staged", "failed", "cancelled"):
            self._job = None
            if kind == "staged":
                return protocol.decode_staged(message)
            self.release()
            if kind == "cancelled":
                raise Cancelled
            error = protocol.decode_error(message)
            if isinstance(error, DeviceError):
                # A device that failed stays broken for that process; the next job gets a fresh one.
                self._stop()
            raise error
        return None

    def _died(self) -> WorkerError:
        assert self._process is not None
        assert self._job is not None
        job, self._job = self._job, None
        code = self._process.wait()
        tail = self.log_tail().strip()
        self._reap()
        discard_stage(job.outbox, job.id)
        self.release()
        # Windows gives its reasons as large numbers that are known in hexadecimal.
        why = f"signal {-code}" if code < 0 else f"exit code {code:#x}" if code > 255 else f"exit code {code}"
        last = f" Its last words: {tail.splitlines()[-1]}" if tail else ""
        return WorkerError(
            f"The worker process died ({why}) while it worked on {job.render.name}.{last}",
            hint="Out of memory is the usual cause: close other programs, or use --device cpu.",
            path=job.render,
        )

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:
                        # Unsent bytes for a dead child.
                        continue
            self._process = None
            self._family.close()
        if self._reader is not None:
            self._reader.join()
            self._reader = None


def _say_nothing(_: Event) -> None:
    """Report to nobody."""


def _read(pipe: IO[bytes], messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    try:
        for text in pipe:
            messages.put(json.loads(text))
    except ValueError:
        # A line that the death of the worker tore.
        return
    finally:
        messages.put(None)
