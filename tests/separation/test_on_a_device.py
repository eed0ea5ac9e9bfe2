"""What a network asks of the device it runs on: nothing that would be waited for, and no product that is rounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bridge.models.config import read_member
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.device import exact_products
from bridge.separation.ferry import Ferry
from bridge.separation.forward import narrow
from bridge.separation.network import Network, build_member

META = torch.device("meta")
"""A device whose values cannot be asked for."""


class Abroad(TorchDispatchMode):
    """Notes every operation that has to do with a tensor of this computer's own memory."""

    def __init__(self) -> None:
        super().__init__()
        self.at_home: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        tensors = (one for one in tree_leaves((args, kwargs, made)) if isinstance(one, torch.Tensor))
        if any(one.device != META for one in tensors):
            self.at_home.append(str(func))
        return made


@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_6s"])
def test_a_forward_on_a_device_reads_no_value_and_sends_nothing_after_it(
    name: str, small_models: dict[str, Path]
) -> None:
    path = locate(find(str(small_models[name])))[0]
    network = narrow(build_member(read_member(path), load_file(path), path).to(META), [0, 2])
    frames = round(44100 * 39 / 20)
    with torch.inference_mode():
        assert network(torch.zeros(2, 2, frames, device=META)).shape == (2, 2, 2, frames)  # its tables are there now
        with Abroad() as seen:
            network(torch.zeros(2, 2, frames, device=META))
    assert seen.at_home == []


def products() -> list[object]:
    cuda, cudnn, onednn = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
    places: list[Any] = [cuda.matmul, cudnn.conv, cudnn.rnn, onednn.matmul, onednn.conv]
    return [place.fp32_precision for place in places]


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="this torch has the older switches only")
def test_float32_is_ieee_float32_in_a_forward_and_the_process_own_choice_afterwards() -> None:
    matmul: Any = torch.backends.cuda.matmul
    kept = matmul.fp32_precision
    matmul.fp32_precision = "tf32"
    try:
        before = products()
        assert "tf32" in before
        with exact_products():
            assert set(products()) == {"ieee"}
        assert products() == before
        with pytest.raises(ZeroDivisionError), exact_products():
            raise ZeroDivisionError
        assert products() == before
        matmul.fp32_precision = kept
        torch.backends.cuda.matmul.allow_tf32 = True  # who set it the old way can still read it
        with exact_products():
            pass
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        matmul.fp32_precision = kept


def test_a_network_runs_with_exact_products() -> None:
    model = find("htdemucs_mini")
    forward = Network(model, locate(model), torch.device("cpu")).bind(["drums"])
    seen: list[object] = []
    bound: Any = forward._forward

    def look(windows: torch.Tensor) -> torch.Tensor:
        seen.extend(products() if hasattr(torch.backends.cudnn, "conv") else ["ieee"])
        return windows[:, None]

    bound._forward = look
    forward(np.zeros((1, 2, 8), np.float32))
    assert set(seen) == {"ieee"}


def test_what_a_ferry_brings_is_complete_before_it_is_read_and_nobody_elses() -> None:
    """A device that has copied nothing until it is waited for."""
    asked: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Late(torch.Tensor):
        def copy_(self, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
            assert non_blocking
            asked.append((self.as_subclass(torch.Tensor), source))
            return self

    def wait(device: torch.device) -> None:
        for target, source in asked:
            target.copy_(source)
        asked.clear()

    ferry = Ferry(torch.device("cpu"), locked=lambda shape: torch.full(shape, torch.nan).as_subclass(Late), wait=wait)
    first = ferry.back(torch.ones(2, 3))
    second = ferry.back(torch.zeros(2, 3))
    assert (first == 1).all()
    assert (second == 0).all()
    windows = np.ones((1, 2, 4), np.float32)
    over = ferry.over(windows)
    windows[:] = 7
    assert (over.as_subclass(torch.Tensor) == 1).all()


def test_a_ferry_without_a_card_leaves_the_callers_array_alone() -> None:
    windows = np.ones((1, 2, 4), np.float32)
    windows.setflags(write=False)
    ferry = Ferry(torch.device("cpu"))
    over = ferry.over(windows)
    over.zero_()
    assert (windows == 1).all()
    assert np.array_equal(ferry.back(over), np.zeros((1, 2, 4), np.float32))
