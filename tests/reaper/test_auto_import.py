"""Auto-import: stems come in by themselves, the daemon hears of play and record, and the user stays in charge."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.daemon.control import collect
from bridge.daemon.status import Current, Ended, Status
from bridge.domain.render import Source
from bridge.session.reascript import drop_data
from tests.reaper.standin.machine import Reaper
from tests.reaper.workplace import Workplace, workplace
from tests.session.small_drops import SmallDrop, make_drop

OURS = "{11111111-2222-4333-8444-555555555555}"
TOGGLE = 40999


def drop(place: Workplace, name: str, project: str = OURS, created: str = "2026-01-01") -> SmallDrop:
    source = Source("master", project)
    made = make_drop(place.outbox / name, title=name, drop_id=name.encode().hex().ljust(16, "0"), source=source)
    (made.folder / "drop.lua").write_text(drop_data({"created": created}), encoding="utf-8")
    return made


def started(place: Workplace) -> Reaper:
    reaper = Reaper()
    reaper.project.ext["stembridge/project"] = OURS
    reaper.start(place.script("Auto-import"))
    return reaper


def tell(place: Workplace, status: Status, age: float = 0.0) -> None:
    place.run_daemon(status, age)


RUNNING = Status("running", 1, 0.0)


def test_a_finished_drop_of_this_project_comes_in_and_others_stay_out(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = started(place)
    reaper.turn()
    assert not reaper.project.tracks
    drop(place, "Mine")
    drop(place, "Theirs", "{0}")
    (place.outbox / ".staging-x").mkdir()
    tell(place, replace(RUNNING, counts={"ready": 1}), age=-2.0)
    reaper.turn(1.1)
    assert {one.name for one in reaper.project.tracks} >= {"Vocals", "Mine (original)"}
    assert not any("Theirs" in one.name for one in reaper.project.tracks)
    assert [name for name, *_ in reaper.undo_points] == ["Stem Bridge: import Mine"]
    assert "Imported: Mine" in reaper.gfx.texts
    for _ in range(20):
        reaper.turn(1.1)
    assert len(reaper.undo_points) == 1
    reaper.end()
    assert not reaper.messages


def test_what_the_user_undid_does_not_come_back_by_itself_and_a_later_start_touches_nothing(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    drop(place, "Mine")
    reaper = started(place)
    reaper.turn()
    assert reaper.project.tracks
    once = reaper.project.state()
    reaper.turn(1.1)
    reaper.end()
    reaper.start(place.script("Auto-import"))
    reaper.turn()
    assert reaper.project.state() == once
    reaper.undo()
    tell(place, replace(RUNNING, paused_by="x"), age=-3.0)
    reaper.turn(1.1)
    assert not reaper.project.tracks
    reaper.end()


def test_a_project_that_never_sent_anything_gets_nothing(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    drop(place, "Old", "")
    reaper = Reaper()
    reaper.start(place.script("Auto-import"))
    reaper.turn(1.1)
    reaper.end()
    assert not reaper.project.tracks
    assert not reaper.project.ext


def test_idle_it_reads_one_small_file_a_second_and_lists_no_folder(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = started(place)
    reaper.turn(1.1)
    reaper.calls.clear()
    reaper.gfx.calls.clear()
    for _ in range(100):
        reaper.turn(0.03)
    assert not reaper.calls["EnumerateSubdirectories"]
    a_turn = {"defer": 100, "time_precise": 100}
    a_second = {"GetPlayStateEx": 3, "GetProjExtState": 6}
    assert all(count <= (a_turn | a_second)[name] for name, count in reaper.calls.items()), reaper.calls
    assert reaper.gfx.calls == {"getchar": 100}, "only that the window was closed is asked"
    reaper.end()


def test_the_window_is_drawn_anew_where_something_changed_and_larger_where_it_is_larger(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = started(place)
    reaper.turn(1.1)
    drawn = reaper.gfx.calls["update"]
    tell(place, replace(RUNNING, paused_by="The disk is full."), age=-1.0)
    reaper.turn(1.1)
    assert reaper.gfx.calls["update"] == drawn + 1
    assert "The disk is full." in reaper.gfx.texts
    reaper.gfx.variables[b"w"], reaper.gfx.variables[b"h"] = 840, 392
    tell(place, RUNNING, age=3600)
    reaper.turn(1.1)
    assert reaper.gfx.calls["update"] == drawn + 2
    reaper.gfx.click(30, 2 * (8 + 15))
    reaper.turn()
    assert len(reaper.executed) == 1, "rows are twice as high"
    reaper.end()


def test_what_the_user_took_out_stays_out_and_can_be_brought_in_by_hand(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    drop(place, "Mine")
    reaper = started(place)
    reaper.turn(1.1)
    reaper.end()
    assert reaper.project.tracks
    reaper.project.tracks.clear()
    reaper.start(place.script("Auto-import"))
    reaper.turn(1.1)
    reaper.end()
    assert not reaper.project.tracks
    reaper.gfx.choices = [1]
    reaper.run(place.script("Bring stems in"))
    assert reaper.project.tracks


def test_a_drop_that_comes_again_under_its_name_is_imported(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = started(place)
    for number, name in enumerate(("Mine", "", "Mine")):
        if name:
            drop(place, name).folder.joinpath("drop.lua").touch()
        else:
            shutil.rmtree(place.outbox / "Mine")
            reaper.project.tracks.clear()
        tell(place, replace(RUNNING, counts={"ready": number}), age=-number - 1.0)
        reaper.turn(1.1)
    assert reaper.project.tracks
    reaper.end()


def requests(place: Workplace) -> list[tuple[str, str, float]]:
    found = collect(place.state / "control")
    assert not found.problems
    return [(one.do, one.work, one.seconds) for one in found.requests]


def test_the_daemon_hears_of_play_and_record_while_it_lasts(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = started(place)
    reaper.turn()
    assert not requests(place)
    reaper.play_state = 1
    reaper.turn(1.1)
    assert requests(place) == [("playing", "", 15.0)]
    for _ in range(6):
        reaper.turn(1.1)
    assert requests(place) == [("playing", "", 15.0)], "said again before it is forgotten"
    reaper.play_state = 0
    reaper.turn(1.1)
    assert [one[0] for one in requests(place)] == ["stopped"]
    reaper.play_state = 5
    reaper.turn(1.1)
    reaper.end()
    assert [one[0] for one in requests(place)] in (["recording", "stopped"], ["stopped", "recording"])


def test_nothing_comes_in_while_the_user_records(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    drop(place, "Mine")
    reaper = Reaper()
    reaper.project.ext["stembridge/project"] = OURS
    reaper.play_state = 5
    reaper.start(place.script("Auto-import"))
    reaper.turn(1.1)
    assert not reaper.project.tracks
    reaper.play_state = 0
    for _ in range(20):
        reaper.turn(1.1)
    assert reaper.project.tracks
    reaper.end()


def test_the_window_shows_the_job_and_its_buttons_ask_the_daemon(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    status = replace(
        RUNNING,
        counts={"running": 1, "ready": 2},
        current=Current("3f2a", "/in/Söng.wav", 1, "separate", 42, 7.5),
        failed=(Ended("/in/bad.wav", 0.0, reason="It is no sound."),),
    )
    tell(place, status)
    reaper = started(place)
    reaper.turn()
    shown = reaper.gfx.texts
    assert shown[0] == "Söng.wav: separate 42%, 7 s left"
    assert "2 waiting" in shown
    assert "bad.wav: It is no sound." in shown
    for row, wanted in ((2, ("cancel", "3f2a")), (5, ("retry", "all"))):
        reaper.gfx.click(30, 8 + (row - 1) * 20 + 5)
        reaper.turn()
        reaper.turn()
        assert [one[:2] for one in requests(place)] == [wanted], "one press is one request"
        reaper.gfx.release()
        reaper.turn()
    reaper.end()


def test_a_dead_daemon_is_shown_and_can_be_started(tmp_path: Path) -> None:
    place = workplace(tmp_path, is_running=False)
    reaper = started(place)
    reaper.on_exec = place.run_daemon
    reaper.turn()
    assert "not running" in reaper.gfx.texts[0]
    reaper.gfx.click(30, 12)
    reaper.turn()
    assert len(reaper.executed) == 1
    reaper.turn(1.1)
    assert reaper.gfx.texts[0] == "Nothing to do."
    reaper.end()


@pytest.mark.parametrize("key", [-1, 27])
def test_closing_the_window_ends_it_and_the_toggle_goes_out(tmp_path: Path, key: int) -> None:
    reaper = started(workplace(tmp_path))
    assert reaper.toggles == {TOGGLE: 1}
    assert reaper.ext_state["stembridge", "auto_import"] == "on"
    reaper.gfx.keys = [key]
    reaper.turn()
    assert not reaper.deferred
    reaper.end()
    assert reaper.toggles == {TOGGLE: 0}
    assert reaper.ext_state["stembridge", "auto_import"] == ""
    assert not reaper.gfx.is_open


@pytest.mark.parametrize("text", ["", "return {", "return {version = os.exit()}\n", "return {updated = 1e999}\n", "\0"])
def test_a_broken_status_is_a_daemon_that_does_not_run(tmp_path: Path, text: str) -> None:
    place = workplace(tmp_path)
    (place.state / "status.lua").write_text(text)
    reaper = started(place)
    reaper.turn()
    assert "not running" in reaper.gfx.texts[0]
    reaper.end()


def test_a_drop_that_cannot_come_in_is_named_in_the_window(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    made = drop(place, "Mine")
    (made.folder / "stems" / "Song - Bass.wav").unlink()
    reaper = started(place)
    reaper.turn()
    assert any(one.startswith("Not imported: Mine. This file of the drop is missing") for one in reaper.gfx.texts)
    assert not reaper.project.tracks
    reaper.end()


def test_bring_stems_in_offers_the_drops_of_this_project_newest_first(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    for name, project, created in (
        ("Old", OURS, "2026-01-01"),
        ("New", OURS, "2026-02-01"),
        ("Alien", "{0}", "2026-03-01"),
    ):
        drop(place, name, project, created)
    reaper = Reaper()
    reaper.project.ext["stembridge/project"] = OURS
    reaper.gfx.choices = [1, 2]
    for _ in range(3):
        reaper.run(place.script("Bring stems in"))
    assert reaper.gfx.menus == [
        "New|Old|Another one ...",
        "New (is in the project)|Old|Another one ...",
        "New (is in the project)|Old (is in the project)|Another one ...",
    ]
    assert [name for name, *_ in reaper.undo_points] == ["Stem Bridge: import New", "Stem Bridge: import Old"]


def test_a_drop_whose_name_is_all_signs_of_menus_shifts_no_other(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    drop(place, "##", OURS, "2026-02-01")
    drop(place, "Old", OURS, "2026-01-01")
    reaper = Reaper()
    reaper.project.ext["stembridge/project"] = OURS
    reaper.gfx.choices = [2]
    reaper.run(place.script("Bring stems in"))
    assert reaper.gfx.menus == ["-|Old|Another one ..."]
    assert [name for name, *_ in reaper.undo_points] == ["Stem Bridge: import Old"]


def test_a_request_is_what_the_daemon_reads(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = started(place)
    reaper.play_state = 1
    reaper.turn(1.1)
    (file,) = (place.state / "control").iterdir()
    assert json.loads(file.read_text()) == {"do": "playing", "seconds": 15}
    reaper.end()
