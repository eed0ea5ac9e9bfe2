"""The database under the journal: how it is opened, migrated, checked, set aside when damaged, and how it refuses.

A rollback journal with synchronous=EXTRA, not WAL: a handful of commits per minute costs nothing, and SQLite before
3.51.3 can lose data in WAL mode.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import BridgeError, ConfigError, DestinationError, NoSpaceError

__all__ = ["MIGRATIONS", "Migration", "connect", "migrate", "open_database", "transaction", "words"]

Migration = tuple[str, ...]
"""Statements that lead from one version of the schema to the next."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        "CREATE TABLE inboxes (path BLOB PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID",
        """CREATE TABLE works (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            path BLOB NOT NULL,
            inbox BLOB NOT NULL,
            identity TEXT NOT NULL,
            state TEXT NOT NULL,
            arrived REAL NOT NULL,
            changed REAL NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            deaths INTEGER NOT NULL DEFAULT 0,
            instance TEXT NOT NULL DEFAULT '',
            priority INTEGER NOT NULL DEFAULT 0,
            not_before REAL NOT NULL DEFAULT 0,
            error TEXT NOT NULL DEFAULT '',
            reason TEXT NOT NULL DEFAULT '',
            hint TEXT NOT NULL DEFAULT '',
            drop_folder BLOB,
            audio_key TEXT,
            separation_key TEXT,
            drop_key TEXT,
            seconds REAL
        )""",
        "CREATE INDEX works_by_path ON works (path)",
        "CREATE INDEX works_by_state ON works (state)",
        "CREATE INDEX works_by_drop_key ON works (drop_key)",
        "CREATE INDEX works_by_separation_key ON works (separation_key)",
    ),
)
"""Only ever added to; their number is the version of the schema."""

_WAIT_MS = 10_000
"""For a reader that holds the file just now: commands that list jobs."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def open_database(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open, check and migrate; a damaged file is kept as `<name>.corrupt-<time>` and an empty one takes its place.

    Returns the connection and what was set aside. Raises ConfigError (newer schema), NoSpaceError, DestinationError.
    """
    try:
        return _checked(path), None
    except sqlite3.DatabaseError as exc:
        if not _is_damage(exc):
            raise words(path, exc) from exc
    aside = _set_aside(path)
    try:
        return _checked(path), aside
    except sqlite3.DatabaseError as exc:
        raise words(path, exc) from exc


def connect(path: Path) -> sqlite3.Connection:
    """Open an existing database without changing a thing of it. Raises sqlite3.Error."""
    # Not mode=ro: what a killed writer left half done must be rolled back before it can be read.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All of the block or nothing of it is on the disk at its end. Raises NoSpaceError, DestinationError, ConfigError."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as exc:
        raise words(path, exc) from exc
    finally:
        # SQLite itself ends a transaction after some errors, not after all.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the schema up to date, each step whole or not at all. Raises ConfigError when it is newer than we are."""
    version = version_of(connection)
    if version > len(migrations):
        raise newer(path)
    for number, statements in enumerate(migrations[version:], version + 1):
        with transaction(connection, path):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def newer(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} was written by a newer Stem Bridge.", hint="Use that version, or a newer one.", path=path
    )


def words(path: Path, exc: sqlite3.Error) -> BridgeError:
    """Say what SQLite refused."""
    code = exc.sqlite_errorcode & 0xFF if hasattr(exc, "sqlite_errorcode") else 0
    if code == sqlite3.SQLITE_FULL:
        return NoSpaceError(f"Cannot write {path}: the disk is full.", hint="Free some space on that disk.", path=path)
    if code in _DAMAGED:
        return ConfigError(
            f"{path} is damaged: {exc}.",
            hint="Start stem-bridge watch again: it keeps the damaged file and makes a new one from the drops.",
            path=path,
        )
    return DestinationError(
        f"Cannot use {path}: {exc}.", hint="Check that the disk is in order and that you may write to it.", path=path
    )


def _checked(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_MS / 1000)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise _Damage(answer)
        migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


class _Damage(sqlite3.DatabaseError):
    """Raised when the check finds what no call has stumbled over yet."""


def _is_damage(exc: sqlite3.DatabaseError) -> bool:
    return isinstance(exc, _Damage) or (getattr(exc, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED


def _set_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    path.rename(aside)
    half_done = path.with_name(f"{path.name}-journal")
    if half_done.exists():
        half_done.rename(aside.with_name(f"{aside.name}-journal"))
    return aside
