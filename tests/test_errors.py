"""The tree of errors is the one that is drawn, and every error that exists is one that happens."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from bridge import errors
from bridge.errors import BridgeError, RenderError, by_name

PACKAGE = Path(errors.__file__).parent


def below(kind: type[BridgeError]) -> dict[str, dict]:
    return {one.__name__: below(one) for one in kind.__subclasses__() if one.__module__ == errors.__name__}


def drawn() -> dict[str, dict]:
    """Read the drawing at the top of the module: every step to the right is four characters."""
    lines = re.findall(r"^     ([ |`-]+)([A-Z]\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    tree: dict[str, dict] = {}
    branches = [tree]
    for bars, name in lines:
        depth = len(bars) // 4
        del branches[depth + 1 :]
        branches[depth][name] = {}
        branches.append(branches[depth][name])
    return tree


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    assert drawn() == below(BridgeError)


def test_every_error_that_has_no_kinds_is_raised_somewhere() -> None:
    made = set()
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named = [node.func, *(keyword.value for keyword in node.keywords if keyword.arg == "error")]
                made.update(one.id for one in named if isinstance(one, ast.Name))
    leaves = {name for branch in below(BridgeError).values() for name in branch}
    assert leaves <= made, f"never raised: {sorted(leaves - made)}"


def test_errors_that_crossed_a_border_are_found_by_name() -> None:
    for name in errors.__all__:
        found = getattr(errors, name)
        if isinstance(found, type) and issubclass(found, BridgeError):
            assert by_name(name) is found
    assert by_name("print") is by_name("Path") is by_name("Cancelled") is RenderError
