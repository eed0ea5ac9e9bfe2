"""Weights small enough for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import save

from bridge.models.model import Model

__all__ = ["COMMIT", "Published", "weights_bytes"]

COMMIT = "1" * 40


def weights_bytes(seed: int = 0, stems: tuple[str, ...] = ("drums", "vocals"), **kwargs: object) -> bytes:
    """Make a safetensors file that says what demucs' exports say; its tensors are too few to separate with."""
    tensors = {"a": np.random.default_rng(seed).standard_normal(50_000).astype(np.float16), "b": np.zeros(3, "f4")}
    given = {"sources": list(stems), "samplerate": 44100, "segment": 8, **kwargs}
    return save(tensors, {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(given)})


@dataclass(frozen=True)
class Published:
    """A two-network model on the stand-in."""

    model: Model
    files: dict[str, bytes]
