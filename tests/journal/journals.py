"""Renders and keys for tests of the journal, and programs that use one in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bridge.domain.render import FileIdentity
from bridge.domain.work import Identified, Work
from bridge.journal.journal import Journal

__all__ = ["INBOX", "finish", "keys", "program", "seen", "version"]

INBOX = Path("/music/renders")

_HEAD = """
import os, sys
from pathlib import Path
from bridge.domain.render import FileIdentity
from bridge.domain.work import Identified
from bridge.journal.journal import open_journal
folder = Path(sys.argv[1])
"""


def version(number: int) -> FileIdentity:
    """One of the files that lie under a name, one after the other."""
    return FileIdentity(dev=1, ino=10 + number, size=1000, mtime_ns=1_700_000_000_123_456_789 + number)


def keys(number: int, *, stems: int | None = None) -> Identified:
    return Identified("audio", f"stems-{number if stems is None else stems}", f"drop-{number}", 12.5)


def seen(journal: Journal, name: str = "mix.wav", number: int = 0, *, priority: int = 0) -> Work:
    return journal.see(INBOX / name, version(number), INBOX, priority=priority)


def finish(journal: Journal, work: Work, drop: Path, known: Identified) -> Work:
    running = journal.begin(journal.move(work, "ready"))
    return journal.done(journal.publishing(running, known), drop, known)


def program(text: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that runs `text`; `folder` is its first argument."""
    command = [sys.executable, "-c", _HEAD + text, *map(str, arguments)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
