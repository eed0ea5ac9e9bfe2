"""The dry stems of a drop, read again as they came out of the separation: other effects without separating twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

import bridge
from bridge.audio.header import require_complete
from bridge.audio.read import Sound, open_sound
from bridge.delivery.copying import copy_hashed
from bridge.delivery.manifest import Manifest, read, sha256_of
from bridge.delivery.records import FileRecord
from bridge.domain.drop import MANIFEST
from bridge.domain.job import Job
from bridge.domain.render import Levels
from bridge.domain.stems import FloatArray, StemBlock, StemChoice
from bridge.errors import DeliveryError
from bridge.units import db_to_gain
from bridge.words import reason_of

__all__ = ["Heard", "Reused", "heard_before", "open_reused"]

_BLOCK_FRAMES = 65536


@dataclass(frozen=True)
class Heard:
    """What a pass over a render found when its drop was made."""

    audio_key: str
    levels: Levels


def heard_before(drop: Path, sha256: str) -> Heard | None:
    """Return what is known of the render with these bytes from its drop; None where it is another, or where another
    version heard it, which may have decoded or measured otherwise. Raises DeliveryError when that is no drop."""
    manifest = read(drop / MANIFEST)
    mix = next((file for file in manifest.files if file.kind == "mix"), None)
    if mix is None or manifest.render.sha256 != sha256 or not _made_by_this_version(manifest):
        return None
    return Heard(manifest.render.audio_key, mix.levels.value())


def _made_by_this_version(manifest: Manifest) -> bool:
    made = manifest.versions
    return (made.stem_bridge, made.soundfile) == (bridge.__version__, version("soundfile"))


class Reused:
    """Dry stems of a drop, as they were delivered: what effects read. Made by `open_reused`."""

    def __init__(
        self,
        manifest: Manifest,
        records: Mapping[str, FileRecord],
        paths: Mapping[str, Path],
        work: Path,
        *,
        private: bool,
    ) -> None:
        self.manifest = manifest
        self.records = dict(records)
        """What the manifest says of each dry stem."""
        self.choice = StemChoice((), tuple(paths), complete=manifest.null_depth_db is not None)
        self.paths = dict(paths)
        source = manifest.render.format
        self.frames = source.frames
        self.sample_rate = source.sample_rate
        self.channels = source.channels
        self.channel_mask = source.channel_mask
        self.is_private = private
        """The files are copies, made by this version, that may be moved away while none was read."""
        self._work = work
        self._stack = ExitStack()

    @property
    def null_depth_db(self) -> float | None:
        """What was proven of the dry stems when they were delivered; -inf = they sum exactly, None = nothing."""
        depth = self.manifest.null_depth_db
        return -math.inf if depth == "exact" else depth

    def close(self) -> None:
        """Close what was read."""
        self._stack.close()

    def blocks(self) -> Iterator[StemBlock]:
        """Yield the stems at the level of the mix: the common gain of fixed-point files is undone."""
        for start in range(0, self.manifest.render.format.frames, _BLOCK_FRAMES):
            yield StemBlock(start, {stem: self.read(stem, start, _BLOCK_FRAMES) for stem in self.paths})

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Read frames of one stem at the level of the mix, (channels, frames) float32; fewer at its end."""
        gain = np.float32(db_to_gain(-self.manifest.output.common_gain_db))
        block = self._sounds[stem].read(start, frames)
        return block * gain if gain != 1 else block

    def levels(self, stem: str) -> Levels:
        """Return the loudness of a whole dry stem at the level of the mix."""
        found = self.records[stem].levels.value()
        if not (gain_db := -self.manifest.output.common_gain_db):
            return found
        return Levels(found.peak * db_to_gain(gain_db), found.rms_db + gain_db, found.lufs + gain_db)

    @cached_property
    def _sounds(self) -> dict[str, Sound]:
        return {stem: self._stack.enter_context(open_sound(path, self._work)) for stem, path in self.paths.items()}


@contextmanager
def open_reused(
    drop: Path, work: Path, *, for_job: Job | None = None, progress: Callable[[float], None] = lambda _: None
) -> Iterator[Reused]:
    """Open the dry stems of a drop; raises DeliveryError when one is not there or not as it was delivered.

    Where the job delivers such files as they are, they are copied into `work`, and the copies are what was checked.
    `progress` gets the share that is done, 0..1.
    """
    manifest = read(drop / MANIFEST)
    stems = dict.fromkeys(file.stem for file in manifest.files if file.kind == "stem")
    records = {stem: _dry_file(manifest, stem, drop) for stem in stems}
    private = for_job is not None and _may_stay(manifest, for_job)
    paths = {
        stem: work / f"reused {number}.wav" if private else drop / record.path
        for number, (stem, record) in enumerate(records.items())
    }
    with ExitStack() as leaving:
        done, whole = 0, max(1, sum(record.bytes for record in records.values()))
        for stem, record in records.items():
            if private:
                leaving.callback(paths[stem].unlink, missing_ok=True)
            told = partial(_told, progress, done, whole)
            _check(drop, record, paths[stem] if private else None, told)
            done += record.bytes
            shape = require_complete(paths[stem]).format
            if shape is None or shape.frames != manifest.render.format.frames:
                raise _unusable(drop / record.path, "it has another length than the render")
        reused = Reused(manifest, records, paths, work, private=private)
        leaving.callback(reused.close)
        yield reused


def _told(progress: Callable[[float], None], before: int, whole: int, count: int) -> None:
    progress((before + count) / whole)


def _may_stay(manifest: Manifest, job: Job) -> bool:
    made, wanted = manifest.output, job.output
    is_float_wav = (made.format, made.subtype, wanted.format) == ("wav", "FLOAT", "wav")
    return is_float_wav and wanted.subtype in ("FLOAT", "source") and _made_by_this_version(manifest)


def _dry_file(manifest: Manifest, stem: str, drop: Path) -> FileRecord:
    kind = "dry" if stem in manifest.preset.printed else "stem"
    for file in manifest.files:
        if file.stem == stem and file.kind == kind:
            return file
    raise DeliveryError(
        f"The drop {drop.name} was delivered without the dry stem '{stem}'.",
        hint="Set output.dry to true, and separate the render again with: stem-bridge process",
        path=drop,
    )


def _check(drop: Path, file: FileRecord, copy: Path | None, progress: Callable[[int], None]) -> None:
    """Make sure that a file, or the copy that is made of it, is the one that was delivered."""
    path = drop / file.path
    try:
        if path.stat().st_size != file.bytes:
            raise _unusable(path, "it was changed since it was delivered")
        found = (file.bytes, sha256_of(path)) if copy is None else copy_hashed(path, copy, progress)
    except OSError as exc:
        raise _unusable(path, reason_of(exc)) from exc
    if found != (file.bytes, file.sha256):
        raise _unusable(path, "it was changed since it was delivered")
    progress(file.bytes)


def _unusable(path: Path, why: str) -> DeliveryError:
    return DeliveryError(
        f"Cannot use {path}: {why}.", hint="Separate the render again with: stem-bridge process", path=path
    )
