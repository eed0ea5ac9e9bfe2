"""The worker process: reads jobs from its parent, runs the pipeline, reports. Keeps the model between jobs."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from bridge.domain.events import Event
from bridge.domain.job import Job
from bridge.domain.work import Identified
from bridge.errors import BridgeError, Cancelled, RenderError
from bridge.pipeline.process import process
from bridge.pipeline.separators import Separators
from bridge.worker import protocol

__all__ = ["main"]

_LOOK_UP_SECONDS = 0.2
"""How often a job that waits for an answer looks whether it was taken back."""


class _Channel:
    """The pipe to the parent. Only this writes to it: whatever else prints goes to the log."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def send(self, message: dict[str, Any]) -> None:
        self._out.write(protocol.line(message))
        self._out.flush()

    def report(self, event: Event) -> None:
        self.send(protocol.encode_event(event))


def main() -> None:
    """Serve jobs until the parent closes the pipe."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    channel = _Channel(out)
    jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    cancel = threading.Event()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, jobs, answers, cancel), name="listen", daemon=True).start()
    separators = Separators()
    channel.send({"is": "ready"})
    try:
        while (message := jobs.get()) is not None:
            cancel.clear()
            _serve(protocol.decode_job(message), channel, answers, cancel, separators)
    except BrokenPipeError:
        # The parent is gone: the job in hand has removed its staging on the way out.
        return


def _listen(
    pipe: BinaryIO,
    jobs: queue.SimpleQueue[dict[str, Any] | None],
    answers: queue.SimpleQueue[dict[str, Any]],
    cancel: threading.Event,
) -> None:
    for text in pipe:
        message = json.loads(text)
        if message["do"] == "cancel":
            cancel.set()
        elif message["do"] == "answer":
            answers.put(message)
        else:
            jobs.put(message)
    cancel.set()
    jobs.put(None)


def _serve(
    job: Job,
    channel: _Channel,
    answers: queue.SimpleQueue[dict[str, Any]],
    cancel: threading.Event,
    separators: Separators,
) -> None:
    def decide(keys: Identified) -> Path | None:
        channel.send(protocol.encode_identified(keys))
        while not cancel.is_set():
            try:
                return protocol.decode_answer(answers.get(timeout=_LOOK_UP_SECONDS))
            except queue.Empty:
                continue
        raise Cancelled

    try:
        staged = process(job, channel.report, cancel.is_set, separators, decide)
    except Cancelled:
        channel.send({"is": "cancelled"})
    except BridgeError as error:
        channel.send(protocol.encode_error(error))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place: a fault of ours costs this render, not the others
        traceback.print_exc()
        fault = RenderError(
            f"Internal error: {type(error).__name__}: {error}",
            hint="This is a fault of Stem Bridge; please report it with the output of -vv",
            path=job.render,
        )
        channel.send(protocol.encode_error(fault))
    else:
        channel.send(protocol.encode_staged(staged))


if __name__ == "__main__":
    main()
