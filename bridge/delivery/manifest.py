"""`drop.json`: what a drop is, how it was made, and whether it is whole. Written last; trusted in nothing when read."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, model_validator
from pydantic_core import from_json

from bridge.delivery.durable import fsync_file, fsync_folder
from bridge.delivery.names import same_name_key
from bridge.delivery.records import (
    FileRecord,
    MarkerRecord,
    ModelRecord,
    OriginRecord,
    OutputRecord,
    PluginRecord,
    PresetRecord,
    Record,
    RenderRecord,
    SourceRecord,
    StateRecord,
    TempoRecord,
    Text,
    TimingsRecord,
    Versions,
)
from bridge.disk import disk_errors, rename
from bridge.domain.drop import MANIFEST
from bridge.errors import DeliveryError
from bridge.words import reason_of

__all__ = ["Manifest", "as_data", "null_depth", "open_plain_file", "read", "sha256_of", "verify", "write"]

VERSION: Literal[1] = 1
_MOST_BYTES = 8 << 20


class Manifest(Record):
    """All of drop.json."""

    version: Literal[1] = VERSION
    drop_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{8,64}$")]
    created: AwareDatetime
    versions: Versions
    render: RenderRecord
    origin: OriginRecord
    markers: tuple[MarkerRecord, ...] = ()
    tempo: TempoRecord | None = None
    source: SourceRecord | None = None
    tags: Annotated[dict[Text, Text], Field(default_factory=dict)]
    model: ModelRecord
    preset: PresetRecord
    plugins: Annotated[tuple[PluginRecord, ...], Field(max_length=1000)] = ()
    """The user's own, in the order of stems and chains."""
    output: OutputRecord
    files: Annotated[tuple[FileRecord, ...], Field(max_length=1000)]
    null_depth_db: float | Literal["exact"] | None
    """dB of peak(mix - sum of the dry stems) re max(1, loudest stem sample); None where no sum is promised."""
    timings: TimingsRecord
    notices: tuple[Text, ...] = ()

    @property
    def inventory(self) -> tuple[FileRecord | StateRecord, ...]:
        """Return every file whose size and checksum is known."""
        return (*self.files, *(one.state for one in self.plugins if one.state is not None))

    @model_validator(mode="after")
    def _no_file_twice(self) -> Self:
        if len({same_name_key(file.path) for file in self.inventory}) < len(self.inventory):
            raise ValueError("two files have one name")
        return self


def null_depth(db: float | None) -> float | Literal["exact"] | None:
    """Turn a measured null depth into what the manifest says; -inf dB becomes 'exact', since JSON has no infinity."""
    return "exact" if db == -math.inf else db


def as_data(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as plain dicts, lists, text, finite numbers, booleans and None."""
    return manifest.model_dump(mode="json")


def write(folder: Path, manifest: Manifest) -> Path:
    """Write `drop.json` into a folder, complete or not at all; raises NoSpaceError, DestinationError."""
    path = folder / MANIFEST
    part = folder / f".{MANIFEST}.part"
    text = json.dumps(as_data(manifest), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    with disk_errors("write", path):
        try:
            part.write_text(text, encoding="utf-8", newline="\n")
            fsync_file(part)
            rename(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        fsync_folder(folder)
    return path


def read(path: Path) -> Manifest:
    """Read a `drop.json`; raises DeliveryError when it is missing, not ours, or of another version."""
    try:
        with open(path, "rb", opener=_open_plain) as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise _not_a_manifest(path, reason_of(exc)) from exc
    if len(data) > _MOST_BYTES:
        raise _not_a_manifest(path, "it is too large")
    try:
        content = from_json(data, allow_inf_nan=False)
    except ValueError as exc:
        raise _not_a_manifest(path, f"it is no JSON: {exc}") from exc
    version = content.get("version") if isinstance(content, dict) else None
    if version is True or version != VERSION:
        raise DeliveryError(
            f"{path} has version {version!r}; this program knows version {VERSION}.",
            hint="Use the Stem Bridge that made this drop, or a newer one.",
            path=path,
        )
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        raise _not_a_manifest(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from exc


def _open_plain(path: str, flags: int) -> int:
    """Open for reading, but neither through a link nor a pipe that would wait."""
    return _open_waiting_for_nobody(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _open_waiting_for_nobody(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file", path)
    return descriptor


def _not_a_manifest(path: Path, why: str) -> DeliveryError:
    return DeliveryError(f"{path} is not a drop's manifest: {why}.", hint="Name the folder of a drop.", path=path)


def open_plain_file(path: Path) -> BufferedReader:
    """Open for reading; raises OSError, also for a pipe or a device, which might never end."""
    return open(path, "rb", opener=_open_waiting_for_nobody)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a plain file, hex. Raises OSError, also for a pipe or a device, which might never end."""
    with open_plain_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(drop_folder: Path, *, hashes: bool = True) -> list[str]:
    """Compare a drop with its manifest and return what is wrong, in words; empty = whole.

    Sizes always, SHA-256 with `hashes`. Files that the manifest does not know are not looked at.
    """
    try:
        manifest = read(drop_folder / MANIFEST)
    except DeliveryError as error:
        return [error.message]
    return [problem for file in manifest.inventory if (problem := _problem(drop_folder, file, hashes))]


def _problem(drop_folder: Path, file: FileRecord | StateRecord, hashes: bool) -> str | None:
    path = drop_folder / file.path
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or path.parent.is_symlink():
            return f"{file.path} is not a plain file"
        if status.st_size != file.bytes:
            return f"{file.path} has {status.st_size} bytes instead of {file.bytes}"
        if hashes and sha256_of(path) != file.sha256:
            return f"{file.path} has other content than it was delivered with"
    except OSError as exc:
        return f"{file.path} cannot be read: {reason_of(exc)}"
    return None
