"""A worker child whose separator gives what is no sound for renders that are called so."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from bridge.audio.read import Scan, Sound
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.separation.separator import Separator
from bridge.separation.store import Store
from bridge.worker.child import serve
from tests.daemon.fake_child import QuickSeparator, separator_of


class NoNumbers(QuickSeparator):
    """One sample of the first block is no number."""

    def estimates(
        self, mix: Sound, scan: Scan, wanted: Sequence[str], options: SeparationOptions, store: Store | None = None
    ) -> Iterator[FloatArray]:
        for block in super().estimates(mix, scan, wanted, options, store):
            broken = block.copy()
            broken[0, 0, 0] = np.nan
            yield broken


def no_numbers_of(job: Job) -> Separator:
    usual = separator_of(job)
    assert isinstance(usual, QuickSeparator)
    return NoNumbers(usual.members) if job.render.name.startswith("nan") else usual


if __name__ == "__main__":
    serve(no_numbers_of)
