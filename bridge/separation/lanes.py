"""Windows side by side on a CPU: each has threads of its own, and none waits for the steps of another.

Threads that share one window meet at every step of it, some thousand times. Where another program has one of the cores,
each of these meetings costs a time slice, asleep or spinning; and where none has, waking up costs a third of the speed.
Windows that share nothing meet once, at the end of their batch.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from bridge.domain.stems import FloatArray

__all__ = ["Lanes", "lanes_of"]

_MOST = 4
"""Each takes memory of its own, 0.4 GB for htdemucs."""
_BUSY = 0.75
"""Of the threads, at least: more lanes than that leave too many without work."""


def lanes_of(threads: int) -> int:
    """Return how many windows to compute side by side with so many threads, 1..4."""
    return next((count for count in range(_MOST, 1, -1) if count * (threads // count) >= _BUSY * threads), 1)


class Lanes:
    """Threads that each compute whole windows, with an equal share of a number of CPU threads.

    That share is the same for a single window too, so that the bits of an estimate do not depend on its neighbours.
    """

    def __init__(self, count: int, threads: int) -> None:
        """Take the number of lanes and of the CPU threads that they share."""
        self.count, self._share = count, max(1, threads // count)

    def run(self, forward: Callable[[FloatArray], FloatArray], windows: FloatArray) -> FloatArray:
        """Apply a forward from (1, 2, T) to (1, R, 2, T) to every window of (B, 2, T); returns (B, R, 2, T).

        What a forward raises is raised when all have ended: then their memory is free.
        """
        with ThreadPoolExecutor(self.count, initializer=torch.set_num_threads, initargs=(self._share,)) as lanes:
            computed = [lanes.submit(forward, window) for window in np.split(windows, len(windows))]
        return np.concatenate([one.result() for one in computed])
