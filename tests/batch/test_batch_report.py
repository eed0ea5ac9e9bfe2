"""A report that cannot be written is told before the work, not after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.batch.report import check_report
from bridge.errors import ConfigError


def test_a_report_that_can_be_written_leaves_nothing_behind_when_it_is_checked(tmp_path: Path) -> None:
    check_report(tmp_path / "stems.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["stems.txt", "nowhere/stems.csv", f"{'x' * 300}.csv"])
def test_a_report_that_cannot_be_written_is_told_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"report|written"):
        check_report(tmp_path / name)
