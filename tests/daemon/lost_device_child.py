"""A worker child whose network loses its card once, for renders called so; what torch says then: test_device.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bridge.audio.read import Scan, Sound
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.errors import DeviceError
from bridge.separation.separator import Separator
from bridge.separation.store import Store
from bridge.worker.child import serve
from tests.daemon.fake_child import QuickSeparator, separator_of

FAILURES = {
    "lost": DeviceError("The device 'cuda' failed: CUDA error: unspecified launch failure."),
    "full": DeviceError("The device 'cuda' ran out of memory."),
}


class LosesItsCard(QuickSeparator):
    """Fails the first time."""

    def __init__(self, members: tuple[tuple[str, str], ...], render: Path) -> None:
        super().__init__(members)
        self.render = render

    def estimates(
        self, mix: Sound, scan: Scan, wanted: Sequence[str], options: SeparationOptions, store: Store | None = None
    ) -> Iterator[FloatArray]:
        attempts = self.render.parent.parent / f"{self.render.stem} attempts.txt"
        with attempts.open("a") as file:
            file.write("x")
        if attempts.stat().st_size <= 1:
            raise FAILURES[self.render.stem]
        yield from super().estimates(mix, scan, wanted, options, store)


def losing(job: Job) -> Separator:
    separator = separator_of(job)
    return LosesItsCard(separator.members, job.render) if job.render.stem in FAILURES else separator


if __name__ == "__main__":
    serve(losing)
