"""How other programs are started: this Python for a module of ours, the rest without a window of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["NO_WINDOW", "Python", "group_of_its_own", "python"]

NO_WINDOW: int = 0x08000000 if sys.platform == "win32" else 0
"""`creationflags` (CREATE_NO_WINDOW) for programs of a terminal: a daemon has none, and each would open its own."""
_NEW_PROCESS_GROUP = 0x200
"""CREATE_NEW_PROCESS_GROUP of Windows."""
_UTF8 = int(sys.getfilesystemencoding() == "utf-8")


class Python(NamedTuple):
    """How an interpreter like ours is started."""

    command: tuple[str, ...]
    variables: Mapping[str, str]
    """To be added to its environment."""


def python(
    module: str,
    *,
    executable: str = sys.executable,
    base: str = getattr(sys, "_base_executable", ""),
    platform: str = sys.platform,
) -> Python:
    """Return how to run a module of ours in a child: the same libraries, and names of files that mean the same.

    `executable` and `base`: this interpreter, and the one that its virtual environment was made from. On Windows the
    first is only a starter, and what it starts is another process: it would get our priority, and not be in the job
    that ends it. So the second is started and told its place, as `multiprocessing` does.
    """
    variables: dict[str, str] = {}
    if platform == "win32" and base and os.path.normcase(base) != os.path.normcase(executable):
        variables["__PYVENV_LAUNCHER__"] = executable
        executable = base
    # -P: no file in the folder where the user stands is taken for a module.
    return Python((executable, "-P", "-X", f"utf8={_UTF8}", "-m", module), variables)


def group_of_its_own(*, windows: bool = sys.platform == "win32") -> dict[str, Any]:
    """Return how a child is started that Ctrl-C in our terminal does not reach, and that is ended with all it began."""
    return {"creationflags": _NEW_PROCESS_GROUP} if windows else {"start_new_session": True}
