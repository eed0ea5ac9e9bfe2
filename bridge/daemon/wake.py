"""What ends the daemon's sleep: a file event, a request, a signal."""

from __future__ import annotations

import queue

__all__ = ["Wake"]


class Wake:
    """Set from any thread and from signal handlers; waited for by one. A set that nobody waits for is not lost."""

    def __init__(self) -> None:
        # An Event may deadlock when a signal handler sets it inside the wait; this queue is made for that.
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Wake up."""
        if self._calls.empty():
            self._calls.put(None)

    def wait(self, seconds: float) -> bool:
        """Sleep until woken, at most so long; returns whether somebody woke us."""
        try:
            self._calls.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        while not self._calls.empty():
            self._calls.get()
        return True
