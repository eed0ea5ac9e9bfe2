"""A worker child whose network counts its forwards in a file, and that a render called `dies at N` kills at the Nth."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bridge.domain.job import Job
from bridge.domain.stems import FloatArray
from bridge.models.registry import find
from bridge.models.weights import checksums
from bridge.separation.separator import Separator
from bridge.worker.child import serve
from tests.separation.listening import CountingSeparator


class Watched(CountingSeparator):
    """Writes a line for each forward once it is begun."""

    log = Path()
    dies_at = 0

    def forward(self, windows: FloatArray, rows: Sequence[int]) -> FloatArray:
        with self.log.open("a") as log:
            log.write("forward\n")
        if len(self.log.read_text().split()) == self.dies_at:
            os._exit(9)
        return super().forward(windows, rows)


def separator_of(job: Job) -> Separator:
    model = find("htdemucs_mini")
    names = (member.signature for member in model.members)
    separator = Watched(members=tuple(zip(names, checksums(model), strict=True)))
    separator.log = job.outbox.parent / "forwards.txt"
    limit = job.outbox.parent / "dies at"
    separator.dies_at = int(limit.read_text()) if limit.exists() else 0
    return separator


if __name__ == "__main__":
    serve(separator_of)
