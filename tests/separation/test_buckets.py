"""How many windows an accelerator gets at a time, and that no cut of a song into batches is heard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import DeviceError
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.buckets import fitting, gauge_of, parts, try_one
from bridge.separation.device import device_errors
from bridge.separation.network import Network

GB = 10**9


class Card:
    """A device's memory, as its driver tells of it."""

    def __init__(self, free_bytes: int, window_bytes: int = GB) -> None:
        self.free, self.window_bytes = free_bytes, window_bytes

    def free_bytes(self) -> int:
        return self.free

    def peak_bytes(self, work: Callable[[], object]) -> int:
        work()
        if self.window_bytes > self.free:
            with device_errors(torch.device("cuda")):
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.window_bytes


@given(st.integers(-GB, 10**12), st.integers(1, 10**11))
def test_a_bucket_is_a_power_of_two_that_leaves_a_quarter_free_or_one(free_bytes: int, window_bytes: int) -> None:
    count = fitting(free_bytes, window_bytes)
    assert count in (1, 2, 4, 8, 16)
    assert count == 1 or count * window_bytes <= 0.75 * free_bytes
    assert count == 16 or 2 * count * window_bytes > 0.75 * free_bytes


@given(st.integers(1, 500), st.integers(1, 64))
def test_parts_are_whole_batches_and_then_powers_of_two(count: int, most: int) -> None:
    made = list(parts(count, most))
    assert sum(made) == count
    assert all(part == most or (part.bit_count() == 1 and part < most) for part in made)
    assert sorted(made, reverse=True) == made


@pytest.mark.parametrize(("free_bytes", "count"), [(100 * GB, 16), (8 * GB, 4), (2 * GB, 1), (GB // 2, 1)])
def test_a_network_takes_what_fits_by_trying_one_window(free_bytes: int, count: int) -> None:
    model = find("htdemucs_mini")
    network = Network(model, locate(model), torch.device("cpu"))
    heard: list[torch.Size] = []
    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, given: heard.append(given[0].shape) if type(module).__name__ == "Hybrid" else None
    )
    try:
        assert network.bind(["drums"], batch=0, gauge=Card(free_bytes)).most == count
        assert network.bind(["drums"], batch=2, gauge=Card(free_bytes)).most == 2  # who says a number gets it
        assert network.bind(["drums"], batch=0).most == 1  # a CPU with one thread
    finally:
        hook.remove()
    assert [shape[0] for shape in heard] == [1]


def test_a_card_that_fails_otherwise_is_not_taken_for_a_full_one() -> None:
    def broken() -> object:
        with device_errors(torch.device("cuda")):
            raise RuntimeError("CUDA error: unspecified launch failure")

    with pytest.raises(DeviceError, match="launch failure"):
        try_one(broken, Card(100 * GB))


def test_a_cpu_is_not_measured() -> None:
    assert gauge_of(torch.device("cpu")) is None


@pytest.mark.parametrize(("most_gb", "free_gb"), [(0.0, 7), (3.0, 2), (100.0, 7)])
def test_of_an_nvidia_card_what_torch_keeps_unused_is_free_and_a_limit_holds(
    most_gb: float, free_gb: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = torch.device("cuda:1")
    taken = {"memory_allocated": GB, "memory_reserved": 2 * GB, "max_memory_allocated": 3 * GB}
    for name, value in taken.items():
        monkeypatch.setattr(torch.cuda, name, {card: value}.__getitem__)
    monkeypatch.setattr(torch.cuda, "mem_get_info", {card: (6 * GB, 8 * GB)}.__getitem__)
    fresh: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", fresh.append)
    gauge = gauge_of(card, most_gb)
    assert gauge is not None
    assert gauge.free_bytes() == free_gb * GB
    assert gauge.peak_bytes(lambda: None) == 2 * GB
    assert fresh == [card]


@pytest.mark.parametrize(("most_gb", "free_gb"), [(0.0, 10), (5.0, 4), (100.0, 10)])
def test_of_apples_gpu_what_the_driver_holds_is_taken(
    most_gb: float, free_gb: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [GB]
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 11 * GB)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: held[0])
    gauge = gauge_of(torch.device("mps"), most_gb)
    assert gauge is not None
    assert gauge.free_bytes() == free_gb * GB
    assert gauge.peak_bytes(lambda: held.append(held.pop() + GB)) == GB


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_windows_sound_the_same_alone_and_in_a_batch(precision) -> None:
    model = find("htdemucs_mini")
    network = Network(model, locate(model), torch.device("cpu"), precision)
    windows = np.random.default_rng(2).standard_normal((3, 2, 171990)).astype(np.float32)
    windows *= np.float32([1, 1e-3, 2])[:, None, None]
    wanted = ["vocals"]
    together, alone = (network.bind(wanted, batch=most)(windows) for most in (2, 1))
    for window, other in zip(together, alone, strict=True):
        apart = np.linalg.norm(window - other) / np.linalg.norm(other)
        assert 20 * np.log10(apart + 1e-12) <= (-100 if precision == "float32" else -45)
