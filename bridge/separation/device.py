"""Which processor runs the network."""

from __future__ import annotations

import torch

from bridge.errors import ConfigError

__all__ = ["choose_device", "describe_device"]


def choose_device(wanted: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `mps`; raises ConfigError for one that is not here.

    `auto` takes CUDA, then Apple's GPU, then the CPU.
    """
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device("cuda" if have["cuda"] else "mps" if have["mps"] else "cpu")
    if wanted not in have:
        raise ConfigError(f"Unknown device '{wanted}'", hint=f"Use one of: auto, {', '.join(have)}")
    if not have[wanted]:
        raise ConfigError(
            f"The device '{wanted}' is not available here",
            hint="Use --device auto, or run: stem-bridge doctor",
        )
    return torch.device(wanted)


def describe_device(device: torch.device) -> str:
    """Name a device for people and manifests: 'cpu', 'cuda (NVIDIA H200)', 'mps'."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type
