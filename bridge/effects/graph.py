"""A preset bound to the stems of a render: says what prints, and streams what is printed block by block.

One graph over all stems and buses: each is one endless stream, all are pulled in step, and all share one tail. What a
stem hears of another (ducking) and what a bus sums are streams between those of `Flow`. What needs the whole song first
(targets, the reference loudness of a bus, a tempo that nobody said) is found by a run or a reading before.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from bridge.domain.notes import NoteTrack
from bridge.domain.preset import Preset
from bridge.domain.stems import FloatArray, StemBlock, bus_key, kind_of
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects.builtin import held_below_nyquist
from bridge.effects.drums import heard_tempo
from bridge.effects.flow import DryStems, Flow
from bridge.effects.nodes import Node, effects_of, lay_out
from bridge.effects.place import BLOCK, Place
from bridge.effects.plugins.rack import Rack
from bridge.effects.settle import settle, takes
from bridge.effects.steps import run_chain
from bridge.effects.tape import Tapes
from bridge.effects.tempo import has_notes, stretches
from bridge.effects.values import check_values
from bridge.errors import BridgeError, PresetError
from bridge.presets.catalog import EFFECTS
from bridge.units import db_to_gain, seconds_to_frames

__all__ = ["DryStems", "Graph", "bind"]

QUIET_SECONDS = 0.5
"""A tail has ended when nothing came for this long, plus the longest pause between echoes."""
QUIET = np.float32(db_to_gain(-90.0))
_DRUMS = "drums"
_ANY_TEMPO_BPM = 120.0
"""Stands for a tempo that is heard only once the drums are there."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Graph:
    """A preset that is known to run on these stems, at this rate and number of channels."""

    nodes: Mapping[str, Node]
    """Sources first."""
    sample_rate: int
    channels: int
    tempo: TempoMap | None = None
    needs_tempo: bool = False
    """Something has a note value."""
    rack: Rack = field(default_factory=Rack)
    unheard: tuple[str, ...] = ()
    """Names of the buses that would be printed if something were routed to them."""

    @property
    def printed(self) -> frozenset[str]:
        """Stems whose chain changes sound; all others stay as they are, bit for bit."""
        return frozenset(key for key in self.nodes if kind_of(key) == "stem")

    @property
    def buses(self) -> tuple[str, ...]:
        """Keys of the buses that are printed."""
        return tuple(key for key, node in self.nodes.items() if node.is_delivered and kind_of(key) == "bus")

    @property
    def instruments(self) -> tuple[str, ...]:
        """Keys of the instruments that play."""
        return tuple(key for key in self.nodes if kind_of(key) == "instrument")

    def only(self, key: str) -> Graph:
        """Return the graph of one of its stems, buses or instruments, and of what that hears: it prints the same sound.

        Alone it has its own tail, not the longest of all.
        """
        heard = {key}
        for node in reversed(tuple(self.nodes.values())):
            if node.key in heard:
                heard |= node.hears
        nodes = {one: replace(node, is_delivered=one == key) for one, node in self.nodes.items() if one in heard}
        return replace(self, nodes=nodes, needs_tempo=_have_notes(nodes))

    @property
    def put_aside(self) -> int:
        """How many streams, of the length of a stem each, lie on the disk while it runs."""
        return len(takes(self.nodes))

    def run(
        self,
        dry: DryStems,
        tell: Tell = lambda _: None,
        heard: Callable[[TempoMap], None] = lambda _: None,
        work: Path | None = None,
        measured: Callable[[float], None] = lambda _: None,
    ) -> Iterator[StemBlock]:
        """Yield all that is printed, by key, in consecutive blocks of one size (the last may be shorter).

        All have one length, at least the render's: the longest tail, cut where it falls below -90 dBFS. Deterministic,
        with fresh state on every call. `tell` hears what the user should know, `heard` gets a tempo that was estimated.
        `work` is the folder for what targets need to be measured first (None: the system's), and `measured` is called
        meanwhile with the share that is done; it may raise. Raises EffectError, PresetError, DestinationError.
        """
        wanted = [key for key, node in self.nodes.items() if node.is_delivered]
        if not wanted:
            return
        for sentence in self._held_frequencies():
            tell(sentence)
        tempo = self.tempo
        if self.needs_tempo and tempo is None:
            tempo = heard_tempo(dry, _DRUMS)
            heard(tempo)
            bpm = f"The tempo, {tempo.changes[0].bpm:.2f} BPM, was estimated from the drums"
            doubt = "" if tempo.other_bpm is None else f" and may as well be {tempo.other_bpm:.2f}"
            tell(f"{bpm}{doubt}; if it is another one, say it with --bpm.")
        with Tapes(work) as tapes:
            trims = settle(self.nodes, dry, tempo, self.rack, tapes, measured)
            flow = Flow(self.nodes, dry, tempo, trims, self.rack, tapes)
            limits = {key: flow.limit(key) for key in wanted}
            streams = {key: flow.output(key) for key in wanted}
            autos = [key for key in wanted if self.nodes[key].auto_tail]
            pauses = (QUIET_SECONDS + self._pause(key, tempo, limits[key]) for key in autos)
            wait = seconds_to_frames(max(pauses, default=0.0), self.sample_rate)
            keep = max([dry.frames, *(limits[key] for key in wanted if key not in autos)])
            yield from _until_quiet(streams, autos, keep, wait, max(limits.values()))

    def _held_frequencies(self) -> Iterator[str]:
        """Say which frequencies of the preset are more than a render of this rate holds."""
        for node in self.nodes.values():
            for effect in effects_of(node.chain):
                for name, spec in EFFECTS[effect.name].parameters.items():
                    hz = float(effect.parameters.get(name, spec.default or 0.0)) if spec.below_nyquist else 0.0
                    held = held_below_nyquist(hz, self.sample_rate)
                    if held < hz:
                        yield (
                            f"{effect.name} on {node.key} has its {name} at {held:.0f} Hz instead of {hz:.0f}: "
                            f"a render at {self.sample_rate} Hz holds no higher ones."
                        )

    def _pause(self, key: str, tempo: TempoMap | None, frames: int) -> float:
        """Return the longest time in seconds that a node may be silent before it sounds again, sources included."""
        node = self.nodes.get(key)
        if node is None:
            return 0.0
        pause = max((self._pause(feed.source, tempo, frames) for feed in node.feeds), default=0.0)
        for effect in effects_of(node.chain):
            if name := EFFECTS[effect.name].silence:
                parts = stretches(effect, tempo, self.sample_rate, frames)
                pause += max(float(one.effect.parameters[name]) for one in parts)
        return pause


