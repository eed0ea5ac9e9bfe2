"""Between two batches of segments a job is heard and hears: progress comes, and a cancel is obeyed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge.audio.read import open_sound, scan
from bridge.domain.events import Progress
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.errors import Cancelled
from bridge.pipeline.progress import Watch
from bridge.separation.separate import separate
from tests.separation.listening import CountingSeparator

WriteSound = Callable[..., Path]
RATE = 44100
WINDOWS = 32
STRIDE = 33075


@pytest.fixture
def song(write_sound: WriteSound) -> Path:
    frames = (WINDOWS - 1) * STRIDE + RATE
    return write_sound(np.random.default_rng(5).standard_normal((2, frames)).astype(np.float32))


def separated(separator: CountingSeparator, song: Path, folder: Path, batch: int, watch: Watch) -> None:
    with open_sound(song, folder) as mix:
        blocks = separate(separator, mix, scan(mix), SeparationOptions(batch=batch), None)
        for _ in watch.blocks(blocks, "separate", RATE, mix.format.seconds):
            pass


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("batch", [1, 4])
def test_progress_tells_of_every_batch_and_counts_its_segments(
    song: Path, tmp_path: Path, batch: int, beside: bool
) -> None:
    told: list[float] = []
    ticks = iter(range(10**6))

    def report(event: object) -> None:
        if isinstance(event, Progress):
            told.append(event.done_seconds)

    separator = CountingSeparator(beside=beside)
    separated(separator, song, tmp_path, batch, Watch(report, lambda: False, clock=lambda: float(next(ticks))))
    assert separator.windows == [batch] * (WINDOWS // batch)
    whole = ((WINDOWS - 1) * STRIDE + RATE) / RATE
    wanted = [0.0, *(batch * number * STRIDE / RATE for number in range(1, WINDOWS // batch)), whole]
    assert told == pytest.approx(wanted)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_cancel_on_a_cpu_is_obeyed_before_the_next_batch(song: Path, tmp_path: Path, batch: int) -> None:
    separator = CountingSeparator()
    with pytest.raises(Cancelled):
        separated(separator, song, tmp_path, batch, Watch(lambda _: None, lambda: sum(separator.windows) >= 2 * batch))
    assert separator.windows == [batch] * 2


def test_a_cancel_beside_the_network_waits_for_one_batch_at_the_most(song: Path, tmp_path: Path) -> None:
    """The network is held in its third batch until the cancel is out; then it may end that one, and begin none."""
    held, out = threading.Event(), threading.Event()

    class Held(CountingSeparator):
        def forward(self, windows: FloatArray, rows) -> FloatArray:
            if len(self.windows) == 2:
                held.set()
                assert out.wait(60)
            return super().forward(windows, rows)

    separator, asked = Held(beside=True), 0

    def cancel() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            assert held.wait(60)
            # Only now: closing what is under way then waits for the forward alone.
            threading.Timer(0.2, out.set).start()
        return asked >= 2

    before = threading.active_count()
    with pytest.raises(Cancelled):
        separated(separator, song, tmp_path, 4, Watch(lambda _: None, cancel))
    assert separator.windows == [4] * 3
    assert threading.active_count() <= before + 1  # the timer's own thread may still end
