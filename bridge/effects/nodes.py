"""A preset laid over the stems of a render: which streams there are, what feeds which, and in which order."""

from __future__ import annotations

import graphlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from bridge.domain.notes import NoteTrack, Score, score_of
from bridge.domain.preset import (
    Bus,
    Chain,
    Effect,
    Instrument,
    MidSide,
    Parallel,
    Plugin,
    Preset,
    Send,
    StemPreset,
    Step,
)
from bridge.domain.stems import bus_key, instrument_key
from bridge.errors import PresetError
from bridge.units import db_to_gain

__all__ = ["LONGEST_AUTO_TAIL_SECONDS", "Feed", "Node", "effects_of", "lay_out"]

LONGEST_AUTO_TAIL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Feed:
    """One way into a bus."""

    source: str
    """Key of a node, or the name of a stem that is left dry."""
    gains: tuple[float, ...]
    """Of every channel: faders and pans on the way."""


@dataclass(frozen=True, slots=True)
class Node:
    """One stream that is not simply a dry stem."""

    key: str
    """Name of the stem; a bus has its `bus_key`."""
    chain: Chain
    reference_lufs: float | None
    target_lufs: Literal["dry"] | float | None
    target_peak_db: float | None
    tail_seconds: float
    auto_tail: bool
    feeds: tuple[Feed, ...]
    """What a bus sums; a stem has none."""
    is_delivered: bool
    instrument: Instrument | None = None
    """What its sound comes from, where that is no stem and no bus."""
    tracks: tuple[NoteTrack, ...] = ()
    """What the instrument plays, from the start of the render."""

    def score(self, sample_rate: int, frames: int) -> Score:
        """Return what its instrument plays over a render."""
        return score_of(self.tracks, sample_rate, frames)

    @property
    def hears(self) -> frozenset[str]:
        """Keys of all that has to flow before it."""
        under = {str(one.parameters["under"]) for one in effects_of(self.chain) if one.name == "Ducker"}
        return frozenset(under | {feed.source for feed in self.feeds})


def effects_of(chain: Chain) -> Iterator[Effect]:
    """Walk over every effect of a chain, whatever it is nested in."""
    for step in chain:
        match step:
            case Effect():
                yield step
            case Parallel():
                yield from itertools.chain.from_iterable(effects_of(branch) for branch in step.branches)
            case MidSide():
                yield from effects_of(step.mid)
                yield from effects_of(step.side)


Fit = Callable[[str, Chain], Chain]
"""Told where a chain runs; takes out plugins that are to be skipped."""


def lay_out(
    preset: Preset,
    stems: Sequence[str],
    channels: int,
    fit: Fit = lambda _, chain: chain,
    tracks: Mapping[str, tuple[NoteTrack, ...]] = MappingProxyType({}),
) -> dict[str, Node]:
    """Return every node by key, sources first. Raises PresetError when stems duck in a circle or under nobody.

    `tracks` are what the instruments that take part play, by their names.
    """
    nodes = {stem: node for stem in stems if (node := _stem(stem, preset.for_stem(stem), fit)) is not None}
    for name, playing in tracks.items():
        key, instrument = instrument_key(name), preset.instruments[name]
        nodes[key] = _player(instrument, playing, fit(key, _active(instrument.mix.chain)))
    sources = [*stems, *(instrument_key(name) for name in tracks)]
    buses, reached = _Buses(preset, sources, channels, fit), preset.reached(sources)
    for name, bus in preset.buses.items():
        if bus.print_:
            buses.lay(name)
    nodes |= buses.nodes
    for name in preset.buses:
        if name in reached and not preset.buses[name].print_:
            fit(bus_key(name), _active(preset.buses[name].chain))  # live only: for what it finds
    order: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for node in nodes.values():
        for source in node.hears - set(nodes) - set(stems):
            raise PresetError(
                f"Preset '{preset.name}', {node.key}: Ducker listens to {source}, which is not among the stems.",
                hint=f"Separate {source} too, or take the Ducker out.",
            )
        order.add(node.key, *node.hears)
    try:
        return {key: nodes[key] for key in order.static_order() if key in nodes}
    except graphlib.CycleError as exc:
        raise PresetError(
            f"Preset '{preset.name}': stems wait for each other in a circle: {' -> '.join(exc.args[1])}.",
            hint="A stem cannot duck under one that ducks under it, or under itself; take one Ducker out.",
        ) from exc


