"""Where a render goes once its drop is there, if its inbox says `after: move`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bridge.delivery.names import unique_name
from bridge.domain.work import Work
from bridge.intake.sidecar import sidecar_paths
from bridge.words import reason_of

__all__ = ["DONE", "put_away"]

DONE = "done"
"""Folder inside an inbox; nothing in it is a render to work on."""


def put_away(work: Work, say: Callable[[str], None]) -> None:
    """Move a render that is done, and its sidecar, into `done` in its inbox, over nothing; a changed one stays."""
    try:
        status = work.path.lstat()
        if (status.st_size, status.st_mtime_ns) != (work.identity.size, work.identity.mtime_ns):
            return
        folder = work.inbox / DONE
        folder.mkdir(exist_ok=True)
        taken = {entry.name for entry in folder.iterdir()}
        for path in (work.path, *sidecar_paths(work.path)):
            if path.is_file() and not path.is_symlink():
                _move(path, folder / _free_name(path, taken))
    except FileNotFoundError:
        return
    except OSError as exc:
        reason = reason_of(exc)
        say(f"{work.path.name} is done but could not be moved into {work.inbox / DONE}: {reason}.")


def _free_name(path: Path, taken: set[str]) -> str:
    if path.name not in taken:
        return path.name
    stems = {name[: -len(path.suffix)] for name in taken if path.suffix and name.endswith(path.suffix)}
    return unique_name(path.stem, stems, max_bytes=200) + path.suffix


def _move(source: Path, target: Path) -> None:
    """Rename over nothing: what came there since we looked stays, and the render too."""
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        # No links on this disk.
        if not target.exists():
            source.rename(target)
        return
    try:
        source.unlink()
    except OSError:
        # Held open by somebody (Windows), or its folder takes no changes: it stays where it is, and once only.
        target.unlink(missing_ok=True)
        raise
