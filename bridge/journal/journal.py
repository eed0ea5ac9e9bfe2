"""The journal: one row per render, moved from state to state by one writer; every move is on the disk when it returns.

The number of attempts is counted before anything is touched and is the token of that attempt: whoever comes back with
an older one changes nothing (Cancelled). Clocks decide nothing but when to try again. Every method may raise
NoSpaceError or DestinationError when the disk of the journal refuses; nothing has then changed.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.domain.render import FileIdentity
from bridge.domain.work import ENDED, Identified, State, Work
from bridge.errors import BridgeError, Cancelled, ConfigError, WorkerError
from bridge.journal import store
from bridge.journal.folders import Folders
from bridge.journal.lock import hold, require_local
from bridge.journal.rows import columns, from_row, identity_text, is_sane, same_file
from bridge.journal.store import Database, marks
from bridge.words import escaped

__all__ = ["Delivered", "Journal", "open_journal", "read_works"]

_DATABASE = "journal.sqlite3"
_LOCK = "journal.lock"
_CLOCK_SLACK_SECONDS = 60.0
_NO_HISTORY: dict[str, object] = {"deaths": 0, "cuts": 0, "reached": 0}
_NO_REASON: dict[str, object] = {"error": "", "reason": "", "hint": "", "not_before": 0.0}

_AGAIN: frozenset[State] = frozenset({"waiting", "ready"})
_STOPPED: frozenset[State] = frozenset({"parked", "cancelled", "gone"})
_MOVES: dict[State, frozenset[State]] = {
    "waiting": _AGAIN | _STOPPED | {"stalled", "retry", "recorded"},
    "stalled": _AGAIN | _STOPPED | {"stalled", "retry", "recorded"},
    "ready": _AGAIN | _STOPPED | {"stalled", "retry"},
    "retry": _AGAIN | _STOPPED | {"stalled", "retry"},
    "running": _AGAIN | _STOPPED | {"stalled", "retry", "done"},
    "publishing": _AGAIN | {"retry", "parked", "done"},
    "done": _AGAIN,
    "parked": _AGAIN | {"gone"},
    "cancelled": _AGAIN,
    "recorded": _AGAIN,
    "gone": _AGAIN,
}
"""What may follow what by `move`; `begin` alone leads to running, `publishing` alone to publishing. Once its drop is
about to appear a work can no longer be cancelled."""


@dataclass(frozen=True)
class Delivered:
    """What the manifest of a drop says, as far as a lost journal needs it."""

    drop: Path
    render: Path
    keys: Identified
    """`separation_key` is empty in drops of versions that did not write it; their stems are not found again."""


class Journal:
    """An open journal. Made by `open_journal`; for the thread that opened it alone."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.is_new = False
        """It was made at this opening, be it that it was lost: time to `rebuild` from what the drops say."""
        self.damaged: Path | None = None
        """The damaged journal that was set aside at this opening."""
        self.folders = Folders(database, clock)
        self._database = database
        self._clock = clock
        self._instance = uuid.uuid4().hex

    def see(self, path: Path, identity: FileIdentity, inbox: Path, *, priority: int = 0) -> Work:
        """Return the row of the file that is there now; writes only when that is news.

        Unknown: a new row. Changed before its work began: the same row waits again. Changed since: a new row. Gone and
        back: it waits again.
        """
        rows = self._database.rows("SELECT * FROM works WHERE path = ? ORDER BY number DESC LIMIT 1", os.fsencode(path))
        if not rows:
            return self._add(path, identity, inbox, priority)
        work = from_row(rows[0])
        has_begun = work.state in ENDED or work.state in ("running", "publishing")
        is_same = same_file(work.identity, identity) if has_begun else work.identity == identity
        if is_same and work.state != "gone":
            return work
        with self.together():
            if has_begun and not is_same:
                if work.state == "parked":
                    self._set(work, "gone")
                return self._add(path, identity, inbox, priority)
            self._update(work, identity=identity_text(identity), inbox=os.fsencode(inbox))
            if not is_same:
                self._update(work, **_NO_HISTORY)
            return self._set(work, "waiting")

    def works(self, states: Collection[State] | None = None, *, newest: int = -1) -> list[Work]:
        """Return all works, or those in these states, or only the `newest` of them, in order of arrival."""
        chosen = "" if states is None else f"WHERE state IN ({marks(states)})"
        query = f"SELECT * FROM works {chosen} ORDER BY number DESC LIMIT ?"
        rows = self._database.rows(query, *(states or ()), newest)
        return [from_row(row) for row in reversed(rows)]

    def counts(self, states: Collection[State]) -> dict[tuple[Path, State], int]:
        """Return how many works of each inbox are in each of these states; what there is none of is left out."""
        query = f"SELECT inbox, state, count(*) FROM works WHERE state IN ({marks(states)}) GROUP BY inbox, state"
        return {(Path(os.fsdecode(row[0])), row[1]): row[2] for row in self._database.rows(query, *states)}

    def missing(self, inbox: Path, states: Collection[State], there: Collection[Path]) -> list[Work]:
        """Return the works of an inbox that are in these states and whose file is not one of those that are `there`."""
        names = set(map(os.fsencode, there))
        query = f"SELECT id, path FROM works WHERE state IN ({marks(states)}) AND inbox = ? ORDER BY number"
        rows = self._database.rows(query, *states, os.fsencode(inbox))
        return [self.get(row["id"]) for row in rows if row["path"] not in names]

    def get(self, id_or_prefix: str) -> Work:
        """Return the one work whose id begins so; raises ConfigError when there is none, or more than one."""
        start = escaped(id_or_prefix.strip().lower())
        # Ids are hex: 'g' follows all of them.
        query = "SELECT * FROM works WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2"
        rows = self._database.rows(query, start) if start else []
        if len(rows) == 1:
            return from_row(rows[0])
        message = f"More than one job begins with '{start}'" if rows else f"There is no job '{start}'"
        raise ConfigError(f"{message}.", hint="Choose one of stem-bridge jobs list.")

    def next(self, now: float, *, paused: Collection[Path] = ()) -> Work | None:
        """Return what to do now, by priority, then arrival: ready, or to be tried again and due; no `paused` inbox's.

        When the clock was set back, a retry planned by the later time is due at once.
        """
        rows = self._database.rows(
            f"""SELECT * FROM works
                WHERE (state = 'ready' OR (state = 'retry' AND (not_before <= ? OR changed > ?)))
                AND inbox NOT IN ({marks(paused)})
                ORDER BY priority DESC, number LIMIT 1""",
            now,
            now + _CLOCK_SLACK_SECONDS,
            *map(os.fsencode, paused),
        )
        return from_row(rows[0]) if rows else None

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
        """Move a work. Reason and time are this move's alone; drop, keys and priority stay unless others are given.

        Raises ValueError for a move that cannot be, Cancelled when `work` is of an earlier attempt.
        """
        with self.together():
            now = self._current(work)
            if state not in _MOVES[now.state]:
                raise ValueError(f"a work that is {now.state} cannot become {state}")
            if now.state in ENDED:
                self._update(now, **_NO_HISTORY)
            elif now.state in ("running", "publishing"):
                self._count_end(now, error)
            news = columns(error=error, drop=drop, keys=keys, priority=priority)
            return self._set(now, state, not_before=not_before, **news)

    def begin(self, work: Work) -> Work:
        """Count an attempt and set the work running, before anything of it is touched."""
        with self.together():
            now = self._current(work)
            if now.state not in ("ready", "retry"):
                raise ValueError(f"a work that is {now.state} cannot begin")
            self._update(now, attempts=now.attempts + 1, deaths=now.deaths + 1, instance=self._instance)
            return self._set(now, "running")

    def reach(self, work: Work, place: int) -> Work:
        """Note how far this attempt came, if further than any: those that died before count no more. Else no write."""
        now = self._current(work)
        if place > now.reached and now.state == "running":
            self._update(now, reached=place, deaths=1, cuts=0)
        return self.get(work.id)

    def publishing(self, work: Work, keys: Identified) -> Work:
        """Say that the drop is about to appear; raises Cancelled when this attempt is no longer the current one."""
        with self.together():
            now = self._current(work)
            if now.state != "running":
                raise Cancelled
            return self._set(now, "publishing", **columns(keys=keys))

    def done(self, work: Work, drop: Path, keys: Identified) -> Work:
        """Say that the drop is there: the one of this attempt, or that of the same work done before."""
        return self.move(work, "done", drop=drop, keys=keys)

    def together(self) -> AbstractContextManager[None]:
        """Make a block one transaction: one wait for the disk instead of one per row, and all of it or nothing."""
        return self._database.together()

    def done_drop(self, drop_key: str) -> Path | None:
        """Return the drop of this very work, if it was ever done; the user may have deleted it since."""
        return next(iter(self._drops("drop_key", drop_key)), None)

    def drops_with_stems(self, separation_key: str) -> list[Path]:
        """Return the drops made of these dry stems, newest first; the user may have deleted some since."""
        return self._drops("separation_key", separation_key)

    def recover(self) -> list[Work]:
        """Return what an earlier instance was in the middle of; since we hold the lock, nobody works on it now."""
        rows = self._database.rows(
            "SELECT * FROM works WHERE state IN ('running', 'publishing') AND instance != ? ORDER BY number",
            self._instance,
        )
        return [from_row(row) for row in rows]

    def rebuild(self, delivered: Iterable[Delivered]) -> int:
        """Add, oldest first, what the drops tell of and the journal does not know; returns how many."""
        added = 0
        with self.together():
            for one in delivered:
                if self.done_drop(one.keys.drop_key) is None:
                    # No file has this identity: the render that lies there now is looked at once more.
                    work = self._add(one.render, FileIdentity(0, 0, 0, 0), one.render.parent, 0)
                    self._set(work, "done", **columns(drop=one.drop, keys=one.keys))
                    added += 1
        return added

    def _current(self, work: Work) -> Work:
        now = self.get(work.id)
        if now.attempts != work.attempts:
            raise Cancelled
        return now

    def _count_end(self, work: Work, error: BridgeError | None) -> None:
        """An attempt of ours lived to tell of its end, or of its worker's; one of an earlier instance ended with it."""
        if self._database.rows("SELECT 1 FROM works WHERE id = ? AND instance != ?", work.id, self._instance):
            self._update(work, deaths=work.deaths - 1, cuts=work.cuts + 1)
        elif not isinstance(error, WorkerError):
            self._update(work, deaths=work.deaths - 1)

    def _add(self, path: Path, identity: FileIdentity, inbox: Path, priority: int) -> Work:
        now = self._clock()
        row = (uuid.uuid4().hex, os.fsencode(path), os.fsencode(inbox), identity_text(identity), now, now, priority)
        with self.together():
            self._database.run(
                f"""INSERT INTO works (state, id, path, inbox, identity, arrived, changed, priority)
                    VALUES ('waiting', {marks(row)})""",
                *row,
            )
        return self.get(row[0])

    def _set(self, work: Work, state: State, **news: object) -> Work:
        """Write a state and what is new with it; the reason and the time of the move before are over."""
        self._update(work, **{**_NO_REASON, **news, "state": state, "changed": self._clock()})
        return self.get(work.id)

    def _update(self, work: Work, **values: object) -> None:
        columns = ", ".join(f"{column} = ?" for column in values)
        self._database.run(f"UPDATE works SET {columns} WHERE id = ?", *values.values(), work.id)

    def _drops(self, column: str, key: str) -> list[Path]:
        rows = self._database.rows(
            f"""SELECT drop_folder FROM works WHERE {column} = ? AND {column} != ''
                AND state = 'done' AND drop_folder IS NOT NULL ORDER BY number DESC""",
            key,
        )
        return list(dict.fromkeys(Path(os.fsdecode(row[0])) for row in rows))


@contextmanager
def open_journal(folder: Path, *, clock: Callable[[], float] = time.time) -> Iterator[Journal]:
    """Open the journal in a folder, alone.

    Raises ConfigError when another process has it, a newer program wrote it, or the folder is no place for it.
    """
    require_local(folder)
    path = folder / _DATABASE
    with hold(folder / _LOCK):
        connection, is_new, damaged = store.open_database(path, is_sane)
        with closing(connection):
            journal = Journal(Database(connection, path), clock)
            journal.is_new, journal.damaged = is_new, damaged
            yield journal


def read_works(folder: Path) -> list[Work]:
    """Return all works in order of arrival, whether a daemon runs or not; none where there is no journal."""
    path = folder / _DATABASE
    if not path.exists():
        return []
    with store.open_for_reading(path) as connection:
        return [from_row(row) for row in connection.execute("SELECT * FROM works ORDER BY number") if is_sane(row)]
