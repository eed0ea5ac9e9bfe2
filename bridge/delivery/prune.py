"""Which drops lie in an outbox, what uses them, and how one is taken away: never a file that we did not make."""

from __future__ import annotations

import os
import re
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.delivery.manifest import Manifest, read, verify
from bridge.delivery.stage import discard_stage
from bridge.disk import disk_errors, is_file, is_folder, rename
from bridge.domain.drop import (
    ARDOUR_HEAD,
    ARDOUR_SESSION,
    IMPORT_SCRIPT,
    MANIFEST,
    PROJECT,
    PROJECT_HEAD,
    STAGING,
    TEMPO_MIDI,
)
from bridge.errors import BridgeError, ConfigError, DeliveryError
from bridge.words import reason_of

__all__ = ["Delivered", "Projects", "find_drops", "reason_to_keep", "remove_drop", "superseded"]

_OURS = {MANIFEST, IMPORT_SCRIPT, "drop.lua", TEMPO_MIDI}
_HEADS = {Path(PROJECT): PROJECT_HEAD, Path(ARDOUR_SESSION): ARDOUR_HEAD}
"""Projects, and how they begin as long as no DAW has saved them: then they are the user's."""
_LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
_PEAKS = (".reapeaks", ".reapindex")
"""What REAPER writes beside every file it has shown, and writes again."""
_PROJECTS = (".rpp", ".rpp-bak")
_MOST_PROJECT_BYTES = 512 << 20
_SOURCE = re.compile(rb"""^\s*FILE\s+(?:"([^"\r\n]*)"|'([^'\r\n]*)'|`([^`\r\n]*)`|(\S+))""", re.MULTILINE)
"""A sound file of a project; REAPER quotes with what the name does not contain."""

_MARK = b"stembridge"


@dataclass(frozen=True)
class Delivered:
    """A drop that lies in an outbox."""

    folder: Path
    manifest: Manifest

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.manifest.inventory)


def find_drops(outbox: Path) -> list[Delivered]:
    """Return the drops in an outbox, oldest first; folders that are not ours are passed over.

    Raises DestinationError when the outbox cannot be listed; one that is not there holds none.
    """
    found = []
    with disk_errors("look at", outbox):
        folders = sorted(entry for entry in outbox.iterdir()) if is_folder(outbox) else []
    for folder in folders:
        if folder.is_symlink() or not is_file(folder / MANIFEST):
            continue
        try:
            found.append(Delivered(folder, read(folder / MANIFEST)))
        except DeliveryError:
            # Of another version or another program.
            continue
    return sorted(found, key=lambda one: (one.manifest.created, one.folder.name))


def superseded(drops: Sequence[Delivered]) -> list[Delivered]:
    """Return the drops of which a newer one of the same render and preset lies in the same outbox."""
    newest = {_what(one): one.folder for one in drops}
    return [one for one in drops if newest[_what(one)] != one.folder]


def _what(drop: Delivered) -> tuple[Path, str, str]:
    return drop.folder.parent, drop.manifest.render.path, drop.manifest.preset.name


def reason_to_keep(drop: Delivered) -> str:
    """Say why a drop must not be taken away: it is not whole, or holds something of the user's; empty = it may."""
    if problems := verify(drop.folder, hashes=False):
        return f"it was changed: {problems[0]}"
    known = {Path(file.path) for file in drop.manifest.inventory} | {Path(name) for name in _OURS}
    try:
        for path in _files(drop.folder):
            inside = path.relative_to(drop.folder)
            peaks = inside.name.lower().endswith(_PEAKS) and not path.is_symlink()
            if inside in _HEADS and not path.is_symlink() and _begins(path, _HEADS[inside]):
                continue
            if inside not in known and inside.name.lower() not in _LITTER and not peaks:
                return f"it holds {inside}, which is not ours"
    except OSError as exc:
        return f"it cannot be looked through: {reason_of(exc)}"
    return ""


def _begins(path: Path, head: str) -> bool:
    with path.open("rb") as file:
        return file.read(len(head)) == head.encode()


def _files(folder: Path) -> Iterator[Path]:
    """Yield all that is no folder, without following a link; raises OSError for what cannot be listed."""

    def refuse(exc: OSError) -> None:
        raise exc

    for root, folders, files in os.walk(folder, onerror=refuse):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        yield from (Path(root) / name for name in (*files, *links))


class Projects:
    """What the REAPER projects below some folders use."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Read all projects; raises ConfigError for a folder or a project that cannot be read: it may use anything."""
        self.count = 0
        self._sources: dict[str, Path] = {}
        self._marks: list[tuple[Path, bytes]] = []
        for folder in folders:
            try:
                for path in _files(folder):
                    if path.suffix.lower() in _PROJECTS:
                        self._read(path)
            except OSError as exc:
                raise ConfigError(
                    f"{exc.filename or folder} cannot be read: {reason_of(exc)}.",
                    hint="Nothing is deleted before all projects can be read; name other folders with --projects.",
                    path=folder,
                ) from exc

    def user_of(self, drop: Delivered) -> Path | None:
        """Return a project that uses a file of this drop, or was filled by its import script; None = no one does."""
        folder = _canonical(drop.folder) + os.sep
        for source, project in self._sources.items():
            if source.startswith(folder):
                return project
        mark = drop.manifest.drop_id.encode()
        return next((path for path, text in self._marks if mark in text), None)

    def _read(self, path: Path) -> None:
        if path.stat().st_size > _MOST_PROJECT_BYTES:
            raise OSError(0, "it is too large to be looked through", str(path))
        if _begins(path, PROJECT_HEAD):
            return
        text = path.read_bytes()
        self.count += 1
        for match in _SOURCE.finditer(text):
            name = next(group for group in match.groups() if group is not None).decode("utf-8", "surrogateescape")
            source = Path(name.replace("\\", "/") if os.sep == "/" and "\\" in name else name)
            self._sources.setdefault(_canonical(path.parent / source), path)
        # Tracks that the import script made carry the drop's id, wherever their files lie by now.
        self._marks.append((path, b"\n".join(line for line in text.splitlines() if _MARK in line.lower())))


def _canonical(path: Path) -> str:
    return os.path.normcase(unicodedata.normalize("NFC", os.path.realpath(path)))


def remove_drop(drop: Delivered) -> None:
    """Take a drop away: gone from the outbox in one step, then deleted. Raises DestinationError, DeliveryError."""
    if reason := reason_to_keep(drop):
        raise DeliveryError(f"{drop.folder} is kept: {reason}.", hint="Delete it yourself.", path=drop.folder)
    outbox, name = drop.folder.parent, f"prune-{uuid.uuid4().hex[:24]}"
    place = outbox / STAGING / name
    with disk_errors("delete", drop.folder):
        place.mkdir(parents=True)
        try:
            rename(drop.folder, place / "drop", move=os.rename)
        except OSError:
            discard_stage(outbox, name)
            raise
    try:
        discard_stage(outbox, name)
    except BridgeError:
        # Out of sight; what is held open goes with the next sweep.
        return
