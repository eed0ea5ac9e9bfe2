"""A worker child whose separator is the exact fake: everything but the network is real."""

from __future__ import annotations

from bridge.separation.separator import FakeSeparator
from bridge.worker.child import serve

if __name__ == "__main__":
    fake = FakeSeparator()
    serve(lambda _: fake)
