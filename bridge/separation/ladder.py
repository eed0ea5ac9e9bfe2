"""A forward that goes on in smaller batches, and at last on the CPU, where a card runs out of memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bridge.domain.stems import FloatArray
from bridge.errors import DeviceError
from bridge.separation.buckets import parts
from bridge.separation.device import give_back, is_out_of_memory

__all__ = ["Ladder"]

_Forward = Callable[[FloatArray], FloatArray]


class Ladder:
    """Halves its batches for good when the device says that its memory is full; below one window, it leaves the device.

    A device sees few shapes, and the same card and song take the same steps.
    """

    def __init__(self, forward: _Forward, elsewhere: Callable[[], _Forward] | None, most: int) -> None:
        """Take the forward of the device, what moves to another one (None = there is none), and its largest batch."""
        self._forward, self._elsewhere = forward, elsewhere
        self.most = most
        """Windows at a time."""

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Turn windows (B, 2, T) into estimates (B, R, 2, T); raises DeviceError when no step of the ladder helps."""
        done: list[FloatArray] = []
        start = 0
        while start < len(windows):
            step = next(parts(len(windows) - start, self.most))
            try:
                done.append(self._forward(windows[start : start + step]))
            except DeviceError as exc:
                if not is_out_of_memory(exc) or not self._went_down(step):
                    raise
            else:
                start += step
        return done[0] if len(done) == 1 else np.concatenate(done)  # (B, R, 2, T)

    def _went_down(self, failed: int) -> bool:
        give_back()
        if failed > 1:
            self.most = failed // 2
            return True
        if self._elsewhere is None:
            return False
        self._forward, self._elsewhere = self._elsewhere(), None
        return True
