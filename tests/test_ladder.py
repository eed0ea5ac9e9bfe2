"""The rooms form a ladder: imports point down only, and each foreign library has one importer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bridge"

LADDER = [
    ["__main__"],
    ["cli"],
    ["daemon", "batch", "demo", "service", "reaper"],
    ["worker"],
    ["pipeline"],
    ["intake", "separation", "effects", "midi", "session", "delivery"],
    ["journal"],
    ["models", "presets", "evaluate"],
    ["audio"],
    ["config"],
    ["domain"],
    ["strict_yaml", "disk"],
    ["units", "errors", "resources", "words", "mounts", "errand", "landmark", "prefetch", "neighbour", "idle"],
    ["closing", "child_pipes", "programs"],
]
"""Top to bottom; rooms on one line know nothing of each other."""

WALLS = {
    "watchdog": {"intake"},
    "sqlite3": {"journal"},
    "huggingface_hub": {"models"},
    "safetensors": {"models", "separation"},
    "torch": {"separation"},
    "demucs": {"separation"},
    "yaml": {"strict_yaml"},
    "pedalboard": {"effects"},
    "mido": {"midi"},
    "soundfile": {"audio"},
    "soxr": {"audio"},
    "mutagen": {"audio"},
    "scipy": {"audio"},
    "typer": {"cli"},
    "rich": {"cli"},
}
"""Library to the only rooms that may import it."""

LEVEL = {room: number for number, line in enumerate(LADDER) for room in line}


def room_of(module: Path) -> str:
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    return "bridge" if parts == ("__init__",) else parts[0]


def imported(module: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write imports out in full"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_imports_point_down_only(module: Path) -> None:
    here = room_of(module)
    if here == "bridge":
        assert not imported(module), "the package itself imports nothing, so that --help stays fast"
        return
    assert here in LEVEL, f"{here} is not on the ladder: add it where it belongs"
    for name in imported(module):
        parts = name.split(".")
        if parts[0] == "bridge" and len(parts) > 1 and parts[1] in LEVEL:
            there = parts[1]
            down = there == here or LEVEL[there] > LEVEL[here]
            assert down, f"{module.relative_to(PACKAGE)}: {here} may not import {there} (upward or sideways)"
        elif parts[0] in WALLS:
            assert here in WALLS[parts[0]], f"{here} may not import {parts[0]}: that wall is {WALLS[parts[0]]}"


def test_only_the_worker_child_imports_the_pipeline() -> None:
    importers = {
        str(module.relative_to(PACKAGE).as_posix())
        for module in MODULES
        if any(name == "bridge.pipeline" or name.startswith("bridge.pipeline.") for name in imported(module))
    }
    assert {one for one in importers if not one.startswith("pipeline/")} == {"worker/child.py"}


def test_printing_is_done_by_one_module() -> None:
    for module in MODULES:
        if module.relative_to(PACKAGE).as_posix() == "cli/output.py":
            continue
        calls = [n for n in ast.walk(ast.parse(module.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        printing = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
        assert not printing, f"{module}: only cli/output.py prints"


def test_a_module_is_one_sitting() -> None:
    for module in MODULES:
        lines = len(module.read_text(encoding="utf-8").splitlines())
        assert lines <= 400, f"{module.relative_to(PACKAGE)} has {lines} lines: split it by duty"


def test_room_names_say_what_they_do() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "core", "misc", "manager", "handler"}
    assert not [m for m in MODULES if m.stem in banned]
