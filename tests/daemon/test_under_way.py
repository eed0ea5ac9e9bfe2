"""What changes while it is being worked on: the render, the preset, the settings, the disk."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
import soundfile

from bridge.daemon import desk
from bridge.delivery import publish as publishing
from bridge.delivery.manifest import read
from bridge.delivery.stage import hold_stage
from bridge.domain.drop import MANIFEST
from bridge.landmark import MARK
from tests.daemon.houses import House, sound

QUIET = "version: 1\nname: mine\nstems:\n  vocals: {chain: [{Gain: {gain_db: -6}}]}\n"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_render_that_is_deleted_while_it_is_worked_on_becomes_a_drop_all_the_same(house: House) -> None:
    render = sound(house.inbox / "slow.wav")
    with house.running(include_existing=True):
        house.until(lambda: "separate" in house.told.stages())
        render.unlink()
        house.until(lambda: house.told.drops)
    assert house.drops() == ["slow"]
    assert house.told.errors == []


def test_a_render_that_is_renamed_while_it_waits_is_done_once_under_its_last_name(house: House) -> None:
    house.settle_seconds = 1.0
    with house.running():
        sound(house.inbox / "first name.wav")
        house.until(lambda: "first name.wav" in house.states())
        (house.inbox / "first name.wav").rename(house.inbox / "last name.wav")
        house.until(lambda: house.told.drops)
    assert house.drops() == ["last name"]
    assert house.states() == {"first name.wav": "gone", "last name.wav": "done"}


@pytest.mark.skipif(os.name == "nt", reason="a hole needs its own call on Windows")
def test_a_file_with_a_hole_is_read_as_the_silence_it_stands_for(house: House) -> None:
    render = sound(house.folder / "whole.wav", seconds=4.0)
    size = render.stat().st_size
    with render.open("r+b") as file:
        file.truncate(4096)
        file.truncate(size)
    render.rename(house.inbox / "hole.wav")
    assert house.once() == 0
    samples, _ = soundfile.read(house.outbox / "hole" / "mix" / "hole.wav")
    assert samples[:500].any()
    assert not samples[4096:].any()


def test_a_job_keeps_the_preset_it_began_with(house: House) -> None:
    house.preset = "mine"
    preset = house.presets / "mine.yaml"
    preset.write_text(QUIET, encoding="utf-8")
    sound(house.inbox / "slow.wav")
    with house.running(include_existing=True) as daemon:
        house.until(lambda: "separate" in house.told.stages())
        preset.write_text(QUIET.replace("-6", "-12"), encoding="utf-8")
        daemon.reload()
        house.until(lambda: house.told.drops)
        sound(house.inbox / "next.wav", seed=2)
        house.until(lambda: len(house.told.drops) == 2)
    began, after = (read(drop / MANIFEST).preset for drop in house.told.drops)
    assert began.sha256 != after.sha256


def test_settings_are_read_again_when_asked_and_wrong_ones_change_nothing(house: House) -> None:
    other = house.folder / "other inbox"
    other.mkdir()
    with house.running(include_existing=True) as daemon:
        house.inbox, first = other, house.inbox
        daemon.reload()
        sound(house.folder / "moved.wav").rename(other / "moved.wav")
        house.until(lambda: house.told.drops)
        house.inbox = house.outbox
        daemon.reload()
        house.until(lambda: house.told.errors)
        sound(other / "later.wav", seed=2)
        house.until(lambda: len(house.told.drops) == 2)
    assert house.drops() == ["later", "moved"]
    assert [entry.name for entry in first.iterdir()] == [MARK]


def test_a_network_that_gives_no_numbers_parks_its_render_and_nothing_appears(house: House) -> None:
    sound(house.inbox / "nan.wav", seed=1)
    sound(house.inbox / "well.wav", seed=2)
    child = (sys.executable, str(Path(__file__).with_name("nan_child.py")))
    assert house.once(child) == 1
    assert house.drops() == ["well"]
    assert house.states() == {"nan.wav": "parked", "well.wav": "done"}
    assert house.staging_is_clean()


def test_an_error_of_the_disk_right_after_the_rename_makes_no_second_drop(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def fails_once(folder: Path) -> None:
        asked.append(folder)
        if len(asked) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(publishing, "fsync_folder", fails_once)
    assert desk.publish is publishing.publish
    sound(house.inbox / "song.wav")
    with house.running(include_existing=True):
        house.until(lambda: house.told.drops)
    assert house.drops() == ["song"]
    assert house.works()[0].attempts == 1
    assert house.staging_is_clean()


def test_what_another_program_stages_in_the_same_outbox_is_left_alone(house: House) -> None:
    theirs = house.outbox / ".staging" / "theirs"
    (theirs / "work").mkdir(parents=True)
    with hold_stage(house.outbox, "theirs-too"):
        sound(house.inbox / "song.wav")
        assert house.once() == 0
        assert sorted(entry.name for entry in theirs.parent.iterdir()) == ["theirs", "theirs-too.lock"]
    assert house.drops() == ["song"]
