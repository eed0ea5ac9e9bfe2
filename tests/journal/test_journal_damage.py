"""Migrations, damage, refusals of the disk."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import INBOX, finish, keys, seen, version

from bridge.errors import BridgeError, ConfigError, RetryError
from bridge.journal import store
from bridge.journal.journal import Delivered, Journal, open_journal, read_works

NAME = "journal.sqlite3"


def filled(folder: Path, count: int = 60) -> Path:
    with open_journal(folder) as journal, journal.together():
        journal.folders.remember_inbox(INBOX)
        for number in range(count):
            finish(journal, seen(journal, f"{number}.wav"), Path(f"/music/stems/{number}"), keys(number))
    return folder / NAME


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("whole"))


def delivered(number: int) -> Delivered:
    return Delivered(Path(f"/music/stems/{number}"), INBOX / f"{number}.wav", keys(number))


def test_a_file_that_is_no_database_is_kept_aside_and_the_journal_is_rebuilt_from_the_drops(tmp_path: Path) -> None:
    filled(tmp_path).write_bytes(b"not a database at all" * 500)
    with open_journal(tmp_path) as journal:
        assert journal.is_new
        assert journal.damaged is not None
        assert journal.damaged.name.startswith(f"{NAME}.corrupt-")
        assert journal.damaged.read_bytes().startswith(b"not a database")
        assert journal.folders.is_new_inbox(INBOX)
        assert journal.rebuild(map(delivered, range(3))) == 3
        assert journal.rebuild(map(delivered, range(4))) == 1
        assert journal.done_drop("drop-2") == Path("/music/stems/2")
        again = seen(journal, "2.wav")
        assert again.state == "waiting", "nobody knows whether it is still the same file: it is looked at once"
    with open_journal(tmp_path) as journal:
        assert (journal.is_new, journal.damaged) == (False, None)
        assert len(journal.works()) == 5


def test_what_can_still_be_read_of_a_damaged_journal_is_carried_over(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = {work.id: work for work in read_works(tmp_path)}
    data = bytearray(path.read_bytes())
    # The newest row lies on one page; the rest of the table does not.
    start = data.rindex(b"/music/renders/30.wav") // 4096 * 4096
    data[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with open_journal(tmp_path) as journal:
        assert journal.damaged is not None
        assert not journal.folders.is_new_inbox(INBOX)
        after = {work.id: work for work in journal.works()}
        assert 10 <= len(after) < len(before)
        assert after.items() <= before.items()
        journal.rebuild(map(delivered, range(60)))
        assert all(journal.done_drop(f"drop-{number}") for number in range(60))


def test_a_row_that_says_something_impossible_is_damage_too_and_costs_that_row_alone(tmp_path: Path) -> None:
    path = filled(tmp_path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE works SET state = 'dome' WHERE number = 5")
        connection.execute("UPDATE works SET identity = '1:2:3' WHERE number = 6")
        connection.execute("UPDATE works SET attempts = 'many' WHERE number = 7")
        connection.execute("UPDATE works SET reason = CAST(x'fffe' AS TEXT) WHERE number = 8")
    connection.close()
    assert len(read_works(tmp_path)) == 57
    with open_journal(tmp_path) as journal:
        assert journal.damaged is not None
        assert [work.path.stem for work in journal.works()] == [str(n) for n in range(60) if n not in (4, 5, 6)]


def test_damage_done_twice_is_kept_twice(tmp_path: Path) -> None:
    for _ in range(2):
        filled(tmp_path, 1).write_bytes(b"x" * 5000)
        with open_journal(tmp_path):
            pass
    kept = [path for path in tmp_path.glob(f"{NAME}.corrupt-*") if not path.name.endswith("-journal")]
    assert [path.read_bytes() for path in kept] == [b"x" * 5000] * 2


def test_what_was_half_done_in_a_damaged_file_is_not_rolled_back_into_the_new_one(tmp_path: Path) -> None:
    filled(tmp_path).write_bytes(b"x" * 5000)
    half_done = tmp_path / f"{NAME}-journal"
    half_done.write_bytes(b"\0" * 600)
    with open_journal(tmp_path) as journal:
        seen(journal)
    assert half_done.read_bytes()[:600] != b"\0" * 600, "the new file has one of its own"
    assert [path.read_bytes() for path in tmp_path.glob(f"{NAME}.corrupt-*-journal")] == [b"\0" * 600]


def test_an_emptied_file_is_told_as_a_new_journal(tmp_path: Path) -> None:
    filled(tmp_path).write_bytes(b"")
    with open_journal(tmp_path) as journal:
        assert journal.is_new
        assert journal.works() == []


@settings(max_examples=40, deadline=None)
@given(start=st.floats(0, 1), junk=st.binary(min_size=1, max_size=6000), keep=st.just(1.0) | st.floats(0, 1))
def test_random_damage_never_stops_the_journal_and_never_makes_it_lie(
    start: float, junk: bytes, keep: float, whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, good = tmp_path_factory.mktemp("damage"), whole.read_bytes()
    at, end = (100 + round(part * (len(good) - 101)) for part in (start, keep))
    (folder / NAME).write_bytes((good[:at] + junk + good[at + len(junk) :])[: end + 1])
    with open_journal(folder) as journal:
        journal.rebuild(map(delivered, range(60)))
        assert all(journal.done_drop(f"drop-{number}") for number in range(60))
        finish(journal, seen(journal, "new.wav"), Path("/music/stems/new"), keys(999))
    with open_journal(folder) as journal:
        assert journal.damaged is None
        assert journal.done_drop("drop-999") == Path("/music/stems/new")
    shutil.rmtree(folder)


@settings(max_examples=40, deadline=None)
@given(position=st.integers(0, 99), byte=st.integers(0, 255))
def test_a_damaged_header_is_survived_or_told_in_words(
    position: int, byte: int, whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, good = tmp_path_factory.mktemp("header"), whole.read_bytes()
    (folder / NAME).write_bytes(good[:position] + bytes([byte]) + good[position + 1 :])
    with suppress(BridgeError), open_journal(folder) as journal:
        finish(journal, seen(journal, "new.wav"), Path("/music/stems/new"), keys(999))
        assert journal.done_drop("drop-999") is not None
    shutil.rmtree(folder)


# Migrations


def test_a_journal_of_a_newer_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = filled(tmp_path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(store.MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="newer Stem Bridge"), open_journal(tmp_path):
        pass
    with pytest.raises(ConfigError, match="newer Stem Bridge"):
        read_works(tmp_path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_a_journal_of_the_version_before_is_read_as_it_is_and_keeps_its_rows_even_when_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(store.migrate, "__defaults__", (store.MIGRATIONS[:2],))
        path = filled(tmp_path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()
    old = read_works(tmp_path)
    assert [(work.cuts, work.reached) for work in old] == [(0, 0)] * 60
    (tmp_path / "damaged").mkdir()
    damaged = shutil.copy(path, tmp_path / "damaged")
    with sqlite3.connect(damaged) as connection:
        connection.execute("DROP INDEX works_by_state")
    connection.close()
    for folder in (tmp_path, tmp_path / "damaged"):
        with open_journal(folder) as journal:
            assert (journal.damaged is not None) == (folder != tmp_path)
            assert journal.works() == old


def test_a_later_schema_is_reached_step_by_step_and_keeps_the_rows(tmp_path: Path) -> None:
    path = filled(tmp_path)
    later = (*store.MIGRATIONS, ("ALTER TABLE works ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'",), ("SELECT 1",))
    connection = sqlite3.connect(path, isolation_level=None)
    store.migrate(connection, path, later)
    store.migrate(connection, path, later)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
    assert connection.execute("SELECT count(*), max(mood) FROM works").fetchone() == (60, "calm")
    connection.close()


def test_a_schema_that_is_not_ours_is_damage_and_its_rows_are_carried_over(tmp_path: Path) -> None:
    path = filled(tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("DROP INDEX works_by_state")
    connection.close()
    with open_journal(tmp_path) as journal:
        assert journal.damaged is not None
        assert len(journal.works()) == 60


def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = filled(tmp_path)
    broken = (*store.MIGRATIONS, ("ALTER TABLE works ADD COLUMN mood TEXT", "ALTER TABLE nothing ADD COLUMN x"))
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        store.migrate(connection, path, broken)
    connection.close()
    with open_journal(tmp_path) as journal:
        assert (len(journal.works()), journal.damaged) == (60, None)


# The disk refuses


def see_many(journal: Journal) -> None:
    with journal.together():
        for number in range(2000):
            seen(journal, f"more {number}.wav")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_without_room_is_told_and_nothing_has_changed(tmp_path: Path) -> None:
    import resource

    path = filled(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_journal(tmp_path) as journal:
        works = journal.works()
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
        try:
            with pytest.raises(RetryError) as caught:
                see_many(journal)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert caught.value.hint
        assert journal.works() == works
        assert seen(journal, "more 0.wav").identity == version(0)
    assert len(read_works(tmp_path)) == 61


def test_a_locked_or_vanished_disk_is_told_as_something_that_passes(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        work = seen(journal)
        other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        journal._database.connection.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(RetryError, match="locked"):
            journal.move(work, "ready")
        other.close()
        assert journal.move(work, "ready").state == "ready"


def test_no_wal_is_used_and_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        seen(journal)
        assert journal._database.connection.execute("PRAGMA journal_mode").fetchone()[0] == "persist"
        assert journal._database.connection.execute("PRAGMA synchronous").fetchone()[0] == 3
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["journal.lock", NAME, f"{NAME}-journal"]
