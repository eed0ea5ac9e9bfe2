"""What a disk refuses for moments is waited for; what it refuses for good is told, or counts as not there."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.disk import is_file, is_folder, rename


def windows_that_holds(refusals: int, winerror: int = 32) -> Callable[[Path, Path], None]:
    """Return a rename that refuses so many times, as Windows does while somebody looks at a file."""
    left = [refusals]

    def move(source: Path, target: Path) -> None:
        if left[0]:
            left[0] -= 1
            error = PermissionError(errno.EACCES, "The process cannot access the file")
            error.winerror = winerror  # type: ignore[attr-defined]
            raise error
        source.replace(target)

    return move


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "a.part"
    path.write_bytes(b"new")
    (tmp_path / "a").write_bytes(b"old")
    return path


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_file_that_is_looked_at_for_a_moment_gets_its_name_all_the_same(part: Path, winerror: int) -> None:
    pauses: list[float] = []
    rename(part, part.with_suffix(""), move=windows_that_holds(4, winerror), sleep=pauses.append)
    assert part.with_suffix("").read_bytes() == b"new"
    assert len(pauses) == 4
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(("winerror", "most_seconds"), [(32, 1.0), (32, 0.0), (32, 6.35), (17, 6.35)])
def test_no_longer_than_asked_and_not_for_another_reason(part: Path, winerror: int, most_seconds: float) -> None:
    pauses: list[float] = []
    with pytest.raises(PermissionError):
        rename(
            part,
            part.with_suffix(""),
            move=windows_that_holds(1000, winerror),
            most_seconds=most_seconds,
            sleep=pauses.append,
        )
    assert sum(pauses) <= most_seconds + 1e-9
    assert bool(pauses) == (winerror == 32 and most_seconds > 0)
    assert (part.read_bytes(), part.with_suffix("").read_bytes()) == (b"new", b"old")


def test_a_refusal_that_is_no_holding_is_raised_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rename(tmp_path / "gone", tmp_path / "a", sleep=lambda _: pytest.fail("it waited"))


def test_a_name_that_no_disk_takes_is_neither_file_nor_folder() -> None:
    for name in ("a\0b", "x" * 5000):
        assert (is_file(Path(name)), is_folder(Path(name))) == (False, False)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may look everywhere")
def test_what_nobody_may_look_at_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "a").write_bytes(b"")
    (tmp_path / "shut").chmod(0)
    try:
        assert (is_file(tmp_path / "shut" / "a"), is_folder(tmp_path / "shut" / "a")) == (False, False)
    finally:
        (tmp_path / "shut").chmod(0o700)
