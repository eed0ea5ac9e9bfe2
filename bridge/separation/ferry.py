"""Sound to a device and back, through memory that the card reads and writes by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bridge.domain.stems import FloatArray

__all__ = ["Ferry"]


class Ferry:
    """Carries float32 arrays between this computer's memory and one device's.

    To and from an NVIDIA card they go through page-locked memory: the copy to the card is only asked for, in the order
    of its work, and what comes back is waited for before anybody reads it. That memory is torch's, which gives it to
    nobody else while a copy is under way or an array of it is in use. Elsewhere these are plain copies.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        locked: Callable[[torch.Size], Tensor] | None = None,
        wait: Callable[[torch.device], None] | None = None,
    ) -> None:
        """Take the device; `locked` makes page-locked memory and `wait` waits for the device: None = torch's ways."""
        self._device = device
        self._locked = locked or (_page_locked if device.type == "cuda" else None)
        self._wait = wait or _wait

    def over(self, windows: FloatArray) -> Tensor:
        """Copy an array to the device; it may be changed as soon as this returns."""
        if self._locked is None:
            return torch.tensor(windows, device=self._device)
        staged = self._locked(torch.Size(windows.shape))
        np.copyto(staged.numpy(), windows)
        return staged.to(self._device, non_blocking=True)

    def back(self, estimates: Tensor) -> FloatArray:
        """Copy a float32 tensor back, complete; errors of the work that made it come here."""
        if self._locked is None:
            return np.asarray(estimates.cpu().numpy(), dtype=np.float32)
        landed = self._locked(estimates.shape)
        landed.copy_(estimates, non_blocking=True)
        self._wait(self._device)
        return np.asarray(landed.numpy(), dtype=np.float32)


def _page_locked(shape: torch.Size) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, pin_memory=True)


def _wait(device: torch.device) -> None:
    torch.cuda.current_stream(device).synchronize()
