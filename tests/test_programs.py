"""How children are started on a system that is not this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from bridge.cli import main
from bridge.programs import group_of_its_own, python

VENV, BASE = r"C:\music\.venv\Scripts\pythonw.exe", r"C:\Python311\pythonw.exe"


def test_on_windows_the_interpreter_itself_is_started_and_not_the_starter_of_its_environment() -> None:
    started = python("bridge.worker.child", executable=VENV, base=BASE, platform="win32")
    assert started.command[0] == BASE
    assert started.command[-2:] == ("-m", "bridge.worker.child")
    assert started.variables == {"__PYVENV_LAUNCHER__": VENV}


@pytest.mark.parametrize(
    ("executable", "base", "platform"),
    [
        ("/venv/bin/python", "/usr/bin/python3", "linux"),
        ("/venv/bin/python", "/usr/bin/python3", "darwin"),
        (BASE, BASE, "win32"),
        (VENV, "", "win32"),
    ],
)
def test_elsewhere_and_without_an_environment_our_own_interpreter_is_started(
    executable: str, base: str, platform: str
) -> None:
    started = python("bridge.worker.child", executable=executable, base=base, platform=platform)
    assert started.command[0] == executable
    assert started.variables == {}


def test_a_child_has_our_libraries_and_reads_names_as_we_do() -> None:
    command, variables = python("sys")
    code = "import sys; print(sys.prefix, sys.getfilesystemencoding(), sys.flags.safe_path)"
    said = subprocess.check_output(
        [*command[:-2], "-c", code], env={**os.environ, **variables}, text=True, encoding="utf-8"
    )
    assert said.split() == [sys.prefix, sys.getfilesystemencoding(), "True"]


def test_a_child_is_no_part_of_our_terminals_group_on_any_system() -> None:
    assert group_of_its_own(windows=True) == {"creationflags": 0x200}
    assert group_of_its_own(windows=False) == {"start_new_session": True}


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="a signal that stands for the one of Windows")
def test_a_console_that_closes_interrupts_on_windows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    seen: list[object] = []
    monkeypatch.setattr(main, "app", lambda **_: seen.append(signal.getsignal(signal.SIGUSR1)))
    main.run([])
    assert seen == [signal.default_int_handler]
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
