"""The database under the journal: opened, checked, migrated; set aside when damaged; its refusals in words.

A rollback journal, not WAL: SQLite before 3.51.3 can lose data in WAL mode. It is overwritten (PERSIST) and not made
and deleted at every commit, which would make the disk write its own tables too, and wait for them several times.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BridgeError, ConfigError, DestinationError, NoSpaceError
from bridge.words import reason_of

__all__ = ["MIGRATIONS", "Database", "Migration", "in_words", "marks", "migrate", "open_database", "open_for_reading"]
__all__ += ["transaction"]

Migration = tuple[str, ...]
"""Statements that lead from one version of the schema to the next."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        "CREATE TABLE inboxes (path BLOB PRIMARY KEY, since REAL NOT NULL)",
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
    ("CREATE TABLE places (path BLOB PRIMARY KEY, mark TEXT NOT NULL, disk TEXT NOT NULL)",),
    (
        "ALTER TABLE works ADD COLUMN cuts INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE works ADD COLUMN reached INTEGER NOT NULL DEFAULT 0",
    ),
)
"""Only ever added to; their number is the version of the schema."""

_WAIT_SECONDS = 10.0
"""For whoever holds the file just now: a command that lists jobs, a daemon that writes one."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_MOST_RESCUED = 1_000_000
_MOST_JOURNAL_BYTES = 1 << 20


@dataclass(frozen=True)
class Database:
    """An open database whose refusals are NoSpaceError, DestinationError or ConfigError."""

    connection: sqlite3.Connection
    path: Path

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Return all rows of an answer."""
        with in_words(self.path):
            return self.connection.execute(query, values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        """Write."""
        with in_words(self.path):
            self.connection.execute(statement, values)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make a block one transaction, or part of the one that is open."""
        if self.connection.in_transaction:
            yield
            return
        with transaction(self.connection, self.path):
            yield


def marks(values: Collection[object]) -> str:
    """Return as many question marks as there are values, for a statement."""
    return ", ".join("?" * len(values))


def open_database(path: Path, is_sane: Callable[[sqlite3.Row], bool]) -> tuple[sqlite3.Connection, bool, Path | None]:
    """Open the database, making it where it is missing. A damaged one is kept as `<name>.corrupt-<time>`.

    What can still be read of a damaged one goes into the new one, as far as it `is_sane`. Returns the connection,
    whether the database is new, and what was set aside. Raises ConfigError (newer schema), NoSpaceError,
    DestinationError.
    """
    with in_words(path):
        try:
            return *_open(path, is_sane), None
        except sqlite3.DatabaseError as exc:
            # A plain SQLITE_ERROR here is a schema that is not ours.
            if not isinstance(exc, _Damage) and _code(exc) not in {*_DAMAGED, sqlite3.SQLITE_ERROR}:
                raise
        except UnicodeDecodeError:
            # What SQLite said of the damage quotes it.
            pass
        aside = _set_aside(path)
        connection, _ = _open(path, is_sane)
        with transaction(connection, path):
            _rescue(connection, aside, is_sane)
        return connection, True, aside


@contextmanager
def open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing database beside its writer, or without one, and change nothing."""
    # Not mode=ro: what a killed writer left half done must be rolled back before it can be read.
    address = f"{path.absolute().as_uri()}?mode=rw"
    with in_words(path), closing(_reading(sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS))) as connection:
        connection.execute("PRAGMA query_only = ON")
        if _version(connection) > len(MIGRATIONS):
            raise _newer(path)
        yield connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All of the block or nothing of it is on the disk when it ends."""
    try:
        with in_words(path):
            connection.execute("BEGIN IMMEDIATE")
        yield
        with in_words(path):
            connection.execute("COMMIT")
    finally:
        # SQLite itself ends a transaction after some errors, not after all; what failed first is what is told.
        with suppress(sqlite3.DatabaseError):
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the schema up to date, each step whole or not at all. Raises ConfigError when it is newer than we are."""
    version = _version(connection)
    if version > len(migrations):
        raise _newer(path)
    for number, statements in enumerate(migrations[version:], version + 1):
        with transaction(connection, path):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk refuse into NoSpaceError, DestinationError, or ConfigError for a damaged file."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except (sqlite3.DatabaseError, OSError) as exc:
        raise _in_words(path, exc) from exc


