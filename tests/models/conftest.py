"""A published model of two small networks on a stand-in of the hub, and folders that are nobody's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import Hub, running, sha256
from small_weights import COMMIT, Published, weights_bytes

from bridge.models.model import HubSource, Member, Model
from bridge.models.places import Places


@pytest.fixture
def published() -> Published:
    files = {f"net{i}.safetensors": weights_bytes(i) for i in range(2)}
    members = tuple(Member(name[:4], name, len(data), sha256(data)) for name, data in files.items())
    model = Model(
        name="pair",
        stems=("drums", "vocals"),
        members=members,
        weights=((1.0, 1.0),) * 2,
        segment_seconds=None,
        source=HubSource("someone/Pair", COMMIT),
        description="",
        licence="",
    )
    return Published(model, files)


@pytest.fixture
def hub(published: Published) -> Iterator[Hub]:
    stand_in = Hub()
    stand_in.publish(COMMIT, published.files)
    before = threading.active_count()
    with running(stand_in):
        yield stand_in
    assert threading.active_count() <= before, threading.enumerate()


@pytest.fixture
def places(hub: Hub, tmp_path: Path) -> Places:
    return Places(tmp_path / "data", tmp_path / "cache", tmp_path / "hub", hub.address)