def _stem(stem: str, settings: StemPreset, fit: Fit) -> Node | None:
    chain = fit(stem, _active(settings.chain))
    if not chain and settings.target_lufs in (None, "dry") and settings.target_peak_db is None:
        return None
    auto = settings.tail == "auto"
    tail = 0.0 if not chain else LONGEST_AUTO_TAIL_SECONDS if isinstance(settings.tail, str) else settings.tail
    return Node(
        stem,
        chain,
        settings.reference_lufs,
        settings.target_lufs,
        settings.target_peak_db,
        tail,
        auto,
        (),
        is_delivered=True,
    )


def _player(instrument: Instrument, tracks: tuple[NoteTrack, ...], chain: Chain) -> Node:
    mix = instrument.mix
    auto = isinstance(mix.tail, str)
    return Node(
        instrument_key(instrument.name),
        chain,
        mix.reference_lufs,
        mix.target_lufs,
        mix.target_peak_db,
        LONGEST_AUTO_TAIL_SECONDS if isinstance(mix.tail, str) else mix.tail,
        auto,
        (),
        is_delivered=True,
        instrument=instrument,
        tracks=tracks,
    )


class _Buses:
    """The buses that sound reaches on its way into a printed one; those that nothing reaches are left out."""

    def __init__(self, preset: Preset, stems: Sequence[str], channels: int, fit: Fit) -> None:
        self._fit = fit
        self.nodes: dict[str, Node] = {}
        self._preset = preset
        self._stems = stems
        self._channels = channels
        self._seen: set[str] = set()

    def lay(self, name: str) -> None:
        """Make the node of a bus, after those that feed it."""
        if name in self._seen:
            return
        self._seen.add(name)
        bus = self._preset.buses[name]
        feeds = tuple(self._feeds(name))
        if not feeds:
            return
        key = bus_key(name)
        chain = self._fit(key, _active(bus.chain)) if bus.print_ else ()
        tail = LONGEST_AUTO_TAIL_SECONDS if chain else 0.0
        self.nodes[key] = Node(
            key, chain, bus.reference_lufs, None, None, tail, auto_tail=True, feeds=feeds, is_delivered=bus.print_
        )

    def _feeds(self, name: str) -> Iterator[Feed]:
        for stem in self._stems:
            settings = self._preset.for_stem(stem)
            if settings.bus == name and not settings.mute:
                yield Feed(stem, self._fader(settings.gain_db, settings.pan))
        for child in self._preset.buses.values():
            if child.parent == name:
                yield from self._from(child, self._fader(child.gain_db, child.pan))
        for send in self._preset.sends:
            if send.target == name:
                yield from self._from(self._preset.buses[send.source], self._send(send))

    def _from(self, source: Bus, gains: tuple[float, ...]) -> Iterator[Feed]:
        self.lay(source.name)
        if bus_key(source.name) in self.nodes:
            yield Feed(bus_key(source.name), gains)

    def _send(self, send: Send) -> tuple[float, ...]:
        source = self._preset.buses[send.source]
        level = self._fader(send.level_db, send.pan)
        if send.is_pre_fader:
            return level
        return tuple(a * b for a, b in zip(level, self._fader(source.gain_db, source.pan), strict=True))

    def _fader(self, gain_db: float, pan: float) -> tuple[float, ...]:
        """Give the gain of every channel as the session does: balance with a pan law of 0 dB; pan is for stereo."""
        gain = db_to_gain(gain_db)
        if self._channels != 2:
            return (gain,) * self._channels
        return (gain * min(1.0, 1.0 - pan), gain * min(1.0, 1.0 + pan))


def _active(chain: Chain) -> Chain:
    """Leave out steps that change nothing: bypassed, or without wet share."""
    steps: list[Step] = []
    for step in chain:
        match step:
            case Parallel():
                branches = tuple(_active(branch) for branch in step.branches)
                steps.extend([Parallel(branches)] if len(branches) > 1 else branches[0])
            case MidSide():
                both = MidSide(_active(step.mid), _active(step.side))
                steps.extend([both] if both.mid or both.side else [])
            case Effect():
                steps.extend([] if step.bypass or step.wet <= 0.0 else [step])
            case Plugin():
                steps.extend([] if step.is_off else [step])
    return tuple(steps)
