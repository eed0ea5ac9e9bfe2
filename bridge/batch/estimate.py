"""What a run will cost, before it begins: hours and disk, from headers and from what earlier jobs took."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bridge.audio.header import require_complete
from bridge.delivery.manifest import read
from bridge.disk import disk_errors, is_folder
from bridge.domain.drop import MANIFEST
from bridge.domain.render import AudioFormat
from bridge.errors import BridgeError, ConfigError, DeliveryError

__all__ = ["Estimate", "copies", "estimate", "formats", "free_bytes", "sizes", "speed_of"]

_SAMPLE_BYTES = {"FLOAT": 4.0, "PCM_24": 3.0, "PCM_16": 2.0}
_FLAC_SHARE = 0.6
"""Of its size as PCM; music is between 0.4 and 0.75."""
_HEAD_BYTES = 1 << 20
_RECENT = 20
"""Drops that are asked for their speed."""


@dataclass(frozen=True)
class Estimate:
    """What a run will cost."""

    audio_seconds: float
    disk_bytes: float
    work_seconds: float | None
    """None while no job of this model has been done on this computer."""


def formats(renders: Iterable[Path]) -> tuple[dict[Path, AudioFormat], list[BridgeError]]:
    """Read the headers: the formats, and an error for each file that cannot be done."""
    found: dict[Path, AudioFormat] = {}
    refused: list[BridgeError] = []
    for render in renders:
        try:
            form = require_complete(render).format
        except BridgeError as error:
            refused.append(error)
            continue
        if form is not None:
            found[render] = form
    return found, refused


def copies(renders: Sequence[Path]) -> dict[Path, Path]:
    """Return the files that hold the very bytes of an earlier one, with that one; what cannot be read is none.

    Only files of one size are opened, and only those that begin alike are read to their end.
    """
    alike: dict[tuple[object, ...], list[Path]] = {(): list(renders)}
    for look in (lambda path: path.stat().st_size, partial(_digest, most=_HEAD_BYTES), _digest):
        alike = _split(alike, look)
    return {one: same[0] for same in alike.values() for one in same[1:]}


def _split(alike: Mapping[tuple[object, ...], list[Path]], look: Callable[[Path], object]) -> dict[Any, list[Path]]:
    """Look closer at groups of more than one."""
    finer: dict[tuple[object, ...], list[Path]] = {}
    for key, paths in alike.items():
        for path in paths if len(paths) > 1 else ():
            with suppress(OSError):
                finer.setdefault((*key, look(path)), []).append(path)
    return finer


def _digest(path: Path, most: int = -1) -> bytes:
    with path.open("rb") as file:
        if most < 0:
            return hashlib.file_digest(file, "sha256").digest()
        return hashlib.sha256(file.read(most)).digest()


def estimate(
    renders: Mapping[Path, AudioFormat],
    *,
    files: int,
    container: str,
    subtype: str,
    sizes: Mapping[Path, int],
    speed: float | None,
) -> Estimate:
    """Add up: `files` sound files for each render, the archived mix, and the work at `speed` x real time."""
    share = _FLAC_SHARE if container == "flac" else 1.0
    sample = 3.0 if container == "flac" and subtype == "FLOAT" else _SAMPLE_BYTES.get(subtype, 4.0)
    seconds = sum(form.seconds for form in renders.values())
    stems = sum(form.frames * form.channels * files * sample * share for form in renders.values())
    mixes = sum(sizes.get(render, 0) for render in renders)
    return Estimate(seconds, stems + mixes, seconds / speed if speed else None)


def sizes(renders: Iterable[Path]) -> dict[Path, int]:
    """Return the bytes of each file that is still there."""
    found = {}
    for render in renders:
        with suppress(OSError):
            found[render] = render.stat().st_size
    return found


def free_bytes(folder: Path, there: Callable[[Path], bool] = is_folder) -> int:
    """Return what is free on the disk of a folder that may yet have to be made; raises ConfigError without one."""
    for place in (folder, *folder.parents):
        if there(place):
            with disk_errors("look at", place):
                return shutil.disk_usage(place).free
    raise ConfigError(
        f"The disk of {folder} is not there.", hint="Connect it, or choose another --outbox.", path=folder
    )


def speed_of(drops: Sequence[Path], model: str) -> float | None:
    """Return how many seconds of audio a second of work did in the latest of `drops`, newest first; None = unknown."""
    audio = work = 0.0
    for drop in drops[:_RECENT]:
        try:
            manifest = read(drop / MANIFEST)
        except DeliveryError:
            # Moved or deleted since.
            continue
        took = sum(manifest.timings.seconds.values())
        if manifest.model.name == model and took > 0:
            audio += manifest.render.format.frames / manifest.render.format.sample_rate
            work += took
    return audio / work if work else None
