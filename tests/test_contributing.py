"""CONTRIBUTING.md leads somewhere: its files and names exist, and its ladder is the one that imports obey."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.test_ladder import LADDER, WALLS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "`" in line]
DRAWN = re.search(r"```text\n(__main__.+?)```", TEXT, re.DOTALL)


def places(row: str) -> list[Path]:
    """Return what a row names; a bare name lies where the file before it does."""
    found: list[Path] = []
    for word in re.findall(r"`([^`]+)`", row.partition(" | ")[2]):
        if word.startswith(("bridge/", "tests/", "presets/", "benchmarks/", "docs/", "reaper_scripts/")):
            found.append(ROOT / word)
        elif word.endswith((".py", ".lua")):
            before = found[-1]
            found.append((before if before.is_dir() else before.parent) / word)
    return found


def test_every_file_on_the_map_exists() -> None:
    named = [place for row in ROWS if "/" in row for place in places(row)]
    assert len(named) > 60
    assert [str(place) for place in named if not place.exists()] == []


@pytest.mark.parametrize(("names", "file"), re.findall(r"((?:`\w+`(?: and )?)+) in `(bridge/[\w/]+\.py)`", TEXT))
def test_every_name_on_the_map_stands_in_its_file(names: str, file: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    there = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(re.findall(r"`(\w+)`", names)) <= there


def test_the_ladder_that_is_drawn_is_the_one_that_imports_obey() -> None:
    assert DRAWN is not None
    assert {room for rooms in LADDER for room in rooms} <= set(re.findall(r"\w+", DRAWN[1]))


def test_the_walls_in_the_table_are_those_that_are_guarded() -> None:
    table = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\w, ]*) ?\|$", TEXT, re.MULTILINE)
    said = {(room, wall) for room, walls in table for wall in walls.replace(" ", "").split(",") if wall}
    rooms = {room for room, _ in table}
    assert said == {(room, wall) for wall, owners in WALLS.items() for room in owners & rooms}
