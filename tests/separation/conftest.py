"""Small networks of the published classes with seeded random weights, and sound files to run them on."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.random_weights import write_model

torch.set_num_threads(1)
"""Before the separator is imported, which takes it for what this machine has: test processes share the cores."""

_SMALL_HT: dict[str, Any] = {
    "channels": 8,
    "bottom_channels": 0,
    "t_layers": 2,
    "t_heads": 2,
    "t_hidden_scale": 1.0,
    "segment": Fraction(39, 20),
}
_SMALL_H: dict[str, Any] = {"channels": 8, "segment": 4}
SMALL = {"htdemucs": _SMALL_HT, "htdemucs_ft": _SMALL_HT, "htdemucs_6s": _SMALL_HT, "mdx_extra": _SMALL_H}

WriteSound = Callable[..., Path]


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of own weights, by the name of the architecture."""
    folder = tmp_path_factory.mktemp("models")
    return {name: write_model(name, folder, seed=7, **overrides) for name, overrides in SMALL.items()}


@pytest.fixture
def write_sound(tmp_path: Path) -> WriteSound:
    """Write samples (channels, frames) as a FLOAT WAV and return its path."""

    def write(samples: np.ndarray, sample_rate: int = 44100, *, name: str = "mix.wav", subtype: str = "FLOAT") -> Path:
        path = tmp_path / name
        soundfile.write(path, samples.T, sample_rate, subtype=subtype)
        return path

    return write
