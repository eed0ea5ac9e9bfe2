"""A forward that goes on in smaller batches, and at last on the CPU, where a card runs out of memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bridge.domain.stems import FloatArray
from bridge.errors import DeviceError
from bridge.separation.device import give_back, is_out_of_memory

__all__ = ["Ladder"]

_Forward = Callable[[FloatArray], FloatArray]


class Ladder:
    """Halves its batches for good when the device says that its memory is full; below one window, it leaves the device.

    Batches are powers of two once there was too little memory, so that the same card and song take the same steps.
    """

    def __init__(self, forward: _Forward, elsewhere: Callable[[], _Forward] | None) -> None:
        """Take the forward of the device, and what moves to another one (None = there is none)."""
        self._forward, self._elsewhere = forward, elsewhere
        self.most: int | None = None
        """Windows at a time; None = as many as come."""

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Turn windows (B, 2, T) into estimates (B, R, 2, T); raises DeviceError when no step of the ladder helps."""
        while True:
            step = self.most or len(windows)
            try:
                parts = [self._forward(windows[start : start + step]) for start in range(0, len(windows), step)]
            except DeviceError as exc:
                if not is_out_of_memory(exc) or not self._went_down(min(step, len(windows))):
                    raise
            else:
                return parts[0] if len(parts) == 1 else np.concatenate(parts)  # (B, R, 2, T)

    def _went_down(self, failed: int) -> bool:
        give_back()
        if failed > 1:
            self.most = 1 << ((failed - 1).bit_length() - 1)
            return True
        if self._elsewhere is None:
            return False
        self._forward, self._elsewhere = self._elsewhere(), None
        return True
