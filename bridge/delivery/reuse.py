"""The dry stems of a drop, read again as they came out of the separation: other effects without separating twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from bridge.audio.read import Sound, open_sound
from bridge.delivery.manifest import Manifest, read, sha256_of
from bridge.delivery.records import FileRecord
from bridge.domain.drop import MANIFEST
from bridge.domain.render import Levels
from bridge.domain.stems import FloatArray, StemBlock, StemChoice
from bridge.errors import DeliveryError
from bridge.units import db_to_gain

__all__ = ["Reused", "open_reused"]

_BLOCK_FRAMES = 65536


class Reused:
    """Dry stems of a drop, opened. Made by `open_reused`."""

    def __init__(self, manifest: Manifest, sounds: dict[str, Sound]) -> None:
        self.manifest = manifest
        self.choice = StemChoice((), tuple(sounds), complete=manifest.null_depth_db is not None)
        self._sounds = sounds

    def blocks(self) -> Iterator[StemBlock]:
        """Yield the stems at the level of the mix: the common gain of fixed-point files is undone."""
        for start in range(0, self.manifest.render.format.frames, _BLOCK_FRAMES):
            yield StemBlock(start, {stem: self.read(stem, start, _BLOCK_FRAMES) for stem in self._sounds})

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Read frames of one stem at the level of the mix, (channels, frames) float32; fewer at its end."""
        gain = np.float32(db_to_gain(-self.manifest.output.common_gain_db))
        block = self._sounds[stem].read(start, frames)
        return block * gain if gain != 1 else block

    def levels(self, stem: str) -> Levels:
        """Return the loudness of a whole dry stem at the level of the mix."""
        kind = "dry" if stem in self.manifest.preset.printed else "stem"
        found = next(file for file in self.manifest.files if file.stem == stem and file.kind == kind).levels.value()
        gain_db = -self.manifest.output.common_gain_db
        return Levels(found.peak * db_to_gain(gain_db), found.rms_db + gain_db, found.lufs + gain_db)


@contextmanager
def open_reused(drop: Path, work: Path) -> Iterator[Reused]:
    """Open the dry stems of a drop; raises DeliveryError when one is not there or not as it was delivered."""
    manifest = read(drop / MANIFEST)
    with ExitStack() as opened:
        sounds: dict[str, Sound] = {}
        for stem in dict.fromkeys(file.stem for file in manifest.files if file.kind == "stem"):
            path = _checked(drop, _dry_file(manifest, stem, drop))
            sounds[stem] = opened.enter_context(open_sound(path, work))
            if sounds[stem].format.frames != manifest.render.format.frames:
                raise _unusable(path, "it has another length than the render")
        yield Reused(manifest, sounds)


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


def _checked(drop: Path, file: FileRecord) -> Path:
    path = drop / file.path
    try:
        if path.stat().st_size != file.bytes or sha256_of(path) != file.sha256:
            raise _unusable(path, "it was changed since it was delivered")
    except OSError as exc:
        raise _unusable(path, (exc.strerror or str(exc)).lower()) from exc
    return path


def _unusable(path: Path, why: str) -> DeliveryError:
    return DeliveryError(
        f"Cannot use {path}: {why}.", hint="Separate the render again with: stem-bridge process", path=path
    )
