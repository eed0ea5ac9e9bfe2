"""One render, one drop, once: whatever happens to the file, the folder and the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.houses import House, sound


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_one_render_becomes_one_drop_and_the_render_is_not_touched(house: House) -> None:
    render = sound(house.inbox / "song.wav")
    before = (render.read_bytes(), render.stat().st_mtime_ns)
    assert house.once() == 0
    assert house.drops() == ["song"]
    assert (render.read_bytes(), render.stat().st_mtime_ns) == before
    assert house.staging_is_clean()
    assert house.states() == {"song.wav": "done"}
