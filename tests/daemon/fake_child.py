"""A worker child whose separator is the exact fake: everything but the network is real.

What a render is called decides what befalls it: `crash`, `exit`, `hang`, `slow` at the start of its name.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bridge.audio.read import Scan, Sound
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.models.registry import find
from bridge.models.weights import checksums
from bridge.separation.separator import FakeSeparator, Separator
from bridge.separation.store import Store
from bridge.worker.child import serve


class QuickSeparator(FakeSeparator):
    """Says it is the mini model, as the manifest and the keys of a job must agree on the weights."""

    def __init__(self, members: tuple[tuple[str, str], ...]) -> None:
        self.members = members


class SlowSeparator(QuickSeparator):
    """Takes a second and a half for a quarter of a second, in small steps."""

    def estimates(
        self, mix: Sound, scan: Scan, wanted: Sequence[str], options: SeparationOptions, store: Store | None = None
    ) -> Iterator[FloatArray]:
        for block in super().estimates(mix, scan, wanted, options, store):
            for start in range(0, block.shape[2], 64):
                time.sleep(0.05)
                yield block[:, :, start : start + 64]


def separator_of(job: Job) -> Separator:
    name = job.render.name
    if name.startswith("crash"):
        print("a plugin took everything down", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("exit"):
        os._exit(0)
    if name.startswith("hang"):
        time.sleep(3600)
    model = find(job.separation.model, job.model_folders)
    signatures = (member.signature for member in model.members)
    members = tuple(zip(signatures, checksums(model, job.model_folders), strict=True))
    return (SlowSeparator if name.startswith("slow") else QuickSeparator)(members)


if __name__ == "__main__":
    serve(separator_of)
