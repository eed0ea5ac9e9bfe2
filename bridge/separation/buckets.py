"""How many windows an accelerator gets at a time: a power of two that its free memory holds, found by trying one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch

from bridge.errors import DeviceError
from bridge.separation.device import give_back, is_out_of_memory, total_bytes

__all__ = ["Gauge", "fitting", "gauge_of", "parts", "try_one"]

_LARGEST = 16
"""What an accelerator computes at a time at the most: a progress bar still moves, and a cancel is still heard."""
_USED = 0.75
"""Of the free memory: the rest is for pieces that no tensor fits, for a desktop, and for what others take meanwhile."""


class Gauge(Protocol):
    """What is known of a device's memory."""

    def free_bytes(self) -> int:
        """Return what this process may still take."""
        ...

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """Do some work and return what it took at its peak, beyond what was taken before."""
        ...


def try_one(forward: Callable[[], object], gauge: Gauge) -> int:
    """Run the forward of one window and return how many windows fit a forward: a power of two, 1..16.

    Where not even one fits, 1 too: the ladder goes on from there. Raises DeviceError when the device fails otherwise.
    """
    try:
        window_bytes = gauge.peak_bytes(forward)
    except DeviceError as error:
        if not is_out_of_memory(error):
            raise
        give_back()
        return 1
    return fitting(gauge.free_bytes(), window_bytes)


def fitting(free_bytes: int, window_bytes: int) -> int:
    """Return the largest power of two, 1..16, of windows that fit three quarters of the free memory."""
    count = min(int(_USED * free_bytes) // max(window_bytes, 1), _LARGEST)
    return 1 << (max(count, 1).bit_length() - 1)


def parts(count: int, most: int) -> Iterator[int]:
    """Split `count` windows into parts of `most` and, for the rest, smaller powers of two: a device sees few shapes."""
    while count:
        part = most if count >= most else 1 << (count.bit_length() - 1)
        yield part
        count -= part


def gauge_of(device: torch.device, most_gb: float = 0.0) -> Gauge | None:
    """Return the gauge of an accelerator of which this process may take `most_gb` (0 = all); None for a CPU."""
    kinds: dict[str, Callable[[torch.device, float], Gauge]] = {"cuda": _Cuda, "mps": _Apple}
    return kinds[device.type](device, most_gb) if device.type in kinds else None


class _Cuda:
    """An NVIDIA card: its driver says what is free, torch what it keeps of that."""

    def __init__(self, device: torch.device, most_gb: float) -> None:
        self._device, self._most_gb = device, most_gb

    def free_bytes(self) -> int:
        taken = torch.cuda.memory_allocated(self._device)
        free = torch.cuda.mem_get_info(self._device)[0] + torch.cuda.memory_reserved(self._device) - taken
        return min(free, round(self._most_gb * 1e9) - taken) if self._most_gb else free

    def peak_bytes(self, work: Callable[[], object]) -> int:
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        work()
        return torch.cuda.max_memory_allocated(self._device) - before


class _Apple:
    """Apple's GPU: what the driver holds for this process, since torch keeps what it once took."""

    def __init__(self, device: torch.device, most_gb: float) -> None:
        most_bytes = round(most_gb * 1e9) if most_gb else total_bytes(device)
        self._most_bytes = min(most_bytes, total_bytes(device))

    def free_bytes(self) -> int:
        give_back()
        return self._most_bytes - torch.mps.driver_allocated_memory()

    def peak_bytes(self, work: Callable[[], object]) -> int:
        give_back()
        before = torch.mps.driver_allocated_memory()
        work()
        return torch.mps.driver_allocated_memory() - before
