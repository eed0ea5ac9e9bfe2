"""A child and all it started end together; on Windows by a Job Object, whose calls are heard by a stand-in here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.worker.process_tree import ProcessTree


class Kernel32:
    """Remembers what it was asked; can refuse one call."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.asked: list[tuple[Any, ...]] = []
        self.open: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.asked.append((name, *arguments))
            if name == self.refused:
                return 0
            if name in ("CreateJobObjectW", "OpenProcess"):
                self.open.add(len(self.asked))
                return len(self.asked)
            if name == "CloseHandle":
                self.open.remove(arguments[0])
            return 1

        return call

    def names(self) -> list[str]:
        return [one[0] for one in self.asked]


def test_on_windows_a_child_lies_in_a_job_that_ends_it_when_the_parent_is_gone() -> None:
    kernel = Kernel32()
    tree = ProcessTree(kernel)
    assert "creationflags" in tree.options()
    tree.adopt(1234)
    assert kernel.names() == [
        "CreateJobObjectW",
        "OpenProcess",
        "SetInformationJobObject",
        "AssignProcessToJobObject",
        "CloseHandle",
    ]
    limits = kernel.asked[2][3]._obj
    assert limits.BasicLimitInformation.LimitFlags == 0x2000
    assert len(kernel.open) == 1, "the job stays open as long as we live, and nothing else does"
    tree.close()
    assert not kernel.open


@pytest.mark.parametrize("refused", ["CreateJobObjectW", "OpenProcess", "AssignProcessToJobObject"])
def test_what_windows_refuses_leaves_no_handle_and_no_job(refused: str) -> None:
    kernel = Kernel32(refused)
    tree = ProcessTree(kernel)
    tree.adopt(1234)
    assert not kernel.open
    tree.close()


def test_on_windows_killing_a_child_ends_its_whole_job() -> None:
    kernel = Kernel32()
    tree = ProcessTree(kernel)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        tree.adopt(child.pid)
        tree.kill(child)
        assert "TerminateJobObject" in kernel.names()
        child.wait(10)
        tree.kill(child)
    assert kernel.names().count("TerminateJobObject") == 1, "one that has ended is left alone"
    tree.close()


@pytest.mark.skipif(os.name == "nt", reason="how groups are killed elsewhere")
def test_a_killed_child_takes_along_what_it_started(tmp_path: Path) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    tree = ProcessTree()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **tree.options()) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        tree.kill(child)
        # The pipe ends when the last that held it is gone.
        assert child.stdout.read() == ""
    # It gives its files back a moment before it has ended.
    end = time.monotonic() + 10
    while not _has_ended(grandchild) and time.monotonic() < end:
        time.sleep(0.01)
    assert _has_ended(grandchild)


def _has_ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
