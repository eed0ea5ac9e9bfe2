"""What a processor's failures are told as, and that one job's settings do not stay for the next."""

from __future__ import annotations

import pytest
import torch

from bridge.errors import ConfigError, DeviceError
from bridge.models.registry import find
from bridge.separation.demucs import DemucsSeparator
from bridge.separation.device import cap_memory, choose_device, device_errors

CUDA_FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
APPLE_FULL = RuntimeError("MPS backend out of memory (MPS allocated: 8.89 GB, max allowed: 9.07 GB).")
CUBLAS_FULL = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
CPU_FULL = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
CPU_FULL_ON_WINDOWS = RuntimeError(
    "[enforce fail] . DefaultCPUAllocator: not enough memory: you tried to allocate 9 B."
)
CARD_GONE = RuntimeError("CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA`")
NOT_ON_APPLE = NotImplementedError("Output channels > 65536 not supported at the MPS device.")


@pytest.mark.parametrize(
    ("device", "error", "told"),
    [
        ("cuda", CUDA_FULL, "The device 'cuda' ran out of memory."),
        ("mps", APPLE_FULL, "The device 'mps' ran out of memory."),
        ("cuda", CUBLAS_FULL, "The device 'cuda' ran out of memory."),
        ("cpu", CPU_FULL, "The device 'cpu' ran out of memory."),
        ("cpu", CPU_FULL_ON_WINDOWS, "The device 'cpu' ran out of memory."),
        ("cuda", CARD_GONE, "The device 'cuda' failed: CUDA error: unspecified launch failure."),
        ("mps", NOT_ON_APPLE, "The device 'mps' failed: Output channels > 65536 not supported at the MPS device."),
    ],
)
def test_a_device_that_fails_is_told_in_one_sentence_with_the_way_out(
    device: str, error: RuntimeError, told: str
) -> None:
    with pytest.raises(DeviceError) as raised, device_errors(torch.device(device)):
        raise error
    assert raised.value.message == told
    assert ("--device cpu" in raised.value.hint) is (device != "cpu")
    assert raised.value.__cause__ is error


def test_a_fault_of_ours_on_the_cpu_is_not_blamed_on_the_device() -> None:
    with pytest.raises(RuntimeError, match="size of tensor"), device_errors(torch.device("cpu")):
        torch.zeros(2) + torch.zeros(3)


def test_a_device_that_is_not_here_is_refused_and_auto_always_finds_one() -> None:
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    for wanted in ("cuda", "mps", "toaster"):
        if wanted == "toaster" or choose_device("auto").type != wanted:
            with pytest.raises(ConfigError, match=wanted):
                choose_device(wanted)


def test_threads_of_one_job_do_not_stay_for_the_next() -> None:
    model, here = find("htdemucs_mini"), torch.get_num_threads()
    DemucsSeparator(model, device="cpu", threads=here + 1)
    assert torch.get_num_threads() == here + 1
    DemucsSeparator(model, device="cpu")
    assert torch.get_num_threads() == here


@pytest.mark.parametrize(("most_gb", "share"), [(0.0, 1.0), (2.0, 0.25), (8.0, 1.0), (500.0, 1.0)])
def test_a_limit_of_memory_is_a_share_of_the_card_and_none_is_all_of_it(most_gb: float, share: float) -> None:
    told: list[tuple[float, torch.device]] = []
    card = torch.device("cuda:1")
    cap_memory(card, most_gb, total_bytes=lambda _: 8_000_000_000, limit=lambda *said: told.append(said))
    assert told == [(share, card)]


def test_a_limit_of_memory_means_nothing_to_a_cpu() -> None:
    cap_memory(torch.device("cpu"), 1.0, total_bytes=lambda _: 1 // 0)
