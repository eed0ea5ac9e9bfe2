"""A song whose true stems are known: unpacked and mixed, so that the whole job can be tried and its result measured."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bridge.audio.header import inspect
from bridge.audio.read import open_sound
from bridge.audio.write import SoundWriter
from bridge.disk import disk_errors
from bridge.resources import shipped

__all__ = ["STEMS", "prepare"]

STEMS = ("drums", "bass", "other", "vocals")
_BLOCK_FRAMES = 65536


def prepare(into: Path) -> Path:
    """Write `into/truth/<stem>.wav` and their sum, `into/Demo song.wav`, and return the path of the sum.

    The bundled stems are lossy files; what they decode to is the truth, FLOAT, and their sum is PCM_24, both stereo at
    44.1 kHz. What an earlier demo left is used again when it is whole. Raises DestinationError or NoSpaceError when
    `into` cannot be written.
    """
    truth, render = into / "truth", into / "Demo song.wav"
    paths = [*(truth / f"{stem}.wav" for stem in STEMS), render]
    if all(path.exists() and inspect(path).state == "complete" for path in paths):
        return render
    with disk_errors("write", truth):
        truth.mkdir(parents=True, exist_ok=True)
        for path in paths:
            path.unlink(missing_ok=True)
    with TemporaryDirectory() as work, ExitStack() as opened:
        stems = [opened.enter_context(open_sound(shipped("demo") / f"{stem}.ogg", Path(work))) for stem in STEMS]
        shape = stems[0].format
        new = partial(SoundWriter, sample_rate=shape.sample_rate, channels=shape.channels, container="WAV")
        files = [opened.enter_context(new(path, subtype="FLOAT")) for path in paths[:-1]]
        mix = opened.enter_context(new(render, subtype="PCM_24"))
        for start in range(0, shape.frames, _BLOCK_FRAMES):
            blocks = np.stack([sound.read(start, _BLOCK_FRAMES) for sound in stems])  # (S, C, T)
            for file, block in zip(files, blocks, strict=True):
                file.write(block)
            mix.write(blocks.sum(axis=0, dtype=np.float64).astype(np.float32))  # (C, T)
    return render
