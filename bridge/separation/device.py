"""Which processor runs the network, and what its failures mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bridge.errors import ConfigError, DeviceError

__all__ = ["choose_device", "describe_device", "device_errors"]

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
"""What CUDA, MPS, the CPU's allocators and cuBLAS say; only CUDA has a class for it."""


def choose_device(wanted: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `mps`; raises ConfigError for one that is not here.

    `auto` takes CUDA, then Apple's GPU, then the CPU.
    """
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device("cuda" if have["cuda"] else "mps" if have["mps"] else "cpu")
    if wanted not in have:
        raise ConfigError(f"There is no device '{wanted}'.", hint=f"Use one of: auto, {', '.join(have)}.")
    if not have[wanted]:
        raise ConfigError(
            f"The device '{wanted}' is not available here.",
            hint="Use --device auto, or look for the cause with: stem-bridge doctor",
        )
    return torch.device(wanted)


def describe_device(device: torch.device) -> str:
    """Name a device for people and manifests: 'cpu', 'cuda (NVIDIA H200)', 'mps'."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


@contextmanager
def device_errors(device: torch.device) -> Iterator[None]:
    """Turn what torch raises when a device fails into DeviceError.

    That is any RuntimeError of an accelerator (out of memory, gone, an operation that Apple's GPU lacks), and those of
    the CPU that tell of memory; other errors of the CPU are faults of ours and pass.
    """
    try:
        yield
    except RuntimeError as exc:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0].rstrip(".")
        if any(words in str(exc).lower() for words in _OUT_OF_MEMORY):
            what, hint = "ran out of memory", "Close other programs, or set a smaller separation.batch"
        elif device.type != "cpu":
            what, hint = f"failed: {reason}", "Try again"
        else:
            raise
        elsewhere = "" if device.type == "cpu" else ", or use --device cpu"
        raise DeviceError(f"The device '{device.type}' {what}.", hint=f"{hint}{elsewhere}.") from exc