def bind(
    preset: Preset,
    stems: Sequence[str],
    *,
    sample_rate: int,
    channels: int,
    tempo: TempoMap | None = None,
    rack: Rack | None = None,
    notes: Sequence[NoteTrack] = (),
) -> Graph:
    """Bind a preset to the stems of a render, building every effect once, so that errors come before any work.

    Entries of the preset for stems that are not there do nothing. Where note values have no `tempo`, it is estimated
    from the drums when the graph runs. `rack` runs the user's own plugins; without one, none can be loaded. `notes` are
    what instruments may play, from the start of the render; one that has none is left out, and the rack tells so.
    Raises PresetError, PluginError, EffectError.
    """
    rack = rack or Rack()
    _check_values(preset, stems)
    fit = partial(rack.fit, sample_rate=sample_rate, channels=channels)
    tracks = rack.staff(preset.instruments, notes, sample_rate=sample_rate, channels=channels)
    nodes = lay_out(preset, stems, channels, fit, tracks)
    needs_tempo = _have_notes(nodes)
    if needs_tempo and tempo is None and _DRUMS not in stems:
        raise PresetError(
            f"Preset '{preset.name}' has note values, and neither a tempo nor a drums stem is there to tell it.",
            hint="Say the tempo with --bpm, put a .mid with the tempo beside the render, or separate the drums too.",
        )
    trial = tempo or TempoMap((TempoChange(0.0, _ANY_TEMPO_BPM),), "estimated")
    whole = seconds_to_frames(max(trial.changes[-1].seconds, 0.0) + 1.0, sample_rate)
    for node in nodes.values():
        place = Place(node.key, sample_rate, channels, whole, whole, trial, lambda _: iter(()))
        try:
            run_chain(node.chain, iter(()), place)
        except BridgeError as exc:
            raise type(exc)(f"Preset '{preset.name}', {node.key}: {exc.message}", hint=exc.hint) from exc
    unheard = tuple(name for name, bus in preset.buses.items() if bus.print_ and bus_key(name) not in nodes)
    return Graph(nodes, sample_rate, channels, tempo, needs_tempo, rack, unheard)


def _have_notes(nodes: Mapping[str, Node]) -> bool:
    return any(has_notes(effect) for node in nodes.values() for effect in effects_of(node.chain))


def _check_values(preset: Preset, stems: Sequence[str]) -> None:
    """Hold every value against the catalog, also of steps that are bypassed. Raises PresetError."""
    chains = {stem: preset.for_stem(stem).chain for stem in stems}
    chains |= {name: bus.chain for name, bus in preset.buses.items()}
    chains |= {name: one.mix.chain for name, one in preset.instruments.items()}
    for where, chain in chains.items():
        for effect in effects_of(chain):
            try:
                check_values(effect)
            except PresetError as exc:
                raise PresetError(f"Preset '{preset.name}', {where}: {exc.message}", hint=exc.hint) from exc


def _until_quiet(
    streams: Mapping[str, Iterator[FloatArray]], autos: Sequence[str], keep: int, wait: int, last: int
) -> Iterator[StemBlock]:
    """Pull all streams in step to frame `keep`, and on while one of `autos` still sounds, `last` at the most."""
    pending: deque[StemBlock] = deque()
    for start in itertools.count(0, BLOCK):
        if start >= min(last, keep + wait):
            break
        block = StemBlock(start, {key: next(stream) for key, stream in streams.items()})
        if start + BLOCK > keep:
            keep = max([keep, *(_loud_end(block.stems[key], start) for key in autos)])
        pending.append(block)
        while pending and pending[0].start + BLOCK <= keep:
            yield pending.popleft()
    for block in pending:
        if block.start < keep:
            rest = keep - block.start
            yield StemBlock(block.start, {k: np.ascontiguousarray(v[:, :rest]) for k, v in block.stems.items()})


def _loud_end(block: FloatArray, start: int) -> int:
    """Return the frame after the last one that can be heard; 0 when the block is quiet."""
    loud = np.flatnonzero((np.abs(block) > QUIET).any(axis=0))
    return start + int(loud[-1]) + 1 if loud.size else 0
