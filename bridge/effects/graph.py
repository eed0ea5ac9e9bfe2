"""A preset bound to the stems of a render: says what prints, and streams the printed stems block by block.

One graph over all stems: every stem is one endless stream, all are pulled in step, and all share one tail. What a stem
may later hear of another (ducking, sends, printed buses) is one more stream between those in `Graph.run`.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bridge.domain.preset import Chain, Effect, Parallel, Plugin, Preset
from bridge.domain.render import Levels
from bridge.domain.stems import FloatArray, StemBlock
from bridge.effects.rack import Rack
from bridge.effects.steps import BLOCK, Blocks, Place, build, run_chain
from bridge.errors import BridgeError
from bridge.presets.catalog import EFFECTS
from bridge.units import db_to_gain, seconds_to_frames

__all__ = ["DryStems", "Graph", "bind"]

LONGEST_AUTO_TAIL_SECONDS = 10.0
FADE_SECONDS = 0.05
QUIET_SECONDS = 0.5
"""A tail has ended when nothing came for this long, plus the longest pause between echoes."""
QUIET = np.float32(db_to_gain(-90.0))


class DryStems(Protocol):
    """The stems as separated; every range may be read, in any order of stems."""

    @property
    def frames(self) -> int: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Return (channels, frames), float32; start + frames never exceeds the length."""
        ...

    def levels(self, stem: str) -> Levels:
        """Return the loudness of the whole stem."""
        ...


@dataclass(frozen=True, slots=True)
class _Line:
    """What is printed of one stem."""

    chain: Chain
    reference_lufs: float | None
    tail_seconds: float
    auto_tail: bool
    pause_seconds: float
    """Longest time the chain may be silent before it sounds again."""


@dataclass(frozen=True)
class Graph:
    """A preset that is known to run on these stems, at this rate and number of channels."""

    lines: Mapping[str, _Line]
    sample_rate: int
    channels: int
    rack: Rack = field(default_factory=Rack)

    @property
    def printed(self) -> frozenset[str]:
        """Stems whose chain changes sound; all others stay as they are, bit for bit."""
        return frozenset(self.lines)

    def run(self, dry: DryStems) -> Iterator[StemBlock]:
        """Yield the printed stems in consecutive blocks of one size (the last may be shorter).

        All have one length, at least the render's: the longest tail, cut where it falls below -90 dBFS. Deterministic,
        with fresh state on every call. Raises EffectError.
        """
        limits = {stem: dry.frames + self._frames(line.tail_seconds) for stem, line in self.lines.items()}
        streams = {stem: self._stream(stem, line, dry, limits[stem]) for stem, line in self.lines.items()}
        autos = [stem for stem, line in self.lines.items() if line.auto_tail]
        wait = max((self._frames(QUIET_SECONDS + self.lines[stem].pause_seconds) for stem in autos), default=0)
        last = max(limits.values(), default=0)
        keep = max([dry.frames, *(limits[stem] for stem in limits if stem not in autos)]) if limits else 0

        pending: deque[StemBlock] = deque()
        for start in itertools.count(0, BLOCK):
            if start >= min(last, keep + wait):
                break
            block = StemBlock(start, {stem: next(stream) for stem, stream in streams.items()})
            if start + BLOCK > keep:
                keep = max([keep, *(_loud_end(block.stems[stem], start) for stem in autos)])
            pending.append(block)
            while pending and pending[0].start + BLOCK <= keep:
                yield pending.popleft()
        for block in pending:
            if block.start < keep:
                rest = keep - block.start
                yield StemBlock(block.start, {k: np.ascontiguousarray(v[:, :rest]) for k, v in block.stems.items()})

    def _frames(self, seconds: float) -> int:
        return seconds_to_frames(seconds, self.sample_rate)

    def _stream(self, stem: str, line: _Line, dry: DryStems, limit: int) -> Blocks:
        """Read, bring to the reference loudness, run the chain, take the loudness back, fade out at the limit."""
        lufs = dry.levels(stem).lufs if line.reference_lufs is not None else -math.inf
        gain = db_to_gain((line.reference_lufs or 0.0) - lufs) if math.isfinite(lufs) else 1.0
        blocks = run_chain(
            line.chain, _source(stem, dry, gain), Place(stem, self.sample_rate, self.channels, limit, self.rack)
        )
        fade = min(self._frames(FADE_SECONDS), limit - dry.frames)
        for number, block in enumerate(blocks):
            level = block if gain == 1.0 else block * np.float32(1.0 / gain)
            yield _faded(level, number * BLOCK, limit, fade)


