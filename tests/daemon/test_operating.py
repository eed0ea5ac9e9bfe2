"""Stopping, asking, pausing, and many renders at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import lupa
import pytest

from bridge.daemon.board import Board
from bridge.daemon.control import CONTROL, Request, ask, collect
from bridge.domain.render import FileIdentity
from bridge.journal.journal import open_journal
from bridge.landmark import MARK
from tests.daemon.houses import House, Listener, sound

MANY = 500
ROOT = str(Path(__file__).resolve().parents[2])


def start(house: House, *, stems: str = "all") -> subprocess.Popen[bytes]:
    code = f"""
        import sys
        sys.path.insert(0, {ROOT!r})
        from pathlib import Path
        from tests.daemon.houses import House
        house = House(Path({str(house.folder)!r}))
        house.stems = {stems!r}
        house.told.say = lambda text: print(text, flush=True)
        sys.exit(house.daemon(include_existing=True).run())
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_first_signal_lets_the_job_end_and_begins_no_other(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "slow 1.wav", seed=1)
    sound(house.inbox / "slow 2.wav", seed=2)
    daemon = start(house)
    house.until(lambda: "running" in house.states().values())
    daemon.send_signal(signal.SIGTERM)
    out, err = daemon.communicate(timeout=30)
    assert (out.splitlines()[1:], err) == ([b"Ending after slow 1.wav; a second signal stops at once."], b"")
    assert daemon.returncode == 0
    assert sorted(house.states().values()) == ["done", "ready"]
    assert json.loads((house.state / "status.json").read_text())["state"] == "stopped"
    assert house.staging_is_clean()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_second_signal_takes_the_job_back_and_leaves_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "slow.wav", seconds=5)
    daemon = start(house)
    house.until(lambda: (house.outbox / ".staging").exists())
    daemon.send_signal(signal.SIGINT)
    assert daemon.stdout is not None
    assert daemon.stdout.readline().startswith(b"Renders in ")
    assert daemon.stdout.readline() == b"Ending after slow.wav; a second signal stops at once.\n"
    daemon.send_signal(signal.SIGINT)
    said = (b"slow.wav is stopped; it begins again at the next start.\n", b"")
    assert daemon.communicate(timeout=30) == said
    assert daemon.returncode == 0
    assert house.states() == {"slow.wav": "ready"}
    assert [entry.name for entry in house.outbox.iterdir()] == [MARK]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_many_renders_at_once_are_all_done_once_in_bounded_memory(tmp_path: Path) -> None:
    house = House(tmp_path)
    for number in range(MANY):
        sound(house.inbox / f"render {number:03d}.wav", seed=number, seconds=0.02)
    daemon = start(house, stems="vocals")
    peak_kb, files = 0, 0
    proc = Path(f"/proc/{daemon.pid}")
    end = time.monotonic() + 300
    while list(house.states().values()).count("done") < MANY and time.monotonic() < end and daemon.poll() is None:
        if proc.exists():
            lines = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line)
            peak_kb = max(peak_kb, int(lines["VmRSS"].split()[0]))
            files = max(files, len(list((proc / "fd").iterdir())))
        time.sleep(0.25)
    daemon.terminate()
    assert daemon.communicate(timeout=30)[1] == b""
    assert house.renders_of_drops() == [f"render {number:03d}.wav" for number in range(MANY)]
    assert {(work.state, work.attempts) for work in house.works()} == {("done", 1)}
    assert len(house.works()) == MANY
    assert house.staging_is_clean()
    assert 0 < peak_kb < 80_000
    assert 0 < files < 32


def test_a_request_cancels_the_job_in_hand_and_the_next_goes_on(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "slow.wav", seed=1, seconds=5)
    with house.running(include_existing=True):
        house.until(lambda: "separate" in house.told.stages())
        ask(house.state, Request(do="cancel", work=house.works()[0].id))
        house.until(lambda: house.states() == {"slow.wav": "cancelled"})
        sound(house.inbox / "song.wav", seed=2)
        house.until(lambda: house.states().get("song.wav") == "done")
        assert house.states()["slow.wav"] == "cancelled", "it does not come back by itself"
    assert house.drops() == ["song"]
    assert house.staging_is_clean()


def test_the_job_stands_still_while_the_daw_plays_and_goes_on_when_it_stops(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "slow.wav", seed=1)
    with house.running(include_existing=True):
        house.until(lambda: "separate" in house.told.stages())
        ask(house.state, Request(do="playing", seconds=600))
        house.until(lambda: status(house)["paused_by"] == "The DAW plays or records.")
        time.sleep(0.5)
        count = len(house.told.events)
        time.sleep(1.5)
        assert len(house.told.events) == count
        assert status(house)["state"] == "paused"
        ask(house.state, Request(do="stopped"))
        house.until(lambda: house.states() == {"slow.wav": "done"})


