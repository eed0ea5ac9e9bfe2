"""What in a folder may be a render, told from names and from what a listing says; nothing is opened."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

__all__ = ["AUDIO_SUFFIXES", "is_audio_name", "is_link", "is_litter", "is_placeholder", "is_visible", "natural"]

AUDIO_SUFFIXES = frozenset(
    [
        ".wav",
        ".wave",
        ".bwf",
        ".rf64",
        ".w64",
        ".aif",
        ".aiff",
        ".aifc",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".m4a",
    ]
)
"""What is taken from folders. Peaks, projects and half-finished downloads (.reapeaks .RPP .part .tmp) end otherwise."""
_LITTER = frozenset(["__macosx", "#recycle", "$recycle.bin", "system volume information", "@eadir", "lost+found"])
"""Folders that operating systems and storage boxes make; hidden ones are left out anyway."""
_LINK_TAGS = (0xA000000C, 0xA0000003)
"""Windows: symbolic links and junctions."""
_HIDDEN = 0x2
"""Windows: the file attribute."""
_ELSEWHERE = 0x1000 | 0x40000 | 0x400000
"""Windows: offline, recalled when opened, recalled when read."""
_DATALESS = 0x40000000
"""macOS: the file's bytes are with a cloud service."""


def is_audio_name(name: str) -> bool:
    """Tell whether the name ends as sound files do."""
    return Path(name).suffix.lower() in AUDIO_SUFFIXES


def is_litter(name: str) -> bool:
    """Tell names of what systems and other programs keep for themselves."""
    return name.startswith(".") or name.lower() in _LITTER


def is_visible(entry: os.DirEntry[str]) -> bool:
    """Tell whether people see the entry: no litter, not hidden, still there, and no link of Windows."""
    if is_litter(entry.name):
        return False
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        # Gone since it was listed.
        return False
    return not getattr(status, "st_file_attributes", 0) & _HIDDEN and not _is_tagged(status)


def is_link(entry: os.DirEntry[str]) -> bool:
    """Tell symbolic links, and junctions of Windows. Raises OSError when the entry is gone."""
    return entry.is_symlink() or _is_tagged(entry.stat(follow_symlinks=False))


def is_placeholder(status: os.stat_result) -> bool:
    """Tell files whose bytes are only in a cloud: opening one would download it."""
    attributes = getattr(status, "st_file_attributes", 0) & _ELSEWHERE
    return bool(attributes or getattr(status, "st_flags", 0) & _DATALESS)


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort 'take 2' before 'take 10', and upper case beside lower case."""
    parts = re.split(r"([0-9]+)", unicodedata.normalize("NFC", name).casefold())
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part], name


def _is_tagged(status: os.stat_result) -> bool:
    return getattr(status, "st_reparse_tag", 0) in _LINK_TAGS
