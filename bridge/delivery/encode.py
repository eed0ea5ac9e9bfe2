"""The delivered format where it is not FLOAT WAV: one common gain where it must be, our own rounding, exact sums.

Fixed-point stems are rounded to the nearest step, without dither; one stem, the remainder, is the integer difference
between the mix and all others, so that the files sum to the mix exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bridge.audio.chunks import Chunks
from bridge.audio.read import Sound
from bridge.audio.write import SoundWriter
from bridge.delivery.stemfiles import Excursion, StemFiles
from bridge.disk import disk_errors
from bridge.domain.drop import DropPlan, PlannedFile
from bridge.domain.render import AudioFormat
from bridge.domain.stems import FloatArray, display_name, kind_of
from bridge.units import db_to_gain, gain_to_db

__all__ = ["Bits", "Encoded", "common_gain_db", "encode_files", "rounded"]

Bits = Literal[16, 24]
Integers = npt.NDArray[np.int32]
"""Sound: (channels, frames), left-justified 32 bit."""

_EXACT_DEPTHS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24}
_BLOCK_FRAMES = 65536


@dataclass(frozen=True)
class Encoded:
    """What came of writing the delivered format."""

    gain_db: float
    """Common gain of all files, 0 or less."""
    checksums: Mapping[Path, str]
    """SHA-256 of files that were hashed while they were written, hex."""


def encode_files(
    plan: DropPlan,
    folder: Path,
    dry: StemFiles,
    wet: StemFiles,
    mix: Sound,
    *,
    remainder: str | None,
    chunks: Chunks,
    progress: Callable[[int], None],
) -> Encoded:
    """Write every planned stem file from recorded stems that are open.

    `remainder` names the dry stem that takes what the integers of the others leave of the mix; None rounds every stem
    by itself. FLOAT in another container is copied as it is. `progress` gets frames done, of the longest file.
    Raises NoSpaceError, DestinationError, DeliveryError.
    """
    new = partial(_writer, plan, folder, mix.format, chunks)
    dry_files = {stem: plan.file(stem, "dry" if stem in wet.paths else "stem") for stem in dry.paths}
    wet_files = {stem: plan.file(stem, kind_of(stem)) for stem in wet.paths}
    gain_db = 0.0
    with ExitStack() as opened:
        dry_writers = {stem: opened.enter_context(new(file, dry.frames)) for stem, file in dry_files.items() if file}
        wet_writers = {stem: opened.enter_context(new(file, wet.frames)) for stem, file in wet_files.items() if file}
        if plan.subtype == "FLOAT":
            _copy(dry, dry_writers, progress)
        else:
            bits: Bits = 24 if plan.subtype == "PCM_24" else 16
            excursions = [dry.excursions[stem] for stem in dry_writers] + [wet.excursions[stem] for stem in wet_writers]
            gain_db = common_gain_db(excursions, bits, stems=len(dry.paths))
            for start, block in fixed_point_blocks(dry, mix, remainder=remainder, gain_db=gain_db, bits=bits):
                for stem, sound in dry_writers.items():
                    sound.write_integers(block[stem])
                progress(start)
        _copy(wet, wet_writers, progress, gain=db_to_gain(gain_db))
    written = (*dry_writers.values(), *wet_writers.values())
    return Encoded(gain_db, {sound.path: sound.sha256 for sound in written if sound.sha256 is not None})


def _writer(
    plan: DropPlan, folder: Path, source: AudioFormat, chunks: Chunks, file: PlannedFile, frames: int
) -> SoundWriter:
    path = folder / file.path
    with disk_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return SoundWriter(
        path,
        sample_rate=source.sample_rate,
        channels=source.channels,
        subtype=plan.subtype,
        container=plan.container,
        frames=frames,
        chunks=chunks.for_stem(display_name(file.stem)),
        channel_mask=source.channel_mask,
    )


def _copy(
    stems: StemFiles, writers: Mapping[str, SoundWriter], progress: Callable[[int], None], *, gain: float = 1.0
) -> None:
    for start in range(0, stems.frames, _BLOCK_FRAMES):
        for stem, sound in writers.items():
            samples = stems.read(stem, start, _BLOCK_FRAMES)
            sound.write(samples if gain == 1.0 else samples * np.float32(gain))
        progress(start)


def common_gain_db(excursions: Iterable[Excursion], bits: Bits, *, stems: int) -> float:
    """Return the one gain for all files, 0 or a negative multiple of 0.1 dB, with which fixed point holds every sample.

    A margin of one step per stem is kept, since the remainder collects the rounding of the others.
    """
    step = 2.0 ** (1 - bits)
    room = 1.0 - (stems + 1) * step
    worst = max((max(one.highest / room, -one.lowest / (room + step)) for one in excursions), default=0.0)
    return 0.0 if worst <= 1.0 else -math.ceil(gain_to_db(worst) * 10 + 1e-9) / 10


def rounded(samples: FloatArray, gain: float, bits: Bits) -> npt.NDArray[np.int64]:
    """Round samples to the nearest step, (C, T), in units of the least significant bit; no dither."""
    exact = samples.astype(np.float64) * (gain * 2.0 ** (bits - 1))
    return np.rint(exact).astype(np.int64)


def fixed_point_blocks(
    stems: StemFiles, mix: Sound, *, remainder: str | None, gain_db: float, bits: Bits
) -> Iterator[tuple[int, Mapping[str, Integers]]]:
    """Yield the first frame and every stem as left-justified integers, block by block.

    With a `remainder` that stem is not rounded but made of what the integers of the mix leave, so the files sum to the
    mix rounded once; where the mix itself has no more bits and the gain is 0 dB they sum to it exactly.
    """
    gain = db_to_gain(gain_db)
    depth = _EXACT_DEPTHS.get(mix.format.subtype, 99)
    exact = gain_db == 0.0 and depth <= bits
    for start in range(0, stems.frames, _BLOCK_FRAMES):
        frames = min(_BLOCK_FRAMES, stems.frames - start)
        made = {stem: rounded(stems.read(stem, start, frames), gain, bits) for stem in stems.paths if stem != remainder}
        if remainder is not None:
            if exact:
                whole = mix.read_integers(start, frames).astype(np.int64) >> (32 - bits)  # (C, T)
            else:
                whole = rounded(mix.read(start, frames), gain, bits)
            made[remainder] = remainder_block(whole, made.values())
        yield start, {stem: _left_justified(values, bits) for stem, values in made.items()}


def remainder_block(whole: npt.NDArray[np.int64], parts: Iterable[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Return whole - sum(parts), (C, T), exactly."""
    rest = whole.copy()
    for part in parts:
        rest -= part
    return rest


def _left_justified(values: npt.NDArray[np.int64], bits: Bits) -> Integers:
    limit = 1 << (bits - 1)
    return (np.clip(values, -limit, limit - 1) << (32 - bits)).astype(np.int32)
