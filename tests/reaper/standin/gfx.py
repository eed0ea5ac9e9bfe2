"""A window that scripts draw into: what is written there is kept, the mouse and the keys are the test's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

__all__ = ["Gfx"]

_CLOSED = -1
_FUNCTIONS: dict[bytes, tuple[int, int]] = {
    b"init": (1, 6),
    b"quit": (0, 0),
    b"update": (0, 0),
    b"getchar": (0, 1),
    b"showmenu": (1, 1),
    b"set": (1, 7),
    b"rect": (4, 5),
    b"drawstr": (1, 4),
    b"measurestr": (1, 1),
    b"setfont": (1, 4),
}
"""Fewest and most arguments."""


class Gfx:
    """The window of one script; strict about names, numbers of arguments and drawing where there is no window."""

    def __init__(self) -> None:
        self.is_open = False
        self.keys: list[int] = []
        """Characters to come; -1 is the user who closes the window."""
        self.menus: list[str] = []
        """What menus offered."""
        self.choices: list[int] = []
        """Entries that the user will choose, from 1; none left = the menu is closed."""
        self.texts: list[str] = []
        """What is written in the window now."""
        self.calls: Counter[str] = Counter()
        self.variables: Any = None
        """The table of gfx.x, gfx.mouse_x and the like, once a script has drawn."""

    def knows(self, name: bytes) -> bool:
        """Tell whether there is such a function."""
        return name in _FUNCTIONS

    def call(self, name: bytes, variables: Any, *args: Any) -> tuple[object, ...]:
        """Do what a function does; returns True and its results, or False and what is wrong."""
        fewest, most = _FUNCTIONS[name]
        if not fewest <= len(args) <= most:
            return False, f"gfx.{name.decode()}: {len(args)} arguments".encode()
        if not self.is_open and name not in (b"init", b"quit"):
            return False, f"gfx.{name.decode()}: there is no window".encode()
        if name == b"showmenu" and b"" in bytes(args[0]).split(b"|"):
            return False, b"gfx.showmenu: an empty entry is a line, which is not counted"
        self.variables = variables
        self.calls[name.decode()] += 1
        method: Callable[..., object] | None = getattr(self, f"_{name.decode()}", None)
        return True, method(*args) if method else 0

    def click(self, x: float, y: float) -> None:
        """Press the left button of the mouse there; `release` lets go."""
        self.variables[b"mouse_x"], self.variables[b"mouse_y"], self.variables[b"mouse_cap"] = x, y, 1

    def release(self) -> None:
        """Let go of the button."""
        self.variables[b"mouse_cap"] = 0

    def _init(self, _title: bytes, width: float = 0, height: float = 0, *_rest: object) -> int:
        self.is_open = True
        self.variables[b"w"], self.variables[b"h"] = width, height
        return 1

    def _quit(self) -> int:
        self.is_open = False
        return 0

    def _getchar(self, _char: object = None) -> int:
        key = self.keys.pop(0) if self.keys else 0
        if key == _CLOSED:
            self.is_open = False
        return key

    def _showmenu(self, text: bytes) -> int:
        self.menus.append(text.decode("utf-8", "surrogateescape"))
        return self.choices.pop(0) if self.choices else 0

    def _update(self) -> int:
        return 0

    def _set(self, *_color: object) -> int:
        return 0

    def _rect(self, x: float, y: float, width: float, height: float, *_filled: object) -> int:
        if (x, y) == (0, 0) and width == self.variables[b"w"]:
            self.texts.clear()
        return int(height > 0)

    def _drawstr(self, text: bytes, *_where: object) -> int:
        self.texts.append(text.decode("utf-8", "replace"))
        return 0
