"""Signals of the system: end in good order, end at once, read the settings again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["heard"]

_STOP = ("SIGTERM", "SIGINT", "SIGBREAK")
_RELOAD = ("SIGHUP",)


@contextmanager
def heard(stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Call `stop` and `reload` on the system's signals during the block; nothing is done outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    calls = dict.fromkeys(_STOP, stop) | dict.fromkeys(_RELOAD, reload)
    known = {getattr(signal, name): call for name, call in calls.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, lambda *_, call=call: call()) for number, call in known.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
