"""What lies in an inbox now: renders, the preset their folder asks for, and what cannot be taken. Opens no file."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.domain.drop import MANIFEST
from bridge.domain.render import FileIdentity
from bridge.intake.filters import is_audio_name, is_link, is_litter, is_placeholder, is_visible, natural
from bridge.intake.plain import folder_identity, identity_of
from bridge.words import did_you_mean, reason_of

__all__ = ["DEEPEST", "DONE_FOLDER", "Found", "Listing", "list_inbox"]

DEEPEST = 16
"""Levels of folders below an inbox that are looked into."""
DONE_FOLDER = "done"
"""Folder in an inbox that takes renders whose drop is there, where the user wants that; nothing is taken from it."""
MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Found:
    """A file that may be a render."""

    path: Path
    identity: FileIdentity
    preset: str | None = None
    """Preset that the nearest folder of such a name asks for; None = the inbox's own."""


@dataclass(frozen=True)
class Listing:
    """One look at an inbox."""

    files: tuple[Found, ...]
    """In the order people count, each folder's own before those of the folders below it."""
    problems: tuple[str, ...]
    """Sentences for people: what lies there and cannot be taken, and why."""
    complete: bool = True
    """Everything could be looked at. If not, a file that is missing here may still be there."""


@dataclass
class _Look:
    """Gathers while folders are walked."""

    inbox: Path
    device: int
    ours: frozenset[tuple[int, int]]
    presets: dict[str, str]
    files: list[Found] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    complete: bool = True


@dataclass(frozen=True)
class _Folder:
    path: Path
    depth: int = 0
    preset: str | None = None


def list_inbox(inbox: Path, *, outboxes: Sequence[Path] = (), presets: Collection[str] = ()) -> Listing:
    """List the renders in `inbox` and in the folders below it.

    Left out: what is hidden or has no audio suffix, links, pipes and devices, files that are only in a cloud, drops and
    `outboxes`, the folder `done`, other disks mounted below. A folder named like one of `presets` (in any case) chooses
    it for what lies below. Never raises: an inbox that is not there gives an empty listing that is not complete.
    """
    try:
        status = inbox.stat()
        ours = frozenset(filter(None, map(folder_identity, outboxes)))
        look = _Look(inbox, status.st_dev, ours, {_folded(name): name for name in presets})
        waiting = [_Folder(inbox)]
        while waiting:
            waiting.extend(reversed(list(_look_into(waiting.pop(), look))))
    except (OSError, ValueError) as exc:
        return Listing((), (_unreadable(inbox, exc),), complete=False)
    return Listing(tuple(look.files), _shortened(look.problems), look.complete)


def _look_into(folder: _Folder, look: _Look) -> Iterator[_Folder]:
    """Take the folder's files, and yield the folders below. Raises OSError for the inbox itself only."""
    try:
        with os.scandir(folder.path) as listing:
            entries = sorted(listing, key=lambda entry: natural(entry.name))
    except OSError as exc:
        if folder.depth == 0:
            raise
        if not isinstance(exc, FileNotFoundError):
            look.complete = False
            look.problems.append(_unreadable(folder.path, exc))
        return
    if any(entry.name == MANIFEST for entry in entries):
        if folder.depth == 0:
            look.problems.append(f"{folder.path} holds a drop, not renders: nothing is taken from it.")
        return
    took = len(look.files)
    below: list[_Folder] = []
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False) and not is_link(entry):
                below.extend(_below(folder, entry, look))
            elif is_audio_name(entry.name) and not is_litter(entry.name):
                _take(folder, entry, look)
        except FileNotFoundError:
            continue
        except OSError as exc:
            look.complete = False
            look.problems.append(_unreadable(folder.path / entry.name, exc))
    if folder.depth == 1 and folder.preset is None and len(look.files) > took:
        look.problems.append(_unknown(folder, look))
    yield from below


def _below(folder: _Folder, entry: os.DirEntry[str], look: _Look) -> Iterator[_Folder]:
    if not is_visible(entry) or (folder.depth == 0 and entry.name.casefold() == DONE_FOLDER):
        return
    path = folder.path / entry.name
    status = path.lstat()
    if (status.st_dev, status.st_ino) in look.ours:
        return
    if status.st_dev != look.device:
        look.problems.append(f"{path} is another disk: nothing is taken from it.")
    elif folder.depth == DEEPEST:
        look.problems.append(f"{path} lies more than {DEEPEST} folders deep: nothing is taken from it.")
    else:
        preset = look.presets.get(_folded(entry.name), folder.preset)
        yield _Folder(path, folder.depth + 1, preset)


def _take(folder: _Folder, entry: os.DirEntry[str], look: _Look) -> None:
    path = folder.path / entry.name
    # Not the entry's own: Windows leaves device and number out of it.
    status = path.lstat()
    if not is_visible(entry) and not is_link(entry):
        return
    if is_link(entry):
        look.problems.append(f"{path} is a link: move or copy the sound file itself.")
    elif not stat.S_ISREG(status.st_mode):
        look.problems.append(f"{path} is no plain file.")
    elif is_placeholder(status):
        look.problems.append(f"{path} is only in the cloud: make it available offline in the cloud's program.")
    else:
        look.files.append(Found(path, identity_of(status), folder.preset))


def _unknown(folder: _Folder, look: _Look) -> str:
    near = did_you_mean(folder.path.name, look.presets.values())
    said = f"No preset is called like the folder {folder.path}: its renders get the preset of the inbox."
    return f"{said} {near}" if near else said


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _unreadable(path: Path, exc: OSError | ValueError) -> str:
    return f"{path} cannot be looked at: {reason_of(exc)}."


def _shortened(problems: list[str]) -> tuple[str, ...]:
    if len(problems) <= MOST_PROBLEMS:
        return tuple(problems)
    return (*problems[:MOST_PROBLEMS], f"And {len(problems) - MOST_PROBLEMS} more of such a kind.")
