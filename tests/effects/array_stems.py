"""Stems in memory, read as the graph reads them; the arrays are locked, since nobody may write into them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bridge.audio.meter import Meter
from bridge.domain.preset import Chain, Preset, StemPreset
from bridge.domain.render import Levels
from bridge.domain.stems import FloatArray
from bridge.effects.graph import Graph, bind

__all__ = ["ArrayStems", "collect", "levels", "process"]


class ArrayStems:
    """Dry stems, all (channels, frames), that remember how far they were read."""

    def __init__(self, stems: Mapping[str, FloatArray], sample_rate: int = 44100) -> None:
        self.stems = stems
        self.sample_rate = sample_rate
        self.channels, self.frames = next(iter(stems.values())).shape
        self.channel_mask = 0
        self.read_frames = 0
        for sound in stems.values():
            sound.flags.writeable = False

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        assert 0 <= start < start + frames <= self.frames
        self.read_frames = max(self.read_frames, start + frames)
        return self.stems[stem][:, start : start + frames]

    def levels(self, stem: str) -> Levels:
        return levels(self.stems[stem], self.sample_rate)


def levels(sound: FloatArray, sample_rate: int = 44100) -> Levels:
    meter = Meter(sample_rate, sound.shape[0])
    meter.add(np.ascontiguousarray(sound))
    return meter.levels()


def collect(graph: Graph, dry: ArrayStems) -> dict[str, FloatArray]:
    """Run the graph and join its blocks, checking that they are consecutive, of one size, and of one shape."""
    blocks = list(graph.run(dry))
    position = 0
    wanted = {*graph.printed, *graph.buses}
    for number, block in enumerate(blocks):
        assert block.start == position
        assert block.stems.keys() == wanted
        assert all(sound.shape == (dry.channels, block.frames) for sound in block.stems.values())
        assert all(sound.dtype == np.float32 and sound.flags.c_contiguous for sound in block.stems.values())
        assert block.frames == blocks[0].frames or number == len(blocks) - 1
        position += block.frames
    return {stem: np.concatenate([block.stems[stem] for block in blocks], axis=1) for stem in wanted}


def process(chain: Chain, sound: FloatArray, sample_rate: int = 44100, tail: float | str = "auto") -> FloatArray:
    """Print one chain on one stem."""
    preset = Preset("test", "", {"vocals": StemPreset(chain, tail=tail)})  # type: ignore[arg-type]
    graph = bind(preset, ["vocals"], sample_rate=sample_rate, channels=sound.shape[0])
    return collect(graph, ArrayStems({"vocals": sound.copy()}, sample_rate))["vocals"]
