"""Manners: less urgent, not on every core, silent while the DAW rolls, awake only during a job, and never waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.config import Tell
from bridge.daemon.tell import Messenger, Note, filled, note_of
from bridge.daemon.wake import Wake
from bridge.neighbour import Awake, Transport, in_hours, lower_priority, spare


@pytest.mark.skipif(os.name == "nt", reason="nice values")
def test_the_worker_goes_behind_every_other_program() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lower_priority(child.pid)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    child.communicate(b"\n")
    lower_priority(child.pid)


def test_cores_are_left_to_others_but_one_always_works() -> None:
    assert [spare(left, cores=8) for left in (0, 1, 7, 8, 99)] == [8, 7, 1, 1, 1]


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("", "03:00", False),
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "03:00", True),
        ("22:00-07:00", "07:00", False),
        ("09:30-12:00", "09:29", False),
        ("09:30-12:00", "11:59", True),
        ("09:30-12:00", "12:00", False),
    ],
)
def test_quiet_hours_may_pass_midnight(hours: str, at: str, quiet: bool) -> None:
    assert in_hours(hours, time.strptime(at, "%H:%M")) is quiet


def test_what_the_daw_said_is_forgotten_when_it_does_not_say_it_again() -> None:
    now = [100.0]
    transport = Transport(lambda: now[0])
    assert transport.pace("pause") == "full"
    transport.heard(True, 10.0)
    assert [transport.pace(way) for way in ("pause", "throttle", "ignore")] == ["stop", "half", "full"]
    now[0] = 110.0
    assert transport.pace("pause") == "full", "the DAW crashed while it played"
    transport.heard(True, 10.0)
    transport.heard(False, 10.0)
    assert transport.pace("pause") == "full"


@pytest.mark.skipif(os.name == "nt", reason="a call there, not a program")
def test_the_computer_is_kept_awake_between_hold_and_let_go_only(tmp_path: Path) -> None:
    note = tmp_path / "awake"
    code = f"import sys, pathlib; pathlib.Path({str(note)!r}).touch(); sys.stdin.read()"
    with Awake([sys.executable, "-c", code]) as awake:
        for _ in range(2):
            awake.hold()
        keeper = awake._keeper
        assert keeper is not None
        while not note.exists():
            time.sleep(0.01)
        assert keeper.poll() is None
        awake.let_go()
        assert keeper.poll() is not None
        awake.let_go()
    with Awake(["no such program"]) as awake:
        awake.hold()


def test_arguments_of_hooks_are_filled_once_and_never_seen_by_a_shell() -> None:
    values = {"render": "{drop}; rm -rf $HOME", "drop": "d"}
    assert filled(("say", "{render}", "--to={drop}", "{other}", "{", "a{render"), values) == (
        "say",
        "{drop}; rm -rf $HOME",
        "--to=d",
        "{other}",
        "{",
        "a{render",
    )


def test_hooks_run_with_what_happened_and_those_that_hang_are_ended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('|'.join(sys.argv[2:]))"
    tell = Tell(
        desktop=False,
        finished=(sys.executable, "-c", write, str(out), "{render}", "{drop}"),
        failed=(sys.executable, "-c", "import time; time.sleep(600)"),
    )
    now = [0.0]
    messenger = Messenger(clock=lambda: now[0])
    messenger.finished(tell, Path("a b.wav"), Path("$(drop)"))
    while not out.exists() or not out.read_text():
        time.sleep(0.01)
    assert out.read_text() == "a b.wav|$(drop)"
    for _ in range(20):
        messenger.failed(tell, Path("c.wav"), "It broke.")
    now[0] = 301.0
    messenger.tend()
    messenger.close()


def test_a_program_of_the_user_s_that_cannot_be_started_is_said_once() -> None:
    said: list[str] = []
    messenger = Messenger(note=lambda *_: Note(("no such notifier",)), say=said.append)
    for _ in range(2):
        messenger.finished(Tell(reaper=("no such reaper",)), Path("a"), Path("b"))
        messenger.finished(Tell(desktop=False, finished=("no such program",)), Path("a"), Path("b"))
        messenger.failed(Tell(desktop=False, failed=(sys.executable, "a\0b")), Path("a"), "It broke.")
    messenger.close()
    assert [sentence.split(" cannot")[0] for sentence in said] == ["no such reaper", "no such program", sys.executable]
    assert "Put tell.reaper right" in said[0]


def test_notes_on_the_desktop_carry_text_as_arguments() -> None:
    seen: list[tuple[str, str]] = []

    def note(title: str, text: str) -> Note:
        seen.append((title, text))
        return Note(())

    messenger = Messenger(note=note)
    messenger.failed(Tell(), Path("a.wav"), "<b>It broke.")
    messenger.failed(Tell(desktop=False), Path("a.wav"), "Not told.")
    assert seen == [("A render was put aside", "<b>It broke.")]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_no_text_of_a_notification_is_ever_code(platform: str) -> None:
    hostile = "$(calc) '; Remove-Item * #\" -- <b>&"
    note = note_of("Stems are ready", hostile, platform)
    assert note.command
    plain = note_of("Stems are ready", "", platform)
    scripts = [argument for argument in note.command if "\n" in argument]
    assert all(script in plain.command for script in scripts), "what is run does not depend on what is said"
    said = [*note.command, *note.variables.values()]
    assert any("calc" in text for text in said if "\n" not in text)
    assert platform != "win32" or not any("calc" in argument for argument in note.command)


def test_a_call_that_comes_before_the_sleep_ends_it_at_once() -> None:
    wake = Wake()
    for _ in range(3):
        wake.set()
    assert wake.wait(60.0)
    assert not wake.wait(0.0)
