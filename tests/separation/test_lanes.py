"""Windows side by side on a CPU give the estimates of windows by themselves, on the threads that were given."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.stems import FloatArray
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.lanes import Lanes, lanes_of
from bridge.separation.network import Network

CPU = torch.device("cpu")
WANTED = ("drums", "vocals")


def network(name: str = "htdemucs_mini", threads: int = 1) -> Network:
    model = find(name)
    return Network(model, locate(model), CPU, threads=threads)


def windows(count: int, frames: int = 171990) -> FloatArray:
    return np.random.default_rng(count).standard_normal((count, 2, frames)).astype(np.float32)


@given(st.integers(1, 256))
def test_at_most_four_lanes_that_leave_at_most_a_quarter_of_the_threads_idle(threads: int) -> None:
    lanes = lanes_of(threads)
    assert 1 <= lanes <= 4
    assert lanes * (threads // lanes) >= 0.75 * threads


@pytest.mark.parametrize(("threads", "lanes"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 3), (8, 4), (12, 4)])
def test_each_lane_has_its_share_of_the_threads(threads: int, lanes: int) -> None:
    assert lanes_of(threads) == lanes
    together, shares = threading.Barrier(lanes, timeout=60), set[tuple[str, int]]()

    def forward(window: FloatArray) -> FloatArray:
        together.wait()  # passed only if so many windows are under way at a time
        shares.add((threading.current_thread().name, torch.get_num_threads()))
        return window[:, None]

    heard = windows(2 * lanes, 16)
    before = torch.get_num_threads()
    assert np.array_equal(Lanes(lanes, threads).run(forward, heard), heard[:, None])
    assert len(shares) == lanes
    assert {share for _, share in shares} == {threads // lanes}
    assert torch.get_num_threads() == before


def test_an_estimate_has_the_same_bits_alone_and_in_any_company() -> None:
    heard = windows(5)
    alone = network().bind(WANTED, batch=0)
    shared = network(threads=3).bind(WANTED, batch=0)
    assert (alone.most, shared.most) == (1, 3)
    wanted = np.concatenate([alone(heard[number : number + 1]) for number in range(5)])
    assert np.array_equal(shared(heard), wanted)
    assert np.array_equal(shared(heard[3:]), wanted[3:])


def test_a_batch_of_one_leaves_every_thread_to_one_window_and_says_so() -> None:
    shared = network(threads=2)
    assert shared.bind(WANTED, batch=1).most == 1
    assert shared.bind(WANTED, batch=7).most == 7
    assert shared.bind(WANTED, batch=0).most == 2


def test_networks_without_a_transformer_take_one_window_at_a_time(small_models: dict[str, Path]) -> None:
    assert network(str(small_models["mdx_extra"]), threads=4).bind(WANTED, batch=0).most == 1


def test_memory_that_one_lane_lacks_is_asked_for_by_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = network(threads=2).bind(WANTED, batch=0)
    heard = windows(2)
    wanted = shared(heard)
    room, compute = threading.Semaphore(1), torch.set_flush_denormal
    both = threading.Barrier(2, timeout=60)
    first = [False, False, True]

    def one_at_a_time(on: bool) -> bool:
        if on and not room.acquire(blocking=False):
            both.wait()  # so that the other one is still at work
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        if on and first.pop():
            both.wait()
        if not on:
            room.release()
        return compute(on)

    monkeypatch.setattr(torch, "set_flush_denormal", one_at_a_time)
    assert np.array_equal(shared(heard), wanted)
    assert shared.most == 1
