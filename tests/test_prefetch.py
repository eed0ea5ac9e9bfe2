"""Prefetch: the same items in the same order, bounded, and nothing left running however it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prefetch import prefetch


class Source:
    """Counts what it made, and notes when it was closed and by what thread it ran."""

    def __init__(self, sizes: list[int], fails_at: int | None = None) -> None:
        self.sizes = sizes
        self.fails_at = fails_at
        self.made = 0
        self.closed = False
        self.threads: set[int] = set()

    def items(self) -> Iterator[bytes]:
        try:
            for number, size in enumerate(self.sizes):
                self.threads.add(threading.get_ident())
                if number == self.fails_at:
                    raise OSError("broken")
                self.made += 1
                yield bytes([number % 256]) * size
        finally:
            self.closed = True


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_items_are_the_same_and_in_order(sizes: list[int], max_bytes: int) -> None:
    source = Source(sizes)
    assert list(prefetch(source.items(), max_bytes, len)) == list(Source(sizes).items())
    assert source.closed
    assert threading.get_ident() not in source.threads


@pytest.mark.parametrize("taken", [1, 5, 20])
def test_no_more_is_made_ahead_than_may_be_held(taken: int) -> None:
    source = Source([100] * 1000)
    ahead = prefetch(source.items(), 700, len)
    for _ in range(taken):
        next(ahead)
    ahead.close()
    assert taken <= source.made <= taken + 8


@given(st.integers(0, 20), st.integers(1, 500))
@settings(max_examples=40, deadline=None)
def test_an_error_comes_in_its_place_and_after_all_items_before_it(fails_at: int, max_bytes: int) -> None:
    source = Source([10] * 30, fails_at)
    got: list[bytes] = []
    with pytest.raises(OSError, match="broken"):
        got.extend(prefetch(source.items(), max_bytes, len))
    assert len(got) == fails_at
    assert source.closed


def test_closing_early_ends_the_thread_and_closes_the_source() -> None:
    before = threading.active_count()
    source = Source([10] * 1000)
    ahead = prefetch(source.items(), 100, len)
    next(ahead)
    assert threading.active_count() == before + 1
    ahead.close()
    assert threading.active_count() == before
    assert source.closed


def test_a_generator_that_is_forgotten_leaves_no_thread() -> None:
    before = threading.active_count()
    source = Source([10] * 1000)
    ahead = prefetch(source.items(), 100, len)
    next(ahead)
    del ahead
    assert threading.active_count() == before
    assert source.closed


def test_one_may_lie_behind_another() -> None:
    before = threading.active_count()
    source = Source([10] * 100)
    inner = prefetch(source.items(), 50, len)
    outer = prefetch(inner, 50, len)
    next(outer)
    outer.close()
    assert threading.active_count() == before
    assert source.closed


def test_nothing_is_made_before_it_is_asked_for() -> None:
    source = Source([10] * 10)
    prefetch(source.items(), 100, len)
    assert source.made == 0
