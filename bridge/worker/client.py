"""The parent's side of the worker: hands it jobs, listens to it, and cleans up after it."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bridge.closing import Closing
from bridge.delivery.stage import discard_stage, hold_stage
from bridge.domain.drop import Staged
from bridge.domain.events import Event, Report
from bridge.domain.job import Job
from bridge.domain.work import Identified
from bridge.errors import Cancelled, DeviceError, WorkerError
from bridge.neighbour import Pace
from bridge.worker import protocol
from bridge.worker.child_process import CHILD, ChildProcess

__all__ = ["Decide", "Worker"]

Decide = Callable[[Identified], Path | None]

_CANCEL_GRACE_SECONDS = 8.0
"""A forward pass in flight may take seconds; after this the worker is killed."""
_POLL_SECONDS = 0.2
"""How often a waiting parent looks up, so that Ctrl-C is heard on Windows too."""


class Worker(Closing):
    """A child process that runs jobs one after the other; a dead one is replaced at the next job. A context manager."""

    def __init__(self, *, command: tuple[str, ...] = CHILD, started: Callable[[int], None] = lambda _: None) -> None:
        """`started` is told the process id of every child, before it has a job."""
        self._process = ChildProcess(command, started)
        self._pace: Pace = "full"
        self._job: Job | None = None
        self._held = ExitStack()
        self._report: Report = _say_nothing
        self._decide: Decide = lambda _: None
        self._heard = 0.0

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
        self._process.start()
        self._held.enter_context(hold_stage(job.outbox, job.id))
        self._job, self._report, self._decide = job, report, decide
        self._heard = time.monotonic()
        self._process.send(protocol.encode_job(job))
        if self._pace != "full":
            self._process.send(protocol.encode_pace(self._pace))

    def warm(self) -> None:
        """Start the child if there is none, so that a job that is sure to come need not wait for it.

        Where the system refuses, the job will say so.
        """
        if self._job is None:
            with suppress(DeviceError):
                self._process.start()

    def poll(self, timeout: float = 0.0) -> Staged | None:
        """Pass on what the worker says within `timeout` seconds; returns the staging folder once the job is done.

        Raises the BridgeError that the job raised, Cancelled when it was stopped, WorkerError when the worker died.
        Then, as after a result, the worker is free for the next job.
        """
        assert self._job is not None, "no job"
        end = time.monotonic() + timeout
        while True:
            try:
                message = self._process.hear(max(0.0, end - time.monotonic()))
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
        return self._process.pid is not None

    def pace(self, pace: Pace) -> None:
        """Let this job and those that follow go so fast; quiet when they do already."""
        if pace == self._pace:
            return
        self._pace = pace
        self._heard = time.monotonic()
        if self._job is not None:
            self._process.send(protocol.encode_pace(pace))

    def cancel(self) -> None:
        """Take the job back and wait for its end; a worker that does not let go in time is killed."""
        job = self._job
        if job is None:
            return
        self._process.send({"do": "cancel"})
        try:
            while (message := self._process.hear(_CANCEL_GRACE_SECONDS)) is not None:
                if message["is"] in ("staged", "failed", "cancelled"):
                    break
        except (queue.Empty, KeyboardInterrupt):
            # Until it is gone the next job would be handed to it.
            self.kill()
            self._process.reap()
        self._job = None
        self._process.reap_if_ended()
        discard_stage(job.outbox, job.id)
        self.release()

    def kill(self) -> None:
        """End the worker at once; `poll` then raises WorkerError for its job."""
        self._process.kill()

    def log_tail(self) -> str:
        """Return the end of what the worker printed."""
        return self._process.log_tail()

    def close(self) -> None:
        """End the worker: a closed pipe asks it to stop, a kill follows if it does not."""
        self._process.stop()
        self.release()
        self._process.close()

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
                self._process.send(protocol.encode_answer(self._decide(protocol.decode_identified(message))))
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
                self._process.stop()
            raise error
        return None

    def _died(self) -> WorkerError:
        assert self._job is not None
        job, self._job = self._job, None
        code = self._process.reap()
        assert code is not None
        tail = self.log_tail().strip()
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


def _say_nothing(_: Event) -> None:
    """Report to nobody."""
