"""One run of a graph: every stem and bus as an endless stream of blocks, each computed once, however many hear it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bridge.domain.render import Levels
from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoMap
from bridge.effects.nodes import Node
from bridge.effects.place import BLOCK, Place
from bridge.effects.plugins.rack import Rack
from bridge.effects.shared import Blocks, Shared
from bridge.effects.steps import run_chain
from bridge.effects.tape import Tapes
from bridge.units import db_to_gain, seconds_to_frames

__all__ = ["DryStems", "Flow", "Trim", "change"]

FADE_SECONDS = 0.05
LONGEST_TAIL_SECONDS = 60.0


class DryStems(Protocol):
    """The stems as separated; every range may be read, in any order of stems."""

    @property
    def frames(self) -> int: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def channel_mask(self) -> int: ...

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Return (channels, frames), float32; start + frames never exceeds the length."""
        ...

    def levels(self, stem: str) -> Levels:
        """Return the loudness of the whole stem."""
        ...


@dataclass(frozen=True, slots=True)
class Trim:
    """Gains around the chain of a node, linear."""

    before: float = 1.0
    """To the reference loudness; taken back after the chain."""
    after: float = 1.0
    """To the target."""
    lufs: float | None = None
    """Loudness of what comes out, where a target is; elsewhere it is taken for that of what goes in."""


class Flow:
    """Streams by key. Ask for all that is wanted before anything is pulled, and pull in step."""

    def __init__(
        self,
        nodes: Mapping[str, Node],
        dry: DryStems,
        tempo: TempoMap | None,
        trims: Mapping[str, Trim],
        rack: Rack,
        tapes: Tapes,
    ) -> None:
        """What is on `tapes` is played, and not computed again."""
        self._rack = rack
        self._tapes = tapes
        self._nodes = nodes
        self._dry = dry
        self._tempo = tempo
        self._trims = trims
        self._streams: dict[str, Shared] = {}

    def limit(self, key: str) -> int:
        """Return the frame after which nothing of a stem or bus is delivered."""
        node = self._nodes.get(key)
        if node is None:
            return self._dry.frames
        begin = max((self.limit(feed.source) for feed in node.feeds), default=self._dry.frames)
        most = self._dry.frames + self._frames(LONGEST_TAIL_SECONDS)
        return min(begin + self._frames(node.tail_seconds), most)

    def output(self, key: str) -> Blocks:
        """Return one more copy of a stream, from its first frame."""
        if key not in self._streams:
            blocks = self._processed(self._nodes[key]) if key in self._nodes else self._source(key)
            self._streams[key] = Shared(blocks)
        return self._streams[key].tap()

    def input(self, node: Node) -> Blocks:
        """Return what a stem's or bus's chain is fed, at its own level."""
        if (taken := self._tapes.play(("fed", node.key))) is not None:
            return taken
        if node.instrument is not None:
            rate, frames = self._dry.sample_rate, self._dry.frames
            score = node.score(rate, frames)
            return self._rack.perform(node.instrument.plugin, score, node.key, rate, self._dry.channels, BLOCK)
        if not node.feeds:
            return self._source(node.key)
        gains = [np.array(feed.gains, np.float32)[:, np.newaxis] for feed in node.feeds]  # (C, 1)
        sources = [self.output(feed.source) for feed in node.feeds]
        return (_mixed(blocks, gains) for blocks in zip(*sources, strict=True))

    def chain(self, node: Node) -> Blocks:
        """Return what comes out of a node's chain, which it hears at the reference loudness."""
        if (taken := self._tapes.play(("made", node.key))) is not None:
            return taken
        place = Place(
            stem=node.key,
            sample_rate=self._dry.sample_rate,
            channels=self._dry.channels,
            frames=self._dry.frames,
            limit_frames=self.limit(node.key),
            tempo=self._tempo,
            listen=lambda stem: self._heard(stem, node),
            rack=self._rack,
        )
        return run_chain(node.chain, _scaled(self.input(node), self._trims.get(node.key, Trim()).before), place)

    def _processed(self, node: Node) -> Blocks:
        """Run the chain, take the reference loudness back, go to the target, fade out at the limit."""
        trim = self._trims.get(node.key, Trim())
        fade = min(self._frames(FADE_SECONDS), self._frames(node.tail_seconds))
        return self._ended(self.chain(node), trim.after / trim.before, self.limit(node.key), fade)

    def _heard(self, stem: str, node: Node) -> Blocks:
        """Give a Ducker the other stem, at the loudness that this one is brought to."""
        gain = 1.0
        if node.reference_lufs is not None:
            lufs = self._trims.get(stem, Trim()).lufs
            gain = change(node.reference_lufs, self._dry.levels(stem).lufs if lufs is None else lufs)
        return _scaled(self.output(stem), gain)

    def _ended(self, blocks: Blocks, gain: float, limit: int, fade: int) -> Blocks:
        for number, block in enumerate(blocks):
            level = block if gain == 1.0 else block * np.float32(gain)
            yield np.ascontiguousarray(_faded(level, number * BLOCK, limit, fade))

    def _source(self, stem: str) -> Blocks:
        silence = np.zeros((self._dry.channels, BLOCK), np.float32)
        silence.flags.writeable = False
        for start in range(0, self._dry.frames, BLOCK):
            frames = min(BLOCK, self._dry.frames - start)
            block = self._dry.read(stem, start, frames)
            yield np.concatenate([block, silence[:, frames:]], axis=1) if frames < BLOCK else block  # (C, BLOCK)
        while True:
            yield silence

    def _frames(self, seconds: float) -> int:
        return seconds_to_frames(seconds, self._dry.sample_rate)


def change(wanted_db: float, found_db: float) -> float:
    """Return the gain from one level to another; silence stays as it is, and nothing becomes silence."""
    return db_to_gain(wanted_db - found_db) if math.isfinite(found_db) and math.isfinite(wanted_db) else 1.0


def _scaled(blocks: Blocks, gain: float) -> Blocks:
    return blocks if gain == 1.0 else (block * np.float32(gain) for block in blocks)


def _mixed(blocks: tuple[FloatArray, ...], gains: list[FloatArray]) -> FloatArray:
    total = np.zeros_like(blocks[0])
    for block, gain in zip(blocks, gains, strict=True):
        total += block * gain
    return total


def _faded(block: FloatArray, start: int, limit: int, fade: int) -> FloatArray:
    """Fade out over the last `fade` frames before `limit`, with silence after it; untouched before."""
    if start + BLOCK <= limit - fade:
        return block
    ahead = limit - np.arange(start, start + BLOCK)
    return block * np.clip(ahead / max(fade, 1), 0.0, 1.0).astype(np.float32)
