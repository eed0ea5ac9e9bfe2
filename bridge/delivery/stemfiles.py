"""Stems on their way through a job: written block by block as FLOAT files, measured, and read back by frame ranges."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.audio.chunks import Chunks
from bridge.audio.meter import Meter
from bridge.audio.read import Sound, open_sound
from bridge.audio.write import SoundWriter
from bridge.disk import disk_errors
from bridge.domain.render import AudioFormat, Levels
from bridge.domain.stems import FloatArray, StemBlock, display_name

__all__ = ["Excursion", "StemFiles", "StemRecorder"]


@dataclass(frozen=True)
class Excursion:
    """The outermost samples of a signal, linear; what decides whether fixed point can hold it."""

    lowest: float = 0.0
    highest: float = 0.0

    def widened(self, block: FloatArray) -> Excursion:
        """Take in another block."""
        return Excursion(min(self.lowest, float(block.min())), max(self.highest, float(block.max())))


class StemRecorder:
    """Writes stems to FLOAT files and measures them on the way. Leaves no file behind when the work fails."""

    def __init__(
        self, paths: Mapping[str, Path], source: AudioFormat, chunks: Chunks | None, *, frames: int | None = None
    ) -> None:
        """`frames`, where known, lets the files be hashed while they are written."""
        self._stack = ExitStack()
        self._paths = dict(paths)
        self._source = source
        self._chunks = chunks
        self._expected_frames = frames
        self._writers: dict[str, SoundWriter] = {}
        self._meters = {stem: Meter(source.sample_rate, source.channels, source.channel_mask) for stem in self._paths}
        self._excursions = dict.fromkeys(self._paths, Excursion())
        self.frames = 0

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for stem, path in self._paths.items():
                with disk_errors("write", path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                self._writers[stem] = opening.enter_context(self._writer(stem, path))
            self._stack = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, value, trace)

    def would_make(self, stem: str, path: Path) -> bool:
        """Say whether a FLOAT WAV file of finite samples is the one that recording them would make, byte for byte."""
        frames, frame_bytes = self._source.frames, 4 * self._source.channels
        head = self._writer(stem, path).wave_head(frames)
        with disk_errors("read", path), path.open("rb") as file:
            return file.read(len(head)) == head and path.stat().st_size == len(head) + frames * frame_bytes

    def _writer(self, stem: str, path: Path) -> SoundWriter:
        return SoundWriter(
            path,
            sample_rate=self._source.sample_rate,
            channels=self._source.channels,
            subtype="FLOAT",
            container="WAV",
            frames=self._expected_frames,
            chunks=self._chunks.for_stem(display_name(stem)) if self._chunks else None,
            channel_mask=self._source.channel_mask,
        )

    def add(self, block: StemBlock) -> None:
        """Write the next block; stems without a path are left out."""
        for stem, writer in self._writers.items():
            samples = block.stems[stem]
            writer.write(samples)
            self._meters[stem].add(samples)
            self._excursions[stem] = self._excursions[stem].widened(samples)
        self.frames += block.frames

    def checksums(self) -> dict[Path, str]:
        """Return the SHA-256 of those files that were hashed while they were written, hex, once they are closed."""
        return {writer.path: writer.sha256 for writer in self._writers.values() if writer.sha256 is not None}

    def recorded(self, work: Path) -> StemFiles:
        """Return what was written; call it after the recorder is closed."""
        levels = {stem: meter.levels() for stem, meter in self._meters.items()}
        return StemFiles(self._paths, self._source, self.frames, levels, self._excursions, work)


class StemFiles:
    """Recorded stems, opened for reading by frame ranges. A context manager; measured levels need no open file."""

    def __init__(
        self,
        paths: Mapping[str, Path],
        source: AudioFormat,
        frames: int,
        levels: Mapping[str, Levels],
        excursions: Mapping[str, Excursion],
        work: Path,
    ) -> None:
        """`excursions` may be empty where nothing is to be rounded."""
        self.paths = dict(paths)
        self.frames = frames
        self.sample_rate = source.sample_rate
        self.channels = source.channels
        self.channel_mask = source.channel_mask
        self.excursions = dict(excursions)
        self._levels = dict(levels)
        self._work = work
        self._stack = ExitStack()
        self._sounds: dict[str, Sound] = {}

    def __enter__(self) -> Self:
        for stem, path in self.paths.items():
            self._sounds[stem] = self._stack.enter_context(open_sound(path, self._work))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._sounds.clear()
        return self._stack.__exit__(kind, value, trace)

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Read frames of one stem, (channels, frames) float32."""
        return self._sounds[stem].read(start, frames)

    def levels(self, stem: str) -> Levels:
        """Return the levels measured while the stem was written."""
        return self._levels[stem]
