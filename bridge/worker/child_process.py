"""The worker's process as its parent sees it: started when needed, spoken to in lines, ended with all it started."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any

from bridge.errors import DeviceError
from bridge.programs import python
from bridge.words import reason_of
from bridge.worker import protocol
from bridge.worker.process_tree import ProcessTree

__all__ = ["CHILD", "ChildProcess"]

CHILD, _VARIABLES = python("bridge.worker.child")
_STOP_GRACE_SECONDS = 8.0
"""A closed pipe ends a child that stands between two steps; after this it is killed."""
_LOG_TAIL_BYTES = 4000
_LARGE_PAGES = "glibc.malloc.hugetlb=1"
"""Linux gives large arrays large pages. Page by page, asking for their memory took a fifth of a separation."""


class ChildProcess:
    """At most one process at a time; `start` replaces one that has ended."""

    def __init__(self, command: tuple[str, ...], started: Callable[[int], None]) -> None:
        """`started` is told the process id of every child, before it hears anything."""
        self._command = command
        self._started = started
        self._tree = ProcessTree()
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return its process id; None where there is no child."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the child if none runs. Raises DeviceError when the system has no process or thread to give."""
        if self._process is not None and self._process.poll() is None:
            return
        self.reap()
        try:
            self._launch()
        except (OSError, RuntimeError) as exc:
            # RuntimeError: no thread to be had for its messages.
            self.kill()
            self.reap()
            reason = reason_of(exc)
            raise DeviceError(
                f"The worker process cannot be started: {reason}.",
                hint="Close other programs; see that there is memory, and space for temporary files.",
            ) from exc

    def send(self, message: dict[str, Any]) -> None:
        """Tell the child something; quiet when it is gone, which the end of its messages says."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(protocol.line(message))
            self._process.stdin.flush()
        except OSError:
            # The child is gone; the end of its messages says so to whoever waits for them.
            return

    def hear(self, timeout: float) -> dict[str, Any] | None:
        """Return its next message, None when there will be no more; raises queue.Empty after `timeout` seconds."""
        return self._messages.get(timeout=timeout)

    def kill(self) -> None:
        """End the child and all that it started, at once."""
        if self._process is not None:
            self._tree.kill(self._process)

    def stop(self) -> None:
        """End the child: a closed pipe asks it to, a kill follows if it does not."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(_STOP_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self.reap()

    def reap(self) -> int | None:
        """Wait for the end of a child that is ending, and clear up after it; returns its exit code."""
        code = None
        if self._process is not None:
            code = self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:
                        # Unsent bytes for a dead child.
                        continue
            self._process = None
            self._tree.close()
        if self._reader is not None:
            self._reader.join()
            self._reader = None
        return code

    def reap_if_ended(self) -> None:
        """Clear up after a child that has ended; one that runs goes on."""
        if self._process is not None and self._process.poll() is not None:
            self.reap()

    def log_tail(self) -> str:
        """Return the end of what it and those before it printed."""
        if self._log is None:
            return ""
        end = self._log.seek(0, 2)
        self._log.seek(max(0, end - _LOG_TAIL_BYTES))
        return self._log.read().decode("utf-8", "replace")

    def close(self) -> None:
        """Stop the child and throw away what it printed."""
        self.stop()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _launch(self) -> None:
        if self._log is None:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={"GLIBC_TUNABLES": _LARGE_PAGES, **os.environ, **_VARIABLES},
            **self._tree.options(),
        )
        self._tree.adopt(self._process.pid)
        self._messages = queue.SimpleQueue()
        reader = threading.Thread(
            target=_read, args=(self._process.stdout, self._messages), name="worker-reader", daemon=True
        )
        reader.start()
        self._reader = reader
        self._started(self._process.pid)


def _read(pipe: IO[bytes], messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    try:
        for text in pipe:
            messages.put(json.loads(text))
    except ValueError:
        # A line that the death of the worker tore.
        return
    finally:
        messages.put(None)
