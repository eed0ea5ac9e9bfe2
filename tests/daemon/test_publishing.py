"""A complete drop that its outbox refuses waits, and appears without being computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.daemon import desk
from bridge.delivery.publish import publish
from bridge.domain.drop import Drop, Staged
from bridge.errors import DestinationError
from tests.daemon.houses import House, sound


def test_a_drop_that_its_outbox_refuses_appears_later_without_being_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path)
    refusals = [OSError(30, "Read-only file system"), OSError(5, "Input/output error")]

    def sometimes(staged: Staged) -> Drop:
        def rename(source: Path, target: Path) -> None:
            if refusals:
                raise refusals.pop()
            source.rename(target)

        return publish(staged, rename=rename)

    monkeypatch.setattr(desk, "publish", sometimes)
    with house.running():
        sound(house.inbox / "song.wav")
        house.until(lambda: house.states() == {"song.wav": "done"})
    assert [work.attempts for work in house.works()] == [1]
    assert [type(error) for _, error in house.told.errors] == [DestinationError, DestinationError]
    assert house.drops() == ["song"]
    assert house.staging_is_clean()


def test_a_staged_folder_that_lost_a_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    broken = []

    def break_first(staged: Staged) -> Drop:
        if not broken:
            broken.append(next((staged.folder / "stems").iterdir()))
            broken[0].unlink()
        return publish(staged)

    monkeypatch.setattr(desk, "publish", break_first)
    sound(house.inbox / "song.wav")
    assert house.once() == 0
    assert [work.attempts for work in house.works()] == [2]
    assert house.drops() == ["song"]
