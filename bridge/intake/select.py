"""Which files are renders: those given by name, and in folders what looks like one and is not ours."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.disk import is_file
from bridge.domain.drop import MANIFEST
from bridge.errors import BridgeError, ReadError
from bridge.intake.filters import AUDIO_SUFFIXES, is_audio_name, is_visible, natural
from bridge.words import reason_of

__all__ = ["AUDIO_SUFFIXES", "Selection", "find_renders"]


@dataclass(frozen=True)
class Selection:
    """What was found and what was not taken."""

    renders: tuple[Path, ...]
    """Absolute paths of plain files, none of them a link, each once, in the order given; folders in natural order."""
    refused: tuple[BridgeError, ...]
    """One error for each path that gave nothing."""


def find_renders(paths: Sequence[Path], *, recursive: bool = False) -> Selection:
    """Select renders from files and folders.

    A file given by name is taken whatever it is called, through a link too, as long as it is a plain file. From a
    folder, and with `recursive` from those below it, come plain files with an audio suffix; hidden ones, links, and
    all that lies in a drop stay out. Nothing is opened.
    """
    renders: dict[tuple[int, int, str], Path] = {}
    refused: list[BridgeError] = []
    for path in paths:
        try:
            found = _look(path, recursive=recursive)
        except BridgeError as error:
            refused.append(error)
            continue
        for one in found:
            try:
                renders.setdefault(_key(one), one)
            except OSError:
                # Gone since it was listed.
                continue
    return Selection(tuple(renders.values()), tuple(refused))


def _look(path: Path, *, recursive: bool) -> list[Path]:
    try:
        mode = path.stat().st_mode
        # Only a link is resolved: a mapped drive or a folder reached through a link keeps the name the user knows.
        real = path.resolve(strict=True) if path.is_symlink() else path.absolute()
        if stat.S_ISDIR(mode):
            return _look_into(real, recursive=recursive)
    except FileNotFoundError as exc:
        what = "leads to nothing" if path.is_symlink() else "is not there"
        raise ReadError(f"{path} {what}.", hint="Check the name and the folder.", path=path) from exc
    except (OSError, RuntimeError, ValueError) as exc:
        # RuntimeError: a loop of links. ValueError: no name at all.
        raise ReadError(
            f"{path!s} cannot be looked at: {reason_of(exc)}.", hint="Check its name and its permissions.", path=path
        ) from exc
    if not stat.S_ISREG(mode):
        raise ReadError(f"{path} is no plain file.", hint="Name a sound file or a folder.", path=path)
    return [real]


def _look_into(folder: Path, *, recursive: bool) -> list[Path]:
    drop = next((one for one in (folder, *folder.parents) if is_file(one / MANIFEST)), None)
    if drop is not None:
        raise ReadError(
            f"{folder} is part of a drop, not a folder of renders.",
            hint="To put other effects on its stems: stem-bridge apply PRESET DROP",
            path=folder,
        )
    found = list(_walk(folder, recursive=recursive))
    if not found:
        hint = "Render into it, or name the files." if recursive else "Folders below it count only with --recursive."
        raise ReadError(f"No sound files in {folder}.", hint=hint, path=folder)
    return found


def _walk(top: Path, *, recursive: bool) -> Iterator[Path]:
    """Yield renders folder by folder, each folder's own before those below it. Raises OSError for `top` only."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: natural(entry.name))
        except OSError:
            if folder == top:
                raise
            # A folder below that may not be read is none of ours.
            continue
        if folder != top and any(entry.name == MANIFEST for entry in entries):
            continue
        below = []
        for entry in entries:
            if not is_visible(entry):
                continue
            if entry.is_dir(follow_symlinks=False):
                below.append(folder / entry.name)
            elif entry.is_file(follow_symlinks=False) and is_audio_name(entry.name):
                yield folder / entry.name
        if recursive:
            waiting.extend(reversed(below))


def _key(path: Path) -> tuple[int, int, str]:
    """Tell the same file under the same name; a hard link under another name is another render."""
    status = path.stat()
    return status.st_dev, status.st_ino, unicodedata.normalize("NFC", os.path.realpath(path)).casefold()
