"""What a render can ask for, for ReaScripts: `presets.lua` beside the status, with every preset and model by name."""

from __future__ import annotations

from pathlib import Path

from bridge.config import Settings
from bridge.daemon.status import replace_file
from bridge.models.registry import names
from bridge.presets.shelf import entries
from bridge.session.lua import literal

__all__ = ["write_choices"]


def write_choices(folder: Path, settings: Settings) -> None:
    """Write the file where it is not up to date; a refusal is passed over, as for the status.

    Presets that cannot be used are left out: the daemon tells of them elsewhere.
    """
    presets = [
        {"name": entry.name, "description": entry.description}
        for entry in entries(settings.presets.folders)
        if not entry.error
    ]
    text = f"return {literal({'version': 1, 'presets': presets, 'models': list(names())})}\n"
    path = folder / "presets.lua"
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except (OSError, ValueError):
        # Not there yet, or not what we wrote: it is written now.
        pass
    replace_file(path, text)
