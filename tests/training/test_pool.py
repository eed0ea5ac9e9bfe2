"""Examples: their stems stay parts of a mix below full scale, whatever is done to them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training.pool import STEMS, Pool

RATE = 44100


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Two songs: every stem a tone of its own that never stops."""
    folder = tmp_path_factory.mktemp("pool")
    t = np.arange(4 * RATE) / RATE
    for row, stem in enumerate(STEMS):
        (folder / stem).mkdir()
        for number in range(2):
            tone = 8000 * np.sin(2 * np.pi * (110 * (row + 1)) * t)
            np.save(folder / stem / f"1-{number:04}.npy", np.stack([tone, tone], axis=1).astype(np.int16))
    return Pool(folder)


@pytest.mark.parametrize("seed", range(30))
def test_examples_are_full_and_sum_below_full_scale(pool: Pool, seed: int) -> None:
    stems = pool.example(random.Random(seed), RATE)
    assert stems.shape == (4, 2, RATE)
    assert stems.dtype == np.float32
    assert np.abs(stems.sum(axis=0)).max() <= 0.951
    for row, stem in enumerate(stems):
        if not np.abs(stem).max():
            continue
        quarter = RATE // 4  # a stretch read at another speed fills the example to its end
        assert np.abs(stem[:, -quarter:]).max() > 0.2 * np.abs(stem).max()
        spectrum = np.abs(np.fft.rfft(stem[0] * np.hanning(RATE)))
        hertz = float(np.argmax(spectrum))
        assert 0.83 * 110 * (row + 1) < hertz < 1.2 * 110 * (row + 1)
