"""What happens when a card's memory is full: smaller batches for good, then the CPU, and it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from bridge.audio.read import Scan, Sound, open_sound, scan
from bridge.domain.job import SeparationOptions, StoreOptions
from bridge.domain.stems import FloatArray
from bridge.errors import DeviceError
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.device import device_errors
from bridge.separation.ladder import Ladder
from bridge.separation.network import Network
from bridge.separation.overlap import Grid
from bridge.separation.store import Store
from bridge.separation.stream import Listener, stream_estimates
from tests.separation.listening import CountingSeparator

WriteSound = Callable[..., Path]

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
    ladder = Ladder(card, None, most=64)
    assert np.array_equal(ladder(WINDOWS)[:, 0], 2 * WINDOWS)
    card.sizes.clear()
    assert np.array_equal(ladder(WINDOWS)[:, 0], 2 * WINDOWS)
    assert max(card.sizes) <= room  # what was too much is not tried again


def test_a_card_without_room_for_one_window_is_left_for_good() -> None:
    card, cpu = Card(0), Card(100)
    ladder = Ladder(card, lambda: cpu, most=64)
    assert np.array_equal(ladder(WINDOWS)[:, 0], 2 * WINDOWS)
    assert card.sizes == [4, 2, 1]
    ladder(WINDOWS)
    assert card.sizes == [4, 2, 1]
    assert set(cpu.sizes) == {1}


def test_with_nowhere_to_go_the_error_is_told() -> None:
    with pytest.raises(DeviceError, match="ran out of memory"):
        Ladder(Card(0), None, most=64)(WINDOWS)


def test_other_failures_of_a_card_are_not_taken_for_want_of_memory() -> None:
    card = Card(0, RuntimeError)
    with pytest.raises(DeviceError, match="launch failure"):
        Ladder(card, lambda: Card(100), most=64)(WINDOWS)
    assert card.sizes == [4]


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
    left.bind(["drums"])  # the next job begins where it was asked to
    assert (left.device.type, left.left) == ("meta", None)


@dataclass
class LosesItsCard(CountingSeparator):
    """On a card for so many forwards, then on the CPU."""

    room: int = 0

    def estimates(
        self, mix: Sound, scan: Scan, wanted: Sequence[str], options: SeparationOptions, store: Store | None = None
    ) -> Iterator[FloatArray]:
        rows = [self.stems.index(stem) for stem in wanted]

        def names() -> tuple[str, ...]:
            device = "cuda" if self.room and len(self.windows) <= self.room else "cpu"
            return tuple(f"{row} {device}" for row in rows)

        grid = Grid(self.segment_frames, int(self.segment_frames * (1 - options.overlap)), pads=True)
        listener = Listener(lambda windows: self.forward(windows, rows), names(), grid, 44100, False, names)
        return stream_estimates(listener, mix, scan, options, store)


def test_what_the_cpu_took_over_is_not_kept_as_the_cards(write_sound: WriteSound, tmp_path: Path) -> None:
    path = write_sound(np.random.default_rng(1).standard_normal((2, 5 * 44100)).astype(np.float32))

    def separated(room: int) -> Store:
        store = Store(StoreOptions(tmp_path / "store", 1 << 32), lambda sentence: None)
        with open_sound(path, tmp_path) as mix:
            list(LosesItsCard(room=room).estimates(mix, scan(mix), ("drums",), SeparationOptions(), store))
        return store

    every = separated(room=2).computed
    assert every > 4
    assert separated(room=0).found == every - 2
    assert separated(room=1000).found == 2
