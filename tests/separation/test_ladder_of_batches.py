"""What happens when a card's memory is full: smaller batches for good, then the CPU, and it is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bridge.domain.stems import FloatArray
from bridge.errors import DeviceError
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.device import device_errors
from bridge.separation.ladder import Ladder
from bridge.separation.network import Network

CUDA = torch.device("cuda")
WINDOWS = np.arange(7 * 2 * 3, dtype=np.float32).reshape(7, 2, 3)


class Card:
    """A forward that doubles, with memory for so many windows at a time."""

    def __init__(self, room: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        self.room, self.error, self.sizes = room, error, list[int]()

    def __call__(self, windows: FloatArray) -> FloatArray:
        self.sizes.append(len(windows))
        with device_errors(CUDA):
            if len(windows) > self.room:
                raise self.error("CUDA out of memory." if self.error is torch.OutOfMemoryError else "launch failure")
        return np.asarray(2 * windows[:, None], dtype=np.float32)


@pytest.mark.parametrize("room", range(1, 9))
def test_every_window_is_estimated_once_in_order_whatever_the_memory(room: int) -> None:
    card = Card(room)
    ladder = Ladder(card, None)
    assert np.array_equal(ladder(WINDOWS)[:, 0], 2 * WINDOWS)
    card.sizes.clear()
    assert np.array_equal(ladder(WINDOWS)[:, 0], 2 * WINDOWS)
    assert max(card.sizes) <= room  # what was too much is not tried again


def test_a_card_without_room_for_one_window_is_left_for_good() -> None:
    card, cpu = Card(0), Card(100)
    ladder = Ladder(card, lambda: cpu)
    assert np.array_equal(ladder(WINDOWS)[:, 0], 2 * WINDOWS)
    assert card.sizes == [7, 4, 2, 1]
    ladder(WINDOWS)
    assert card.sizes == [7, 4, 2, 1]


def test_with_nowhere_to_go_the_error_is_told() -> None:
    with pytest.raises(DeviceError, match="ran out of memory"):
        Ladder(Card(0), None)(WINDOWS)


def test_other_failures_of_a_card_are_not_taken_for_want_of_memory() -> None:
    card = Card(0, RuntimeError)
    with pytest.raises(DeviceError, match="launch failure"):
        Ladder(card, lambda: Card(100))(WINDOWS)
    assert card.sizes == [7]


def test_a_network_that_leaves_its_card_gives_what_the_cpu_gives_and_says_so() -> None:
    model = find("htdemucs_mini")
    paths = locate(model)
    heard = np.random.default_rng(0).standard_normal((1, 2, 171990)).astype(np.float32)
    here = Network(model, paths, torch.device("cpu"))
    left = Network(model, paths, torch.device("meta"))  # a device that holds nothing, told as a full one below
    ladder = left.bind(["drums"])
    ladder._forward = Card(0)
    assert np.array_equal(ladder(heard), here.bind(["drums"])(heard))
    assert (left.device.type, left.left) == ("cpu", "meta ran out of memory")
