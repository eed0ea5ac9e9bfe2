"""The self-test that users run in their REAPER: it says that all is well when it is, and what is not when it is not."""

from __future__ import annotations

from pathlib import Path

from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.state import Track
from tests.reaper.workplace import workplace


def report_of(tmp_path: Path, fail: str = "") -> tuple[Reaper, str]:
    place = workplace(tmp_path)
    reaper = Reaper()
    reaper.sample_rate = 48000
    reaper.resource_path = str(tmp_path)
    if fail:
        reaper.fail_next(fail)
    reaper.run(place.script("Self test"))
    return reaper, newest_report(tmp_path).read_text(encoding="utf-8")


def newest_report(tmp_path: Path) -> Path:
    return max((tmp_path / "stembridge-self-test").glob("*/report.txt"), key=lambda path: int(path.parent.name))


def test_all_is_well_in_the_stand_in(tmp_path: Path) -> None:
    reaper, report = report_of(tmp_path)
    assert "FAIL" not in report, report
    assert report.rstrip().endswith("All is well.")
    assert "largest difference between stems and mix" in report
    assert reaper.messages[0].startswith("All is well.")


def test_what_goes_wrong_is_in_the_report(tmp_path: Path) -> None:
    reaper, report = report_of(tmp_path, "CreateTrackSend")
    assert "FAIL  import: REAPER could not add a send." in report
    assert "checks failed" in reaper.messages[0]


def test_a_tab_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = Reaper()
    reaper.resource_path = str(tmp_path)
    reaper.template.append(Track(texts={"P_NAME": "Mine"}))
    reaper.run(place.script("Self test"))
    assert [one.name for one in reaper.project.tracks] == ["Mine"]
    assert "nothing was tried" in newest_report(tmp_path).read_text(encoding="utf-8")


def test_a_second_run_writes_to_nothing_that_reaper_may_hold_open(tmp_path: Path) -> None:
    reaper, _ = report_of(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "stembridge-self-test").rglob("*.*")}
    first = newest_report(tmp_path)
    reaper.run(tmp_path / "Scripts" / "Stem Bridge" / "stembridge_Self test.lua")
    assert str(newest_report(tmp_path)) in reaper.messages[1]
    assert newest_report(tmp_path) != first
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_projects_that_were_open_are_not_touched(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    reaper = Reaper()
    reaper.sample_rate = 48000
    reaper.resource_path = str(tmp_path)
    mine = reaper.project
    mine.tracks.append(Track(texts={"P_NAME": "Mine"}))
    before = mine.state()
    reaper.run(place.script("Self test"))
    assert reaper.project is not mine
    assert mine.state() == before
    assert reaper.tabs[0] is mine
