"""One stage ahead of the next: a generator runs in a thread of its own, bounded by what it may hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["prefetch"]

_T = TypeVar("_T")
_END: Final = object()


def prefetch(items: Iterator[_T], max_bytes: int, bytes_of: Callable[[_T], int]) -> Generator[_T]:
    """Yield `items`, the same and in the same order, while a thread makes the next ones.

    Up to as many items wait as fit `max_bytes` at the size of the largest so far, and one at the least. What `items`
    raises is raised here, in its place. When this generator ends, is closed or collected, the thread has ended, and
    `items`, if it is a generator, is closed: an item that is being made is waited for.
    """

    def make() -> object:
        return next(items, _END)

    waiting: deque[Future[object]] = deque()
    largest = 0
    pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        while True:
            # The first one shows how large they are.
            while len(waiting) < (max(1, max_bytes // largest) if largest else 1):
                waiting.append(pool.submit(make))
            item = waiting.popleft().result()
            if item is _END:
                return
            made: _T = item  # type: ignore[assignment]  # all but the end mark came from `items`
            largest = max(largest, bytes_of(made), 1)
            waiting.append(pool.submit(make))
            yield made
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(items, Generator):
            items.close()
