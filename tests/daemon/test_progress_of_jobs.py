"""How far a job came: an order in which its events come, with few places in it."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.events import Notice, Progress, Stage, StageStarted, place_of

STAGES: tuple[Stage, ...] = get_args(Stage)
seconds = st.floats(allow_nan=False, allow_infinity=False, min_value=0.0, max_value=1e6)


def test_a_notice_says_nothing_of_how_far_a_job_is() -> None:
    assert place_of(Notice("The store is full.")) == 0


@given(st.sampled_from(range(len(STAGES))), seconds, seconds, seconds)
def test_no_event_of_a_stage_lies_before_its_start_nor_behind_the_start_of_the_next(
    number: int, one: float, other: float, total: float
) -> None:
    start = place_of(StageStarted(STAGES[number], total))
    sooner, later = (place_of(Progress(STAGES[number], done, total)) for done in sorted((one, other)))
    assert start == 100 * number <= sooner <= later <= start + 100


def test_every_percent_of_a_stage_is_a_place_and_less_is_none() -> None:
    assert [place_of(Progress("separate", done, 200.0)) for done in (0.0, 1.9, 2.0, 199.0, 200.0)] == [
        100, 100, 101, 199, 200
    ]  # fmt: skip
