"""An inbox, and who hears of what happens in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.intake.watching import Bell


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def bell() -> Bell:
    return Bell()
