"""The delivered folder: first decided, then staged, then there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

__all__ = ["ARDOUR_HEAD", "ARDOUR_SESSION", "IMPORT_SCRIPT", "MANIFEST", "PROJECT", "PROJECT_HEAD", "STAGING"]
__all__ += ["TEMPO_MIDI", "Drop", "DropPlan", "FileKind", "PlannedFile", "Staged"]

MANIFEST = "drop.json"
"""Lies in every drop and nowhere else: how a drop is recognised."""
IMPORT_SCRIPT = "import.lua"
PROJECT = "session.rpp"
PROJECT_HEAD = '<REAPER_PROJECT 0.1 "7.0/stem-bridge"'
"""Begins a project that we wrote; once REAPER saves it, it begins otherwise, and is the user's."""
ARDOUR_SESSION = PurePosixPath("ardour/session.ardour")
ARDOUR_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- Written by Stem Bridge. -->'
"""As above: Ardour keeps no comment."""
TEMPO_MIDI = "tempo.mid"
STAGING = ".staging"
"""Folder inside an outbox where drops are made; hidden, on the same device, gone when nothing is being made."""


FileKind = Literal["stem", "dry", "mix", "bus", "instrument"]


@dataclass(frozen=True)
class PlannedFile:
    """One audio file of a drop."""

    stem: str
    """Stem name; 'mix' for the archived original; a printed bus has its `bus_key`, an instrument its own."""
    kind: FileKind
    """`stem` = what the user asked for (wet where a chain printed), `dry` = the untouched stem beside a wet one,
    `instrument` = played from the notes beside the render: no part of the mix, nor of the sum of the stems."""
    path: PurePosixPath
    """Relative to the drop folder, forward slashes."""


@dataclass(frozen=True)
class DropPlan:
    """Names and formats of everything a drop will hold; decided, nothing written."""

    name: str
    """Safe base name of the folder, before a number makes it unique."""
    files: tuple[PlannedFile, ...]
    subtype: Literal["FLOAT", "PCM_24", "PCM_16"]
    container: Literal["WAV", "FLAC", "AIFF"]

    def file(self, stem: str, kind: FileKind) -> PlannedFile | None:
        """Find one file, or None when it is not part of this drop."""
        return next((one for one in self.files if one.stem == stem and one.kind == kind), None)


@dataclass(frozen=True)
class Staged:
    """A complete folder, not yet visible in the outbox."""

    folder: Path
    name: str
    """Wanted name of the drop."""
    outbox: Path


@dataclass(frozen=True)
class Drop:
    """The folder that now exists."""

    folder: Path
    import_script: Path
    manifest: Path
    doubt: str = ""
    """What a person should know of it, one sentence: it is there, but its disk did not confirm that it stays."""
