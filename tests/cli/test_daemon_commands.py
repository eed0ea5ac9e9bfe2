"""watch, jobs, drops and batch as commands: what they print, what they leave, and who is asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.audio.write import SoundWriter
from bridge.cli.log import LOG, Logged
from bridge.cli.progress import Lines
from bridge.cli.screen import lines_of
from bridge.cli.works import shortest
from bridge.config import state_folder
from bridge.daemon.control import CONTROL, collect
from bridge.daemon.live import AUDITION
from bridge.delivery.publish import publish
from bridge.domain.drop import Drop
from bridge.domain.events import Notice, Progress, StageStarted
from bridge.domain.render import FileIdentity
from bridge.errors import ReadError
from bridge.intake.plain import identity_of
from bridge.journal.journal import open_journal, read_works
from tests.delivery.small_drops import stage_drop
from tests.songs import mix_of, multitrack

Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings with one inbox, and a state of their own."""
    monkeypatch.setenv("STEM_BRIDGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("STEM_BRIDGE_CONFIG", str(tmp_path / "bridge.yaml"))
    text = "inboxes: [{path: in, outbox: out, model: htdemucs_mini}]\nseparation: {threads: 1, two_stems: vocals}\n"
    more = "intake: {settle_seconds: 0.5}\ntell: {desktop: false}\n"
    (tmp_path / "bridge.yaml").write_text(text + more, encoding="utf-8")
    (tmp_path / "in").mkdir()
    return tmp_path


@pytest.fixture
def works(home: Path) -> dict[str, str]:
    """Give one job of each of some states; by name of the render, its id."""
    with open_journal(home / "data" / "state") as journal:
        ids = {}
        for name in ("parked", "ready", "done", "cancelled"):
            render = home / "in" / f"{name}.wav"
            render.write_bytes(b"x")
            work = journal.see(render, identity_of(render.stat()), home / "in")
            ids[name] = work.id
            if name == "done":
                work = journal.begin(journal.move(work, "ready"))
                journal.move(work, "done", drop=home / "out" / "done")
            elif name == "parked":
                journal.move(work, "parked", error=ReadError("It is\x1b[2J no sound.", hint="Render it again."))
            else:
                journal.move(work, "ready" if name == "ready" else "cancelled")
    return ids


def write_song(path: Path, seconds: float = 1.0) -> None:
    with SoundWriter(path, sample_rate=44100, channels=2, container="WAV", subtype="FLOAT") as file:
        file.write(mix_of(multitrack(seconds)))


def states(home: Path) -> dict[str, str]:
    return {work.path.stem: work.state for work in read_works(home / "data" / "state")}


def test_watch_once_does_what_lies_in_the_inbox_and_says_what_it_leaves_alone(run: Run, home: Path) -> None:
    write_song(home / "in" / "old.wav")
    ended = run("watch", "--once")
    assert (ended.code, ended.out) == (0, "")
    assert "--include-existing" in ended.err
    write_song(home / "in" / "new.wav")
    (home / "in" / "bad.wav").write_text("no sound", encoding="utf-8")
    ended = run("watch", "--once")
    assert (ended.code, ended.out.split()) == (1, [str(home / "out" / "new")])
    assert "bad.wav is not a sound file" in ended.err
    assert states(home) == {"old": "recorded", "new": "done", "bad": "parked"}
    log = [json.loads(line) for line in (home / "data" / "state" / "logs" / LOG).read_text().splitlines()]
    assert {(one["event"], Path(one.get("render", "")).name) for one in log} >= {
        ("done", "new.wav"),
        ("failed", "bad.wav"),
    }


def test_watch_without_an_inbox_says_how_to_get_one(run: Run, home: Path) -> None:
    (home / "bridge.yaml").write_text("", encoding="utf-8")
    for arguments in (["watch"], ["service", "install"]):
        ended = run(*arguments)
        assert ended.code == 2
        assert "stem-bridge init" in ended.err
    assert json.loads(run("watch", "--json").out.splitlines()[-1])["error"] == "ConfigError"


@pytest.mark.skipif(os.name == "nt", reason="a test cannot ask one process to stop on Windows")
def test_watch_makes_a_drop_of_what_appears_and_stops_when_asked(home: Path) -> None:
    command = [sys.executable, "-m", "bridge", "watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            until(lambda: (home / "data" / "state" / "status.json").exists())
            write_song(home / "song.wav")
            (home / "song.wav").rename(home / "in" / "song.wav")
            events = []
            for line in process.stdout:
                events.append(json.loads(line))
                if events[-1]["event"] in ("done", "failed"):
                    break
            assert events[-1]["event"] == "done", events[-1]
            assert Path(events[-1]["drop"]) == home / "out" / "song"
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
            assert (process.returncode, err) == (0, "")
        finally:
            process.kill()
    assert json.loads((home / "data" / "state" / "status.json").read_bytes())["state"] == "stopped"


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_jobs_are_listed_and_shown_with_what_came_of_them(run: Run, home: Path, works: dict[str, str]) -> None:
    rows = {line.split()[1]: line for line in run("jobs", "list").out.splitlines()}
    assert rows.keys() == {"parked", "ready", "done", "cancelled"}
    assert str(home / "out" / "done") in rows["done"]
    assert "\x1b" not in rows["parked"]
    shown = run("jobs", "show", works["parked"][:8]).out
    assert "Render it again." in shown
    events = [json.loads(line) for line in run("jobs", "list", "--json").out.splitlines()]
    assert {one["id"] for one in events} == set(works.values())
    assert json.loads(run("jobs", "show", works["done"], "--json").out)["drop"] == str(home / "out" / "done")


def test_without_a_daemon_jobs_are_changed_in_the_journal(run: Run, home: Path, works: dict[str, str]) -> None:
    assert run("jobs", "retry", "all").code == 0
    assert states(home) == {"parked": "ready", "ready": "ready", "done": "done", "cancelled": "cancelled"}
    run("jobs", "retry", works["done"])
    run("jobs", "cancel", works["parked"][:10])
    assert states(home) == {"parked": "cancelled", "ready": "ready", "done": "ready", "cancelled": "cancelled"}
    run("jobs", "cancel", "all")
    assert set(states(home).values()) == {"cancelled"}


def test_a_daemon_that_runs_is_asked_instead(run: Run, home: Path, works: dict[str, str]) -> None:
    state = home / "data" / "state"
    with open_journal(state):
        before = states(home)
        assert run("jobs", "retry", works["parked"][:8]).code == 0
        assert run("jobs", "cancel", "all").code == 0
        assert states(home) == before
    asked = {(one.do, one.work) for one in collect(state / CONTROL).requests}
    assert asked == {("retry", works["parked"]), ("cancel", "all")}


def test_a_job_may_be_called_by_the_name_of_its_render(run: Run, home: Path, works: dict[str, str]) -> None:
    state = home / "data" / "state"
    with open_journal(state) as journal:
        name = journal.get(works["parked"]).path.name
        assert run("jobs", "retry", name).code == 0
    assert [one.work for one in collect(state / CONTROL).requests] == [works["parked"]]


def test_a_job_may_be_called_by_its_path_and_by_its_drop(run: Run, home: Path, works: dict[str, str]) -> None:
    with open_journal(home / "data" / "state") as journal:
        work = journal.get(works["done"])
    for word in (work.path, work.path.name, work.drop, "done"):
        assert json.loads(run("jobs", "show", word, "--json").out)["id"] == works["done"]


def test_the_list_of_jobs_leaves_out_what_ended_long_ago_and_says_so(run: Run, home: Path) -> None:
    with open_journal(home / "data" / "state") as journal:
        for number in range(9):
            work = journal.see(home / "in" / f"{number}.wav", FileIdentity(1, number, 1, 1), home / "in")
            journal.move(work, "ready" if number == 0 else "cancelled")
    short, whole = run("jobs", "list"), run("jobs", "list", "--all")
    assert [line.split()[2] for line in short.out.splitlines()] == ["0.wav", *(f"{n}.wav" for n in range(4, 9))]
    assert short.err == "3 more that ended: stem-bridge jobs list --all\n"
    assert (len(whole.out.splitlines()), whole.err) == (9, "")


def test_a_job_that_is_not_there_or_not_plain_is_told(run: Run, home: Path, works: dict[str, str]) -> None:
    for command in ("show", "retry", "cancel"):
        ended = run("jobs", command, "nope")
        assert (ended.code, "There is no job 'nope'." in ended.err) == (2, True)
    assert run("jobs", "show", "").code == 2
    names = shortest(["aaaaaaaa1", "aaaaaaaa2", "b" * 9])
    assert sorted(names.values()) == ["aaaaaaaa1", "aaaaaaaa2", "b" * 9]


def test_no_jobs_is_no_fault(run: Run, home: Path) -> None:
    ended = run("jobs", "list")
    assert (ended.code, ended.out) == (0, "")
    assert "stem-bridge watch" in ended.err


def test_a_library_is_done_once_estimated_before_and_reported_after(run: Run, home: Path) -> None:
    write_song(home / "in" / "x.wav")
    (home / "in" / "deep").mkdir()
    write_song(home / "in" / "deep" / "y.wav", 1.5)
    (home / "in" / "=cmd.wav").write_text("no sound", encoding="utf-8")
    batch = ("batch", home / "in", "-r", "-o", home / "lib", "-m", "htdemucs_mini")
    ended = run(*batch, "--dry-run")
    assert (ended.code, len(ended.out.splitlines())) == (1, 2)
    assert "unknown until htdemucs_mini has done one render" in ended.err
    assert not (home / "lib").exists()
    ended = run(*batch, "--report", home / "r.csv")
    assert (ended.code, sorted(ended.out.split())) == (1, [str(home / "lib" / "deep" / "y"), str(home / "lib" / "x")])
    assert list((home / "lib" / "x" / "stems").glob("*.flac"))
    assert "deep/y.wav (3 of 3)" in ended.err.splitlines(), "names of renders say where in the tree they lie"
    assert "  =cmd.wav is not a sound file, whatever its name says." in ended.err.splitlines(), "told at the end again"
    table = (home / "r.csv").read_text(encoding="utf-8-sig")
    assert "=cmd.wav is not a sound file" in table
    assert not [cell for line in table.splitlines() for cell in line.split(",") if cell.startswith("=")]
    run(*batch, "--report", home / "r.json")
    assert {one["state"] for one in json.loads((home / "r.json").read_text())} == {"done", "parked"}
    ended = run(*batch, "--dry-run", "--json", "-p", "karaoke")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert {one["event"] for one in events} == {"planned", "failed", "estimate"}
    assert events[-1]["work_seconds"] > 0
    drops = run("drops", "list", "--json", "-o", home / "lib").out.splitlines()
    assert [Path(json.loads(line)["folder"]) for line in drops] == [home / "lib" / "x"]


@pytest.mark.skipif(os.name == "nt", reason="a test cannot press Ctrl-C for one process on Windows")
def test_ctrl_c_ends_a_batch_with_130_and_the_render_under_way_costs_nothing(home: Path) -> None:
    write_song(home / "in" / "long.wav", 12.0)
    command = [sys.executable, "-m", "bridge", "batch", str(home / "in"), "-m", "htdemucs_mini", "--overlap", "0.9"]
    with subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "progress" and event["stage"] == "separate":
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert list((home / "in stems").iterdir()) == []
    (state,) = (home / "data" / "state" / "batch").iterdir()
    assert [(work.state, work.deaths) for work in read_works(state)] == [("retry", 0)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("no-such-folder", "is no folder"),
        ("in -o in", "holds the renders"),
        ("in --layout x", "{folder}/{name}"),
        ("in --report r.txt", ".csv or .json"),
        ("in --report nowhere/r.csv", "is not there"),
        ("in --preset nope", "nope"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_before_any_work(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, says: str
) -> None:
    monkeypatch.chdir(home)
    write_song(home / "in" / "x.wav", 0.1)
    ended = run("batch", "-m", "htdemucs_mini", *arguments.split())
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert not (home / "in stems").exists()


def test_a_dry_run_counts_a_copy_once_and_calls_files_by_their_place(run: Run, home: Path) -> None:
    (home / "tree" / "b").mkdir(parents=True)
    write_song(home / "tree" / "a.wav", 0.1)
    (home / "tree" / "b" / "a.wav").write_bytes((home / "tree" / "a.wav").read_bytes())
    (home / "tree" / "b" / "bad.wav").write_bytes(b"no sound")
    ended = run("batch", home / "tree", "-r", "-m", "htdemucs_mini", "--dry-run")
    assert ended.out.splitlines() == [
        f"a.wav -> {home / 'tree stems' / 'a'}",
        f"{Path('b', 'a.wav')} -> the drop of a.wav",
    ]
    assert "error: b/bad.wav is not a sound file" in ended.err
    assert "1 to do, 1 the same as another, 0 done before, 1 cannot be done." in ended.err
    events = [
        json.loads(line)
        for line in run("batch", home / "tree", "-r", "-m", "htdemucs_mini", "--dry-run", "--json").out.splitlines()
    ]
    assert events[-1]["renders"] == 1


def test_an_audition_is_kept_by_any_word_for_its_drop_and_after_that_is_gone(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = publish(stage_drop(home / "out", "job")).folder
    shutil.copytree(drop, state_folder() / AUDITION / drop.name)
    monkeypatch.chdir(home / "out")
    kept = run("drops", "keep", "caf\udce9 \N{HEADPHONE}.wav").out.strip()
    assert Path(kept).parent == drop.parent
    assert kept != str(drop)
    shutil.rmtree(drop)
    shutil.rmtree(kept)
    assert run("drops", "keep", drop.name).code == 2, "nobody knows where to"
    assert run("drops", "keep", drop.name, "-o", home / "kept").out.splitlines() == [str(home / "kept" / drop.name)]


def test_drops_are_listed_shown_and_pruned_only_when_somebody_agrees(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (str(publish(stage_drop(home / "out", f"job-{number}")).folder) for number in range(2))
    beside = ("-o", home / "out")
    listed = run("drops", "list", *beside).out.splitlines()
    assert [line.endswith(drop) for line, drop in zip(listed, (old, new), strict=True)] == [True, True]
    assert "song - Vocals.wav" in run("drops", "show", old).out
    monkeypatch.chdir(home / "out")
    render = "caf\udce9 \N{HEADPHONE}.wav"
    for word, meant in ((Path(old).name, old), (Path(new).name, new), (render, new)):
        assert f"drop      {meant}" in run("drops", "show", word).out, (
            "by its name, and by that of its render: the newest"
        )
    ended = run("drops", "show", "no such")
    assert (ended.code, ended.err.count("\n")) == (2, 2)
    assert run("drops", "prune", "--yes").code == 2
    (home / "projects").mkdir()
    prune = ("drops", "prune", "--yes", "--projects", home / "projects", *beside)
    assert run(*prune).code == 2, "a folder without projects is the wrong one"
    project = home / "projects" / "song.rpp"
    project.write_text(f'  FILE "{Path(old) / "mix" / "song.wav"}"\n', encoding="utf-8")
    ended = run(*prune)
    assert (ended.code, ended.out, "song.rpp uses it" in ended.err) == (0, "", True)
    project.write_text("", encoding="utf-8")
    assert run("drops", "prune", *beside).code == 2, "nobody is there to be asked"
    assert run(*prune).out.splitlines() == [old]
    assert (Path(old).exists(), Path(new).exists()) == (False, True)
    (next(Path(new).glob("stems/*"))).write_bytes(b"edited")
    ended = run("drops", "show", new)
    assert (ended.code, "changed: " in ended.err) == (1, True)


def test_the_log_tells_everything_but_percents_and_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    with Logged(Lines(), tmp_path) as told:
        told.start(Path("caf\udce9\n.wav"), 1, 1)
        told.report(StageStarted("separate", 2.0))
        told.report(Progress("separate", 1.0, 2.0))
        told.report(Notice("It is silent."))
        told.done(Path("song.wav"), Drop(Path("out"), Path("i"), Path("m")))
        told.failed(None, ReadError("No.", hint="Yes."))
    log = [json.loads(line) for line in (tmp_path / LOG).read_text("ascii").splitlines()]
    assert [one["event"] for one in log] == ["began", "started", "stage", "notice", "done", "failed", "ended"]
    assert {"time", "level"} <= log[0].keys()
    assert log[3]["render"] == "caf\udce9\n.wav", "every line says which render it is about"
    (tmp_path / LOG).unlink()
    (tmp_path / LOG).mkdir()
    with Logged(Lines(), tmp_path) as told:
        told.say("still here")


def test_the_screen_tells_the_queue_the_job_and_the_last_drops_in_a_few_lines() -> None:
    status = {
        "state": "running",
        "counts": {"ready": 3, "waiting": 1},
        "current": {"render": "/in/a\x1b.wav", "attempt": 2, "stage": "separate", "percent": 50, "seconds_left": 90.0},
        "last": [{"drop": f"/out/{number}", "when": 1000.0} for number in range(9)],
        "paused_by": "The DAW plays.",
        "problems": ["The outbox is full."],
        "held": [
            {"render": "/in/b.wav", "state": "waiting", "reason": ""},
            {"render": "/in/c.wav", "state": "stalled", "reason": "c.wav is not finished."},
        ],
    }
    lines = lines_of(status, 1090.0, 100)
    assert lines[0].startswith("Watching: 3 ready, 1 settling.")
    assert "(attempt 2)  separate [############............] 50 %, 1:30 left" in "".join(lines)
    assert "\x1b" not in "".join(lines)
    assert "  last: 0, 1:30 ago" in lines
    assert {"  settling: b.wav", "  unfinished: c.wav is not finished."} <= set(lines)
    assert len(lines) <= 10
    narrow = lines_of(status, 1090.0, 30)
    assert max(map(len, narrow)) <= 30
    assert "".join("".join(lines).split()) == "".join("".join(narrow).split()), "folded, and nothing cut off"
    assert lines_of({}, 0.0, 100) == ["Watching (None): nothing to do.  Ctrl-C stops."]
