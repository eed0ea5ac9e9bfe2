"""The .mid that a DAW exported beside a render."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.errors import ReadError
from bridge.intake.plain import open_plain

__all__ = ["midi_beside"]

_SUFFIXES = (".mid", ".MID", ".midi")


def midi_beside(render: Path, most_bytes: int) -> tuple[str, bytes] | None:
    """Return name and content of the MIDI file with the render's name, or None; at most `most_bytes` + 1 are read.

    Raises ReadError for one that cannot be read, and for a link, a pipe or anything else that is no plain file.
    """
    for suffix in _SUFFIXES:
        path = render.with_suffix(suffix)
        try:
            descriptor, _ = open_plain(path)
            with os.fdopen(descriptor, "rb") as file:
                return path.name, file.read(most_bytes + 1)
        except FileNotFoundError:
            continue
        except (OSError, ReadError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else None
            raise ReadError(
                f"{path.name} was not read: {(reason or 'it is no plain file').lower()}.",
                hint="Remove it, or export it again as a plain file.",
                path=path,
            ) from exc
    return None
