"""Progress: the same events as lines for a log and as JSON for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bridge.cli.progress import Bars, Feedback, Json, Lines, feedback
from bridge.domain.drop import Drop
from bridge.domain.events import Notice, Progress, StageStarted
from bridge.errors import ReadError

DROP = Drop(Path("out/song"), Path("out/song/import.lua"), Path("out/song/drop.json"))


def tell(feedback: Feedback) -> None:
    with feedback as told:
        told.start(Path("song.wav"), 1, 2)
        told.report(StageStarted("separate", 20.0))
        told.report(Progress("separate", 10.0, 20.0))
        told.report(Notice("the render is silent"))
        told.report(Progress("separate", 20.0, 20.0))
        told.report(Progress("separate", 20.0, 20.0))
        told.done(Path("song.wav"), DROP)
        told.start(Path("bad.wav"), 2, 2)
        told.failed(Path("bad.wav"), ReadError("bad.wav is not audio.", hint="Render it again."))


def test_json_tells_every_event_and_ends_each_render_with_done_or_failed(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Json())
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    kinds = ["started", "stage", "progress", "notice", "progress", "progress", "done", "started", "failed"]
    assert [event["event"] for event in events] == kinds
    assert events[2] == {"event": "progress", "stage": "separate", "done_seconds": 10.0, "total_seconds": 20.0}
    assert Path(events[6]["drop"]) == DROP.folder
    assert events[8]["hint"] == "Render it again."
    assert err == ""


@pytest.mark.parametrize("kind", [Lines, Bars])
def test_people_get_the_drop_on_stdout_and_all_else_on_stderr(
    capsys: pytest.CaptureFixture[str], kind: type[Feedback]
) -> None:
    tell(kind())
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(DROP.folder)]
    for words in ("song.wav (1 of 2)", "note: the render is silent", "done in 0:0", "error: bad.wav is not audio."):
        assert words in err


def test_a_log_gets_one_line_for_each_finished_stage(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Lines())
    lines = [line for line in capsys.readouterr().err.splitlines() if "separate" in line]
    assert len(lines) == 1
    assert "100 %" in lines[0]


@pytest.mark.parametrize(("terminal", "shown"), [("xterm-256color", Bars), ("dumb", Lines), ("unknown", Lines)])
def test_bars_are_for_terminals_that_can_go_back(
    monkeypatch: pytest.MonkeyPatch, terminal: str, shown: type[Feedback]
) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert type(feedback(json=False)) is shown
    assert type(feedback(json=True)) is Json
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert type(feedback(json=False)) is Lines


def test_below_the_folder_of_a_batch_a_render_is_called_by_its_place_and_all_else_as_it_is() -> None:
    told = Lines()
    told.top = Path("/music")
    assert told.about(Path("/music/a/song.wav"), "song.wav is cut.") == "a/song.wav is cut."
    assert told.about(Path("/music/a/song.wav"), "The network failed.") == "a/song.wav: The network failed."
    for other in (Path("/music"), Path("/elsewhere/song.wav")):
        assert told.about(other, f"{other} cannot be looked at.") == f"{other} cannot be looked at."