def bind(preset: Preset, stems: Sequence[str], *, sample_rate: int, channels: int, rack: Rack | None = None) -> Graph:
    """Bind a preset to the stems of a render, building every effect once, so that errors come before any work.

    Entries of the preset for stems that are not there do nothing. `rack` runs the user's own plugins; without one,
    none can be loaded. Raises PresetError, PluginError, EffectError.
    """
    lines = {}
    rack = rack or Rack()
    for stem in stems:
        settings = preset.for_stem(stem)
        chain = rack.fit(stem, _active(settings.chain), sample_rate=sample_rate, channels=channels)
        if not chain:
            continue
        for effect in _effects(chain):
            try:
                build(effect, sample_rate, channels)
            except BridgeError as exc:
                raise type(exc)(f"Preset '{preset.name}', {stem}: {exc.message}", hint=exc.hint) from exc
        auto = settings.tail == "auto"
        tail_seconds = LONGEST_AUTO_TAIL_SECONDS if isinstance(settings.tail, str) else settings.tail
        lines[stem] = _Line(chain, settings.reference_lufs, tail_seconds, auto, _pause_seconds(chain))
    return Graph(lines, sample_rate, channels, rack)


def _active(chain: Chain) -> Chain:
    """Leave out steps that change nothing: bypassed, or without wet share."""
    steps: list[Effect | Parallel | Plugin] = []
    for step in chain:
        if isinstance(step, Parallel):
            branches = tuple(_active(branch) for branch in step.branches)
            steps.extend([Parallel(branches)] if len(branches) > 1 else branches[0])
        elif not step.bypass and step.wet > 0.0:
            steps.append(step)
    return tuple(steps)


def _effects(chain: Chain) -> Iterator[Effect]:
    """Yield the built-in effects."""
    for step in chain:
        if isinstance(step, Parallel):
            yield from itertools.chain.from_iterable(_effects(branch) for branch in step.branches)
        elif isinstance(step, Effect):
            yield step


def _pause_seconds(chain: Chain) -> float:
    names = ((effect, EFFECTS[effect.name].silence) for effect in _effects(chain))
    return sum(float(effect.parameters[name]) for effect, name in names if name)


def _source(stem: str, dry: DryStems, gain: float) -> Blocks:
    silence = np.zeros((dry.channels, BLOCK), np.float32)
    silence.flags.writeable = False
    for start in range(0, dry.frames, BLOCK):
        frames = min(BLOCK, dry.frames - start)
        block = dry.read(stem, start, frames)
        if frames < BLOCK:
            block = np.concatenate([block, silence[:, frames:]], axis=1)  # (C, BLOCK)
        yield block if gain == 1.0 else block * np.float32(gain)
    while True:
        yield silence


def _loud_end(block: FloatArray, start: int) -> int:
    """Return the frame after the last one that can be heard; 0 when the block is quiet."""
    loud = np.flatnonzero((np.abs(block) > QUIET).any(axis=0))
    return start + int(loud[-1]) + 1 if loud.size else 0


def _faded(block: FloatArray, start: int, limit: int, fade: int) -> FloatArray:
    """Fade out over the last `fade` frames before `limit`, with silence after it; untouched before."""
    if start + BLOCK <= limit - fade:
        return block
    ahead = limit - np.arange(start, start + BLOCK)
    return block * np.clip(ahead / max(fade, 1), 0.0, 1.0).astype(np.float32)
