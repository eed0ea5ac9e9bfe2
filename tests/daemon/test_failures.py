"""A failure costs the render it belongs to and nothing else, and what can pass is tried again by itself."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from bridge.daemon.control import Request, ask
from bridge.daemon.failure import Verdict, judge
from bridge.errors import (
    BridgeError,
    ConfigError,
    DestinationError,
    DeviceError,
    EffectError,
    ModelError,
    NoSpaceError,
    PresetError,
    ReadError,
    RenderChangedError,
    WorkerError,
)
from tests.daemon.houses import House, sound


def judged(error: type[BridgeError], attempts: int = 1, deaths: int = 1, luck: float = 0.5) -> Verdict:
    return judge(error("It happened."), attempts=attempts, deaths=deaths, limit=3, rescan_seconds=60.0, luck=luck)


@pytest.mark.parametrize("error", [ConfigError, PresetError, ModelError])
def test_what_the_user_must_change_is_looked_at_with_every_rescan_however_often(error: type[BridgeError]) -> None:
    assert judged(error, attempts=99, deaths=0) == Verdict("retry", 60.0)


@pytest.mark.parametrize("error", [ReadError, EffectError])
def test_a_fault_of_the_render_parks_it_at_once(error: type[BridgeError]) -> None:
    assert judged(error) == Verdict("parked")


def test_a_dying_worker_has_three_attempts_however_often_the_disk_was_full_before() -> None:
    states = [judged(WorkerError, attempts=9, deaths=deaths).state for deaths in (1, 2, 3)]
    assert states == ["retry", "retry", "parked"]


@pytest.mark.parametrize("error", [NoSpaceError, DestinationError])
def test_an_outbox_that_refuses_pauses_and_never_parks(error: type[BridgeError]) -> None:
    assert judged(error, attempts=1000) == Verdict("retry", pauses_outbox=True)


def test_what_passes_is_tried_later_and_later_but_never_given_up() -> None:
    waits = [judged(DeviceError, attempts=attempts).wait_seconds for attempts in range(1, 200)]
    assert waits == sorted(waits)
    assert 0 < waits[0] <= 30
    assert waits[-1] == 600
    assert judged(DeviceError, luck=0.0).wait_seconds < judged(DeviceError, luck=1.0).wait_seconds


def test_a_render_that_changed_settles_again() -> None:
    assert judged(RenderChangedError) == Verdict("waiting")


def test_a_worker_that_dies_costs_its_render_three_attempts_and_the_others_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "crash.wav", seed=1)
    sound(house.inbox / "exit.wav", seed=2)
    sound(house.inbox / "good.wav", seed=3)
    (house.inbox / "noise.wav").write_bytes(b"this is no sound at all, whatever the name says" * 10)
    content = (house.inbox / "crash.wav").read_bytes()
    assert house.once() == 1
    assert house.states() == {"crash.wav": "parked", "exit.wav": "parked", "good.wav": "done", "noise.wav": "parked"}
    works = {work.path.name: work for work in house.works()}
    assert [works[name].attempts for name in ("crash.wav", "exit.wav", "good.wav", "noise.wav")] == [3, 3, 1, 0]
    assert works["crash.wav"].error == "WorkerError"
    assert works["noise.wav"].error == "ReadError"
    for name in ("crash.wav", "exit.wav", "noise.wav"):
        folder = house.state / "parked" / works[name].id
        reason = json.loads((folder / "reason.json").read_text())
        assert (reason["render"], reason["reason"]) == (str(house.inbox / name), works[name].reason)
        assert (name == "noise.wav") != (folder / "log.txt").exists()
    assert "a plugin took everything down" in (house.state / "parked" / works["crash.wav"].id / "log.txt").read_text()
    assert house.drops() == ["good"]
    assert house.staging_is_clean()
    assert (house.inbox / "crash.wav").read_bytes() == content
    # Put right and rendered again under the same name, it is a new render.
    sound(house.inbox / "noise.wav", seed=4)
    assert house.once() == 0
    assert house.drops() == ["good", "noise"]


def test_a_worker_that_hangs_is_ended_and_the_next_render_is_done(tmp_path: Path) -> None:
    house = House(tmp_path, attempts=1, patience_minutes=0.15)
    sound(house.inbox / "hang.wav", seed=1)
    sound(house.inbox / "sound.wav", seed=2)
    assert house.once() == 1
    assert house.states() == {"hang.wav": "parked", "sound.wav": "done"}
    assert "said nothing" in next(work.reason for work in house.works() if work.path.name == "hang.wav")


def test_a_worker_that_cannot_even_start_parks_renders_and_says_why(tmp_path: Path) -> None:
    house = House(tmp_path, attempts=1)
    sound(house.inbox / "song.wav")
    assert house.once((sys.executable, "-c", "raise SystemExit('no such library')")) == 1
    assert "no such library" in house.works()[0].reason


def test_a_broken_preset_stops_its_renders_until_it_is_put_right_and_no_others(tmp_path: Path) -> None:
    house = House(tmp_path)
    preset = house.presets / "mine.yaml"
    preset.write_text("version: 1\nname: mine\nstems: {vocals: {chian: []}}\n")
    (house.inbox / "mine").mkdir()
    with house.running():
        sound(house.inbox / "mine" / "song.wav", seed=1)
        sound(house.inbox / "other.wav", seed=2)
        house.until(lambda: house.states() == {"song.wav": "retry", "other.wav": "done"})
        work = next(work for work in house.works() if work.state == "retry")
        assert (work.error, work.attempts) == ("PresetError", 0)
        assert len([error for _, error in house.told.errors]) == 1, "said once"
        preset.write_text("version: 1\nname: mine\n")
        ask(house.state, Request(do="reload"))
        house.until(lambda: house.states() == {"song.wav": "done", "other.wav": "done"})


def test_a_bad_sidecar_stops_its_render_until_it_is_put_right(tmp_path: Path) -> None:
    house = House(tmp_path)
    (house.inbox / "song.json").write_text('{"preset": "../../etc/passwd"}')
    with house.running():
        sound(house.inbox / "song.wav", seed=1)
        house.until(lambda: house.states() == {"song.wav": "retry"})
        (house.inbox / "song.json").unlink()
        house.until(lambda: house.states() == {"song.wav": "done"})


def test_an_outbox_that_is_gone_is_waited_for_and_never_made_anew(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.running():
        elsewhere = house.outbox.rename(tmp_path / "elsewhere")
        sound(house.inbox / "song.wav")
        house.until(lambda: "is waited for" in (house.state / "status.json").read_text())
        house.until(lambda: house.states() == {"song.wav": "ready"})
        assert not house.outbox.exists()
        elsewhere.rename(house.outbox)
        house.until(lambda: house.states() == {"song.wav": "done"})
    assert house.works()[0].attempts == 1


def test_a_job_whose_outbox_is_lost_under_it_is_done_once_it_is_back(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    sound(house.inbox / "slow.wav")
    with house.running(include_existing=True):
        house.until(lambda: "separate" in house.told.stages())
        moved = house.outbox.rename(tmp_path / "moved")
        house.until(lambda: house.states() != {"slow.wav": "running"})
        assert house.states()["slow.wav"] in ("retry", "publishing")
        moved.rename(house.outbox)
        house.until(lambda: house.states() == {"slow.wav": "done"})
    assert house.drops() == ["slow"]
    assert house.staging_is_clean()


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    free = {"bytes": 0}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free["bytes"]))
    from bridge.daemon.outboxes import Outboxes

    now = [0.0]
    outboxes = Outboxes(lambda _: None, first_pause_seconds=5.0, clock=lambda: now[0])
    outboxes.pause(house.outbox, NoSpaceError("The disk is full."))
    for now[0] in (4.0, 6.0, 17.0, 40.0):
        assert outboxes.tend() == []
    assert not outboxes.is_open(house.outbox)
    assert outboxes.reasons()
    free["bytes"] = 1 << 30
    now[0] = 200.0
    assert outboxes.tend() == [house.outbox]
    assert outboxes.is_open(house.outbox)
    assert house.staging_is_clean()


def test_a_card_that_is_lost_or_full_is_tried_again_by_a_fresh_worker_and_parks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.daemon.failure._FIRST_WAIT_SECONDS", 0.05)
    house = House(tmp_path)
    for seed, name in enumerate(("lost", "full", "another")):
        sound(house.inbox / f"{name}.wav", seed=seed)
    command = (sys.executable, str(Path(__file__).with_name("lost_device_child.py")))
    with house.running(command, include_existing=True):
        house.until(lambda: list(house.states().values()) == ["done"] * 3)
    assert sorted(type(error).__name__ for _, error in house.told.errors) == ["DeviceError"] * 2
    assert {work.path.stem: work.attempts for work in house.works()} == {"lost": 2, "full": 2, "another": 1}
    assert house.staging_is_clean()
