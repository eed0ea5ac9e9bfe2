"""The journal: one row per render, moved from state to state by one writer; every move is on the disk when it returns.

The number of attempts is counted before anything is touched and is the token of that attempt: whoever comes back with
an older one may change nothing (Cancelled). Times decide nothing but when to try again.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.domain.render import FileIdentity
from bridge.domain.work import ENDED, Identified, State, Work
from bridge.errors import BridgeError, Cancelled, ConfigError, WorkerError
from bridge.journal import store
from bridge.journal.lock import hold
from bridge.journal.place import require_local

__all__ = ["Delivered", "Journal", "open_journal", "read_works"]

_DATABASE = "journal.sqlite3"
_LOCK = "journal.lock"
_COARSE_NS = 10_000_000
"""File systems with times as coarse as this (FAT, exFAT) give a file another number at every mount."""

_AGAIN: frozenset[State] = frozenset({"waiting", "ready"})
_STOPPED: frozenset[State] = frozenset({"parked", "cancelled", "gone"})
_MOVES: dict[State, frozenset[State]] = {
    "waiting": _STOPPED | _AGAIN | {"stalled", "retry", "recorded"},
    "stalled": _STOPPED | _AGAIN | {"stalled", "retry", "recorded"},
    "ready": _STOPPED | _AGAIN | {"stalled", "retry", "running"},
    "retry": _STOPPED | _AGAIN | {"stalled", "retry", "running"},
    "running": _STOPPED | _AGAIN | {"running", "retry", "publishing", "done"},
    "publishing": _AGAIN | {"retry", "parked", "done"},
    "done": _AGAIN,
    "parked": _AGAIN,
    "cancelled": _AGAIN,
    "recorded": _AGAIN,
    "gone": _AGAIN,
}
"""What may follow what. Once its drop is about to appear a work can no longer be cancelled."""


@dataclass(frozen=True)
class Delivered:
    """What the manifest of a drop says, as far as a lost journal needs it."""

    drop: Path
    render: Path
    inbox: Path
    keys: Identified


class Journal:
    """An open journal. Made by `open_journal`; used by the thread that opened it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, lost: Path | None, clock: Callable[[], float]):
        self.lost = lost
        """The damaged journal that was set aside at opening; then `rebuild` must be called with what the drops say."""
        self._connection = connection
        self._path = path
        self._clock = clock
        self._instance = uuid.uuid4().hex

    # Inboxes

    def is_new_inbox(self, inbox: Path) -> bool:
        """Return whether this inbox was never watched."""
        return not self._rows("SELECT 1 FROM inboxes WHERE path = ?", os.fsencode(inbox))

    def remember_inbox(self, inbox: Path) -> None:
        """From now on the inbox is no longer new."""
        with self.together():
            self._run("INSERT OR IGNORE INTO inboxes VALUES (?, ?)", os.fsencode(inbox), self._clock())

    # Works

    def see(self, path: Path, identity: FileIdentity, inbox: Path, *, priority: int = 0) -> Work:
        """Return the row of the file that is there now; a file that changed is new, unless its work has not begun."""
        row = self._newest(path)
        if row is None:
            return self._add(path, identity, inbox, priority)
        work = _work(row)
        if work.state in ENDED and work.state != "gone":
            same = _same_file(work.identity, identity)
            return work if same else self._add(path, identity, inbox, priority)
        if work.state in ("running", "publishing"):
            return work if work.identity == identity else self._add(path, identity, inbox, priority)
        if work.identity == identity and work.state != "gone":
            return work
        with self.together():
            self._update(work.id, identity=_identity_text(identity), inbox=os.fsencode(inbox), deaths=0)
            return self._set(work.id, "waiting", None)

    def works(self, states: Collection[State] | None = None) -> list[Work]:
        """Return all works, or those in these states, in order of arrival."""
        if states is None:
            return [_work(row) for row in self._rows("SELECT * FROM works ORDER BY number")]
        marks = ", ".join("?" * len(states))
        rows = self._rows(f"SELECT * FROM works WHERE state IN ({marks}) ORDER BY number", *states)
        return [_work(row) for row in rows]

    def get(self, id_or_prefix: str) -> Work:
        """Return the one work whose id begins so; raises ConfigError when there is none, or more than one."""
        wanted = id_or_prefix.strip().lower()
        rows = (
            self._rows("SELECT * FROM works WHERE substr(id, 1, ?) = ? LIMIT 2", len(wanted), wanted) if wanted else []
        )
        if len(rows) == 1:
            return _work(rows[0])
        which = f"More than one job begins with '{id_or_prefix}'" if rows else f"There is no job '{id_or_prefix}'"
        raise ConfigError(f"{which}.", hint="stem-bridge jobs list shows them all.")

    def next(self, now: float, *, paused: Collection[Path] = ()) -> Work | None:
        """Return what to do now, by priority, then arrival: ready, or to be tried again and due; none of `paused` inboxes.

        A clock that was set back makes every retry due that was planned by the later time.
        """
        rows = self._rows(
            """SELECT * FROM works
               WHERE state = 'ready' OR (state = 'retry' AND (not_before <= ?1 OR changed > ?1))
               ORDER BY priority DESC, number""",
            now,
        )
        skipped = {os.fsencode(inbox) for inbox in paused}
        return next((_work(row) for row in rows if row["inbox"] not in skipped), None)

    # Moves

    def move(
        self,
        work: Work,
        state: State,
        *,
        error: BridgeError | None = None,
        not_before: float = 0.0,
        drop: Path | None = None,
        keys: Identified | None = None,
        priority: int | None = None,
    ) -> Work:
        """Move a work; `error`, its reason, is forgotten at the next move, drop and keys only when others are given.

        Raises ValueError for a move that cannot be, Cancelled when `work` is of an earlier attempt.
        """
        with self.together():
            now = self._current(work)
            if state not in _MOVES[now.state] or (state == "running" and now.state != "running"):
                raise ValueError(f"a work that is {now.state} cannot become {state}")
            if now.state in ENDED:
                self._update(work.id, deaths=0)
            elif now.state == "running" and _ended_in_order(state, error):
                self._update(work.id, deaths=max(0, now.deaths - 1))
            return self._set(work.id, state, error, not_before, drop, keys, priority)

    def begin(self, work: Work) -> Work:
        """Count an attempt and set the work running, before anything of it is touched."""
        with self.together():
            now = self._current(work)
            if "running" not in _MOVES[now.state] or now.state == "running":
                raise ValueError(f"a work that is {now.state} cannot begin")
            self._update(work.id, attempts=now.attempts + 1, deaths=now.deaths + 1, instance=self._instance)
            return self._set(work.id, "running", None)

    def publishing(self, work: Work, keys: Identified) -> Work:
        """Say that the drop is about to appear; raises Cancelled when this attempt is no longer the current one."""
        with self.together():
            if self._current(work).state != "running":
                raise Cancelled
            return self._set(work.id, "publishing", None, keys=keys)

    def done(self, work: Work, drop: Path, keys: Identified) -> Work:
        """Say that the drop is there: this one's, or that of the same work done before."""
        return self.move(work, "done", drop=drop, keys=keys)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make a block one transaction: one wait for the disk instead of one per row, all of it or nothing."""
        if self._connection.in_transaction:
            yield
            return
        with store.transaction(self._connection, self._path):
            yield

    # What was made

    def done_drop(self, drop_key: str) -> Path | None:
        """Return the drop of this very work, if it was ever done; the user may have deleted it."""
        drops = self._drops("drop_key", drop_key)
        return drops[0] if drops else None

    def drops_with_stems(self, separation_key: str) -> list[Path]:
        """Return the drops made of these dry stems, newest first."""
        return self._drops("separation_key", separation_key)

    def recover(self) -> list[Work]:
        """Return what an earlier instance was in the middle of; nobody works on it any more."""
        rows = self._rows(
            "SELECT * FROM works WHERE state IN ('running', 'publishing') AND instance != ? ORDER BY number",
            self._instance,
        )
        return [_work(row) for row in rows]

    def rebuild(self, delivered: Iterable[Delivered]) -> int:
        """Add what the drops tell of and the journal does not know; returns how many."""
        added = 0
        with self.together():
            for one in delivered:
                if self.done_drop(one.keys.drop_key) is None:
                    work = self._add(one.render, FileIdentity(0, 0, 0, 0), one.inbox, 0)
                    self._set(work.id, "done", None, drop=one.drop, keys=one.keys)
                    added += 1
        return added

    # The table

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as exc:
            raise store.words(self._path, exc) from exc

    def _run(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)

    def _newest(self, path: Path) -> sqlite3.Row | None:
        rows = self._rows("SELECT * FROM works WHERE path = ? ORDER BY number DESC LIMIT 1", os.fsencode(path))
        return rows[0] if rows else None

    def _current(self, work: Work) -> Work:
        now = self.get(work.id)
        if now.attempts != work.attempts:
            raise Cancelled
        return now

    def _add(self, path: Path, identity: FileIdentity, inbox: Path, priority: int) -> Work:
        name, now = uuid.uuid4().hex, self._clock()
        with self.together():
            self._run(
                """INSERT INTO works (id, path, inbox, identity, state, arrived, changed, priority)
                   VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?)""",
                name,
                os.fsencode(path),
                os.fsencode(inbox),
                _identity_text(identity),
                now,
                now,
                priority,
            )
        return self.get(name)

    def _set(
        self,
        name: str,
        state: State,
        error: BridgeError | None,
        not_before: float = 0.0,
        drop: Path | None = None,
        keys: Identified | None = None,
        priority: int | None = None,
    ) -> Work:
        values: dict[str, object] = {"state": state, "not_before": not_before}
        values["error"] = type(error).__name__ if error else ""
        values["reason"] = _text(error.message) if error else ""
        values["hint"] = _text(error.hint) if error else ""
        if drop is not None:
            values["drop_folder"] = os.fsencode(drop)
        if keys is not None:
            values |= vars(keys)
        if priority is not None:
            values["priority"] = priority
        self._update(name, changed=self._clock(), **values)
        return self.get(name)

    def _update(self, name: str, **values: object) -> None:
        columns = ", ".join(f"{column} = ?" for column in values)
        self._run(f"UPDATE works SET {columns} WHERE id = ?", *values.values(), name)

    def _drops(self, column: str, key: str) -> list[Path]:
        rows = self._rows(
            f"""SELECT drop_folder FROM works WHERE {column} = ? AND state = 'done' AND drop_folder IS NOT NULL
                ORDER BY number DESC""",
            key,
        )
        return list(dict.fromkeys(Path(os.fsdecode(row[0])) for row in rows)) if key else []


@contextmanager
def open_journal(folder: Path, *, clock: Callable[[], float] = time.time) -> Iterator[Journal]:
    """Open the journal in a folder, alone; raises ConfigError when another has it open, or a newer program wrote it."""
    require_local(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"Cannot make {folder}: {(exc.strerror or str(exc)).lower()}.",
            hint="Set STEM_BRIDGE_DATA to a folder that you may write to.",
            path=folder,
        ) from exc
    path = folder / _DATABASE
    with hold(folder / _LOCK):
        connection, lost = store.open_database(path)
        try:
            yield Journal(connection, path, lost, clock)
        finally:
            connection.close()


def read_works(folder: Path) -> list[Work]:
    """Return all works in order of arrival, while a daemon runs or not; none where there is no journal."""
    path = folder / _DATABASE
    if not path.exists():
        return []
    try:
        connection = store.connect(path)
        try:
            if store.version_of(connection) > len(store.MIGRATIONS):
                raise store.newer(path)
            rows = connection.execute("SELECT * FROM works ORDER BY number").fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError as exc:
        raise store.words(path, exc) from exc
    return [_work(row) for row in rows]


def _ended_in_order(state: State, error: BridgeError | None) -> bool:
    """Return whether an attempt lived to tell of its end; one found at recovery becomes ready, without error."""
    return state not in ("running", "ready") and not isinstance(error, WorkerError)


def _same_file(one: FileIdentity, other: FileIdentity) -> bool:
    """Compare with what may be long ago: after another mount device and file numbers can differ for the same file."""
    if (one.size, one.mtime_ns) != (other.size, other.mtime_ns):
        return False
    return one.dev != other.dev or one.ino == other.ino or one.mtime_ns % _COARSE_NS == 0


def _identity_text(identity: FileIdentity) -> str:
    """Keep numbers that are too large for SQLite: file numbers of Windows have up to 128 bits."""
    return f"{identity.dev}:{identity.ino}:{identity.size}:{identity.mtime_ns}"


def _text(message: str) -> str:
    return message.encode("utf-8", "backslashreplace").decode("utf-8")


def _work(row: sqlite3.Row) -> Work:
    fields: dict[str, Any] = {name: row[name] for name in _PLAIN}
    keys = Identified(**{name: row[name] for name in _KEYS}) if row["drop_key"] is not None else None
    drop = row["drop_folder"]
    return Work(
        path=Path(os.fsdecode(row["path"])),
        inbox=Path(os.fsdecode(row["inbox"])),
        identity=FileIdentity(*map(int, row["identity"].split(":"))),
        drop=Path(os.fsdecode(drop)) if drop is not None else None,
        keys=keys,
        **fields,
    )


_PLAIN = ("id", "state", "arrived", "attempts", "deaths", "priority", "not_before", "error", "reason", "hint")
_KEYS = ("audio_key", "separation_key", "drop_key", "seconds")