def _in_words(path: Path, exc: sqlite3.DatabaseError | OSError) -> BridgeError:
    if _code(exc) == sqlite3.SQLITE_FULL:
        return NoSpaceError(f"Cannot write {path}: the disk is full.", hint="Free some space on that disk.", path=path)
    if _code(exc) in _DAMAGED:
        hint = "Start stem-bridge watch again: it keeps the damaged file and makes a new one from what is left."
        return ConfigError(f"{path} is damaged: {exc}.", hint=hint, path=path)
    why = reason_of(exc) if isinstance(exc, OSError) else str(exc)
    hint = "Check that the disk is in order and that you may write to it."
    return DestinationError(f"Cannot use {path}: {why}.", hint=hint, path=path)


def _newer(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} was written by a newer Stem Bridge.", hint="Use that version, or a newer one.", path=path
    )


def _code(exc: Exception) -> int:
    """Return SQLite's primary result code, 0 where it gave none."""
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


class _Damage(sqlite3.DatabaseError):
    """Raised when the check finds what no call has stumbled over yet."""


def _open(path: Path, is_sane: Callable[[sqlite3.Row], bool]) -> tuple[sqlite3.Connection, bool]:
    connection = _reading(sqlite3.connect(path, isolation_level=None, timeout=_WAIT_SECONDS))
    try:
        connection.execute("PRAGMA journal_mode = PERSIST")
        connection.execute(f"PRAGMA journal_size_limit = {_MOST_JOURNAL_BYTES}")
        connection.execute("PRAGMA synchronous = EXTRA")
        # Not quick_check, which does not see that an index and its table disagree.
        answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            raise _Damage(answer)
        is_new = _version(connection) == 0
        migrate(connection, path)
        if _schema(connection) != _our_schema(path):
            raise _Damage("another schema")
        if not all(map(is_sane, connection.execute("SELECT * FROM works"))):
            raise _Damage("impossible rows")
    except BaseException:
        connection.close()
        raise
    return connection, is_new


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")]


def _our_schema(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        migrate(empty, path)
        return _schema(empty)


def _reading(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
    # First what was half done, as part of the damage: left alone it would be rolled back into the new file.
    half_done = path.with_name(f"{path.name}-journal")
    if half_done.exists():
        half_done.rename(aside.with_name(f"{aside.name}-journal"))
    return path.rename(aside)


def _rescue(connection: sqlite3.Connection, damaged: Path, is_sane: Callable[[sqlite3.Row], bool]) -> None:
    with closing(_reading(sqlite3.connect(damaged))) as old:
        old.execute("PRAGMA query_only = ON")
        for row in filter(_is_inbox, _readable(old, "inboxes")):
            connection.execute("INSERT OR IGNORE INTO inboxes (path, since) VALUES (?, ?)", (row["path"], row["since"]))
        ours = {column["name"] for column in connection.execute("PRAGMA table_info(works)")}
        for row in filter(is_sane, _readable(old, "works")):
            columns = [name for name in row.keys() if name in ours]  # noqa: SIM118 - a row iterates over its values
            values = [row[name] for name in columns]
            connection.execute(f"INSERT OR IGNORE INTO works ({', '.join(columns)}) VALUES ({marks(values)})", values)


def _is_inbox(row: sqlite3.Row) -> bool:
    return row.keys() == ["path", "since"] and isinstance(row["path"], bytes) and isinstance(row["since"], float)


def _readable(old: sqlite3.Connection, table: str) -> Iterator[sqlite3.Row]:
    """Yield the rows up to the damage, from both ends."""
    for order in ("", "DESC"):
        with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
            yield from old.execute(f"SELECT * FROM {table} ORDER BY rowid {order} LIMIT {_MOST_RESCUED}")
