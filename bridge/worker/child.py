"""The worker process: reads jobs from its parent, runs the pipeline, reports. Keeps the model between jobs."""

from __future__ import annotations

import json
import os
import queue
import threading
from typing import Any, BinaryIO

from bridge.domain.events import Event
from bridge.domain.job import Job
from bridge.errors import BridgeError, Cancelled, RenderError
from bridge.pipeline.process import process
from bridge.pipeline.separators import Separators
from bridge.worker import protocol

__all__ = ["main"]


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


def main() -> None:
    """Serve jobs until the parent closes the pipe."""
    incoming, outgoing = _own_pipes()
    channel = _Channel(outgoing)
    jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    cancel = threading.Event()
    threading.Thread(target=_listen, args=(incoming, jobs, cancel), name="listen", daemon=True).start()
    separators = Separators()
    try:
        while (message := jobs.get()) is not None:
            _serve(protocol.decode_job(message), channel, cancel, separators)
    except Cancelled:
        # The parent is gone; the job in hand has removed its staging on the way out.
        return


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take both pipes to the parent, and leave an empty input and the log as output to everybody else.

    So no library that prints can spoil a message. And on Windows, where a look at a pipe waits for the read that is
    under way on it, one that looks at its standard input while it is loaded (as BLAS does) would never come back.
    """
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return incoming, outgoing


def _listen(pipe: BinaryIO, jobs: queue.SimpleQueue[dict[str, Any] | None], cancel: threading.Event) -> None:
    try:
        for text in pipe:
            message = json.loads(text)
            if message["do"] == "cancel":
                cancel.set()
            else:
                # Here and not where the job is begun: its own cancel may follow at once.
                cancel.clear()
                jobs.put(message)
    finally:
        cancel.set()
        jobs.put(None)


def _serve(job: Job, channel: _Channel, cancel: threading.Event, separators: Separators) -> None:
    try:
        staged = process(job, channel.report, cancel.is_set, separators)
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
