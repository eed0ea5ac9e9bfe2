"""Which processor runs the network, and what its failures mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch

from bridge.errors import ConfigError, DeviceError
from bridge.separation.products import has_onednn

__all__ = [
    "Precision",
    "cap_memory",
    "choose_device",
    "choose_precision",
    "describe_device",
    "device_errors",
    "exact_products",
    "give_back",
    "is_out_of_memory",
    "total_bytes",
]

Precision = Literal["float32", "bfloat16"]
"""Of the products in a network."""
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
"""What CUDA, MPS, the CPU's allocators and cuBLAS say; only CUDA has a class for it."""


def choose_device(wanted: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda`, `cuda:1` or `mps`; raises ConfigError for one that is not here.

    `auto` takes CUDA, then Apple's GPU, then the CPU.
    """
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device("cuda" if have["cuda"] else "mps" if have["mps"] else "cpu")
    kind, _, number = wanted.partition(":")
    if kind == "cuda" and number.isdecimal() and have["cuda"] and int(number) >= torch.cuda.device_count():
        raise ConfigError(
            f"There is no card number {number}: {torch.cuda.device_count()} are here, counted from 0.",
            hint="Use --device cuda, or look for cards with: stem-bridge doctor",
        )
    if kind not in have or (number and (kind != "cuda" or not number.isdecimal())):
        raise ConfigError(f"There is no device '{wanted}'.", hint=f"Use one of: auto, {', '.join(have)}.")
    if not have[kind]:
        raise ConfigError(
            f"The device '{wanted}' is not available here.",
            hint="Use --device auto, or look for the cause with: stem-bridge doctor",
        )
    return torch.device(wanted)


def total_bytes(device: torch.device) -> int:
    """Return how much memory a GPU has, or Apple's lets one program have."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(torch.mps.recommended_max_memory())


def cap_memory(
    device: torch.device,
    most_gb: float,
    *,
    total_bytes: Callable[[torch.device], int] = total_bytes,
    limit: Callable[[float, torch.device], None] | None = None,
) -> None:
    """Let this process take at most so much memory of a GPU, in 10^9 bytes; 0 = all of it. Nothing happens on a CPU.

    What asks for more is told that the device is out of memory (DeviceError), as if the card were smaller.
    """
    if device.type == "cpu":
        return
    total = total_bytes(device)
    (limit or _limit)(min(1.0, most_gb * 1e9 / total) if most_gb else 1.0, device)


def _limit(fraction: float, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(fraction, device.index or 0)
    else:
        torch.mps.set_per_process_memory_fraction(fraction)


def describe_device(device: torch.device) -> str:
    """Name a device for people and manifests: 'cpu', 'cuda (NVIDIA H200)', 'mps'."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def choose_precision(
    wanted: Literal["auto", "float32", "bfloat16"], device: torch.device, *, native: bool | None = None
) -> Precision:
    """Return `float32` or `bfloat16`, the precision of products, for `auto` or either of them.

    `auto` takes bfloat16 on a CPU that multiplies in it, where it was measured to be inaudible, and float32 elsewhere.
    `native` says whether the CPU does; None = ask it.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cpu" and (_multiplies_bfloat16() if native is None else native):
        return "bfloat16"
    return "float32"


def _multiplies_bfloat16() -> bool:
    get: Callable[[], Mapping[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    able = get()
    return has_onednn() and any(able.get(name) is True for name in ("avx512_bf16", "amx_bf16"))


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
        if is_out_of_memory(exc):
            what, hint = "ran out of memory", "Close other programs, or set a smaller separation.batch"
        elif device.type != "cpu":
            what, hint = f"failed: {reason}", "Try again"
        else:
            raise
        elsewhere = "" if device.type == "cpu" else ", or use --device cpu"
        raise DeviceError(f"The device '{device.type}' {what}.", hint=f"{hint}{elsewhere}.") from exc


@contextmanager
def exact_products() -> Iterator[None]:
    """Let float32 be IEEE float32 inside: no TF32 or bfloat16 in products, convolutions and recurrences of any device.

    Nor does bfloat16 add up in itself. The process's own choice is back afterwards.
    """
    switches = _switches()
    before = [getattr(place, name) for place, name, _ in switches]
    for place, name, exact in switches:
        setattr(place, name, exact)
    try:
        yield
    finally:
        for (place, name, _), value in zip(switches, before, strict=True):
            setattr(place, name, value)


def _switches() -> list[tuple[Any, str, object]]:
    """Return every setting of torch that rounds products, and its value for none of it."""
    cuda: Any = torch.backends.cuda
    cudnn: Any = torch.backends.cudnn
    onednn: Any = torch.backends.mkldnn
    sums: tuple[Any, str, object] = (cuda.matmul, "allow_bf16_reduced_precision_reduction", False)
    if not hasattr(cudnn, "conv"):  # torch before 2.9
        return [sums, (cuda.matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]
    places: list[Any] = [cuda.matmul, cudnn.conv, cudnn.rnn, onednn.matmul, onednn.conv, onednn.rnn]
    return [sums, *((place, "fp32_precision", "ieee") for place in places)]


def give_back() -> None:
    """Return to the graphics card what torch keeps of its memory without using it, for others to have."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether a device failed for want of memory, from what torch or `device_errors` raised."""
    cause = error.__cause__ if isinstance(error, DeviceError) else error
    return any(words in str(cause).lower() for words in _OUT_OF_MEMORY)
