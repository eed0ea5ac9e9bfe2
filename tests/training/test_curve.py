"""The learning curve: every note is in it, and its slope is the one that the run had."""

from __future__ import annotations

import math

import pytest

from training.curve import gain_of_twice, table


def notes(count: int, slope: float) -> list[dict[str, float]]:
    """A run whose every stem gains `slope` dB when the steps double."""
    steps = [100 * (number + 1) for number in range(count)]
    stems = ("drums", "bass", "other", "vocals")
    return [
        {"step": step, "hours": step / 1000} | {stem: 2 + slope * math.log2(step) for stem in stems} for step in steps
    ]


@pytest.mark.parametrize("slope", [-0.3, 0.0, 0.7])
def test_the_gain_of_twice_the_steps_is_the_slope_of_the_run(slope: float) -> None:
    assert gain_of_twice(notes(20, slope)) == pytest.approx(slope, abs=1e-9)
    assert f"{slope:+.1f} dB" in table(notes(20, slope), 5)


def test_the_table_ends_with_the_last_step_and_has_no_more_rows_than_notes() -> None:
    lines = table(notes(3, 0.5), 10).splitlines()
    assert len(lines) == 2 + 3
    assert lines[-1].startswith("| 300 | 0.3 |")


def test_a_stem_that_was_silent_in_a_stretch_leaves_the_others_alone() -> None:
    run = notes(8, 0.5)
    run[2]["bass"] = math.nan
    assert "nan" not in table(run, 2)
