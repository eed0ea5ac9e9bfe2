"""The worker process: reads jobs from its parent, runs the pipeline, reports. Keeps the model between jobs."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from bridge.child_pipes import own_pipes
from bridge.domain.events import Event
from bridge.domain.job import Job
from bridge.domain.work import Identified
from bridge.errors import BridgeError, Cancelled, RenderError
from bridge.pipeline.process import process
from bridge.pipeline.separators import Separators
from bridge.separation.separator import Separator
from bridge.worker import protocol

__all__ = ["main", "serve"]

_LOOK_UP_SECONDS = 0.2
"""How often a job that waits for an answer, or stands still, looks whether it was taken back."""
_ORPHAN_SECONDS = 20.0
"""How long a job may take to let go once the parent is gone; one that hangs must not outlive it for ever."""
_LONGEST_REST_SECONDS = 5.0


class _Channel:
    """The pipe to the parent; nothing else writes to it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; raises Cancelled when the parent is gone, since nobody wants the job then."""
        try:
            self._out.write(protocol.line(message))
            self._out.flush()
        except OSError as exc:
            # A closed pipe is EPIPE on POSIX and EINVAL on Windows.
            raise Cancelled from exc

    def report(self, event: Event) -> None:
        self.send(protocol.encode_event(event))


class _Reins:
    """What the parent wants of the job in hand: to go on, to go slower, to stand still, to let go."""

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.pace = "full"
        self._looked = time.monotonic()

    def taken_back(self) -> bool:
        """Say whether the job was taken back; asked between blocks, and keeps them waiting as long as it must."""
        if self.pace == "half":
            self.cancel.wait(min(time.monotonic() - self._looked, _LONGEST_REST_SECONDS))
        while self.pace == "stop" and not self.cancel.wait(_LOOK_UP_SECONDS):
            pass
        self._looked = time.monotonic()
        return self.cancel.is_set()


def main() -> None:
    """Serve jobs until the parent closes the pipe."""
    serve(Separators())


def serve(separators: Callable[[Job], Separator]) -> None:
    """Serve jobs with these separators until the parent closes the pipe."""
    incoming, outgoing = own_pipes()
    channel = _Channel(outgoing)
    jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    reins = _Reins()
    threading.Thread(target=_listen, args=(incoming, jobs, answers, reins), name="listen", daemon=True).start()
    try:
        while (message := jobs.get()) is not None:
            _serve(protocol.decode_job(message), channel, answers, reins, separators)
    except Cancelled:
        # The parent is gone; the job in hand has removed its staging on the way out.
        return


def _listen(
    pipe: BinaryIO,
    jobs: queue.SimpleQueue[dict[str, Any] | None],
    answers: queue.SimpleQueue[dict[str, Any]],
    reins: _Reins,
) -> None:
    try:
        for text in pipe:
            message = json.loads(text)
            if message["do"] == "cancel":
                reins.cancel.set()
            elif message["do"] == "answer":
                answers.put(message)
            elif message["do"] == "pace":
                reins.pace = message["pace"]
            else:
                # Here and not where the job is begun: its own cancel may follow at once.
                reins.cancel.clear()
                reins.pace = "full"
                jobs.put(message)
    finally:
        reins.cancel.set()
        jobs.put(None)
    time.sleep(_ORPHAN_SECONDS)
    os._exit(1)


def _serve(
    job: Job,
    channel: _Channel,
    answers: queue.SimpleQueue[dict[str, Any]],
    reins: _Reins,
    separators: Callable[[Job], Separator],
) -> None:
    def decide(keys: Identified) -> Path | None:
        channel.send(protocol.encode_identified(keys))
        while not reins.cancel.is_set():
            try:
                return protocol.decode_answer(answers.get(timeout=_LOOK_UP_SECONDS))
            except queue.Empty:
                continue
        raise Cancelled

    try:
        staged = process(job, channel.report, reins.taken_back, separators, decide)
    except Cancelled:
        channel.send({"is": "cancelled"})
    except BridgeError as error:
        channel.send(protocol.encode_error(error))
    except Exception as error:  # noqa: BLE001 - the one place: a fault of ours costs this render, not the others
        fault = RenderError(
            f"Internal error: {type(error).__name__}: {str(error).rstrip('.')}.",
            hint="This is a fault of Stem Bridge; please report it with the output of -vv.",
            path=job.render,
        )
        fault.__cause__ = error
        channel.send(protocol.encode_error(fault))
    else:
        channel.send(protocol.encode_staged(staged))


if __name__ == "__main__":
    main()
