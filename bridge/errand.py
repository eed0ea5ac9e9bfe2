"""Something that may take for ever, such as a look at a network disk that went away, done beside whoever asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

__all__ = ["Errand"]

T = TypeVar("T")


class Errand(Generic[T]):
    """One thing at a time, in a thread that ends with it; whoever asks waits as long as he wants, and no longer.

    What never comes back costs one sleeping thread, which does not keep the program from ending.
    """

    def __init__(
        self, late: Callable[[], object] = lambda: None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`late` is called, in the other thread, when something ends for which somebody waited in vain."""
        self._late = late
        self._clock = clock
        self._future: Future[T] | None = None
        self._since = 0.0
        self._was_late = False

    @property
    def is_out(self) -> bool:
        """Say whether something was begun whose result was not taken."""
        return self._future is not None

    @property
    def seconds_out(self) -> float:
        """Say for how long; 0 when nothing is under way."""
        return 0.0 if self._future is None else self._clock() - self._since

    def begin(self, work: Callable[[], T]) -> None:
        """Begin; nothing else may be out. Where the system has no thread to give it is done here, and waited for."""
        assert self._future is None, "one errand at a time"
        self._future, self._since, self._was_late = Future(), self._clock(), False
        try:
            threading.Thread(target=_run, args=(self._future, work), name="errand", daemon=True).start()
        except RuntimeError:
            _run(self._future, work)

    def is_done(self, seconds: float = 0.0) -> bool:
        """Wait for the end, at most so long, and say whether it came."""
        if self._future is None:
            return False
        if wait([self._future], seconds).done:
            return True
        if not self._was_late:
            self._was_late = True
            self._future.add_done_callback(lambda _: self._late())
        return False

    def take(self) -> T:
        """Return what came of it, or raise what it raised; only once it is done."""
        future, self._future = self._future, None
        assert future is not None, "nothing was begun"
        assert future.done(), "not done yet"
        return future.result()


def _run(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as exc:  # noqa: BLE001 - raised again where the result is taken
        future.set_exception(exc)
