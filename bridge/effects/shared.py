"""A stream of sound, and one that several listeners share."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from bridge.domain.stems import FloatArray

__all__ = ["Blocks", "Shared"]

Blocks = Iterator[FloatArray]
"""An endless stream of (channels, n), float32, n never changing; its n-th frame belongs to the render's n-th frame."""


class Shared:
    """One stream for several listeners; a block is kept until the slowest of them had it, and no longer.

    Unlike `itertools.tee`, which keeps up to 57 blocks (15 MB of stereo) for each split.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._waiting: list[deque[FloatArray]] = []

    def tap(self) -> Blocks:
        """Return the stream for one more listener; every tap has to be pulled, and made before any is."""
        waiting: deque[FloatArray] = deque()
        self._waiting.append(waiting)
        return self._flow(waiting)

    def _flow(self, waiting: deque[FloatArray]) -> Blocks:
        while True:
            if not waiting:
                block = next(self._blocks, None)
                if block is None:
                    return
                for one in self._waiting:
                    one.append(block)
            yield waiting.popleft()