def test_a_daemon_asked_to_pause_begins_nothing_until_it_may(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.running():
        ask(house.state, Request(do="pause"))
        house.until(lambda: status(house)["state"] == "paused")
        sound(house.inbox / "song.wav")
        house.until(lambda: house.states() == {"song.wav": "ready"})
        time.sleep(0.5)
        assert house.states() == {"song.wav": "ready"}
        ask(house.state, Request(do="resume"))
        house.until(lambda: house.states() == {"song.wav": "done"})


def status(house: House) -> dict[str, object]:
    read: dict[str, object] = json.loads((house.state / "status.json").read_text())
    return read


def test_higher_priority_goes_first_and_a_sidecar_says_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound(house.inbox / "a.wav", seed=1)
    sound(house.inbox / "b.wav", seed=2)
    (house.inbox / "b.json").write_text('{"priority": 5}')
    assert house.once() == 0
    assert house.told.started == ["b.wav", "a.wav"]


def test_the_status_reads_the_same_in_json_and_in_lua_whatever_renders_are_called(tmp_path: Path) -> None:
    house = House(tmp_path)
    name = os.fsdecode(b"odd \xff ]===] \"'.wav")
    sound(house.inbox / "plain.wav").rename(house.inbox / name)
    assert house.once() == 0
    plain = status(house)
    table = lupa.LuaRuntime(encoding="utf-8").execute((house.state / "status.lua").read_text())
    assert (table["state"], table["version"], table["pid"]) == (plain["state"], plain["version"], plain["pid"])
    assert table["last"][1]["drop"] == plain["last"][0]["drop"] == str(house.outbox / house.drops()[0])
    assert table["last"][1]["render"] == plain["last"][0]["render"]
    assert not list(house.state.glob(".status*"))


@pytest.mark.parametrize("kind", ["json", "lua"])
def test_a_status_that_could_not_be_replaced_is_written_as_soon_as_it_can(tmp_path: Path, kind: str) -> None:
    now = 0.0
    file = tmp_path / f"status.{kind}"
    file.mkdir()  # refuses a file in its place, as Windows does while somebody reads it
    with open_journal(tmp_path) as journal:
        board = Board(tmp_path, journal, Listener(), monotonic=lambda: now)
        journal.see(tmp_path / "a.wav", FileIdentity(1, 2, 3, 4), tmp_path)
        assert board.update("running", None, "", (), changed=True)
        assert file.is_dir()
        file.rmdir()
        now += 1.0
        assert board.update("running", None, "", (), changed=False)
        assert "waiting" in file.read_text(encoding="ascii")
        file.unlink()
        now += 1.0
        assert board.update("running", None, "", (), changed=False)
        assert not file.exists(), "what is new to nobody is not written again"


def test_the_control_folder_takes_requests_and_throws_away_everything_else(tmp_path: Path) -> None:
    folder = tmp_path / CONTROL
    ask(tmp_path, Request(do="retry", work="3f2a"))
    ask(tmp_path, Request(do="playing", seconds=5.0))
    bad = {
        "a": "no json",
        "b": '{"do": "format"}',
        "c": '{"do": "retry"}',
        "d": '{"do": "rescan", "work": "../../etc"}',
        "e": '{"do": "pause", "more": 1}',
        "f": '{"do": "playing", "seconds": Infinity}',
        "g": "[" * 4000,
        "h": " " * 10_000 + '{"do": "pause"}',
        "i": '{"do": "keep", "drop": ".."}',
        "j": '{"do": "keep", "drop": ".staging"}',
        "k": '{"do": "keep", "drop": "a/../b"}',
        "l": '{"do": "keep", "drop": "a\\u001b[2J"}',
    }
    for stem, text in bad.items():
        (folder / f"{stem}.json").write_text(text)
    if os.name != "nt":
        os.mkfifo(folder / "pipe.json")
        (folder / "link.json").symlink_to("/etc/passwd")
    (folder / ".half.part").write_text('{"do": "pause"')
    (folder / "folder.json").mkdir()
    found = collect(folder)
    assert [(one.do, one.work, one.seconds) for one in found.requests] == [
        ("retry", "3f2a", 30.0),
        ("playing", "", 5.0),
    ]
    assert len(found.problems) == len(bad) + (0 if os.name == "nt" else 2)
    assert sorted(path.name for path in folder.iterdir()) == [".half.part", "folder.json"]
    assert collect(tmp_path / "missing").requests == ()
