"""What the journal knows of folders: which inboxes were watched before, and by what mark a folder is known again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bridge.journal.store import Database

__all__ = ["Folders"]


class Folders:
    """Inboxes and marks in an open journal. Every method may raise NoSpaceError or DestinationError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def is_new_inbox(self, inbox: Path) -> bool:
        """Return whether this inbox was never watched."""
        return not self._database.rows("SELECT 1 FROM inboxes WHERE path = ?", os.fsencode(inbox))

    def remember_inbox(self, inbox: Path) -> None:
        """From now on the inbox is no longer new."""
        with self._database.together():
            self._database.run("INSERT OR IGNORE INTO inboxes VALUES (?, ?)", os.fsencode(inbox), self._clock())

    def forget_inbox(self, inbox: Path) -> None:
        """Take the inbox for one that was never watched; quiet when it is."""
        with self._database.together():
            self._database.run("DELETE FROM inboxes WHERE path = ?", os.fsencode(inbox))

    def place(self, folder: Path) -> tuple[str, str] | None:
        """Return the mark by which a folder is known ('' = it has none) and the disk it was on; None = not known."""
        rows = self._database.rows("SELECT mark, disk FROM places WHERE path = ?", os.fsencode(folder))
        return (str(rows[0]["mark"]), str(rows[0]["disk"])) if rows else None

    def remember_place(self, folder: Path, mark: str, disk: str) -> None:
        """From now on the folder is known by this."""
        with self._database.together():
            self._database.run("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", os.fsencode(folder), mark, disk)
