"""Where the files that ship with the product lie, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped"]

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Return the folder of shipped `presets`, `reaper_scripts`, `models` or `demo`.

    In a wheel all of them lie in `bridge/shipped`; in a checkout, presets and ReaScripts lie at the top level.
    """
    inside = _PACKAGE / "shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
