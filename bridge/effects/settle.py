"""The gains that need the whole song first: references of what is made here, and all targets; each chain runs once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from bridge.audio.meter import Meter
from bridge.domain.render import Levels
from bridge.domain.tempo import TempoMap
from bridge.effects.flow import DryStems, Flow, Trim, change
from bridge.effects.nodes import Node
from bridge.effects.place import BLOCK
from bridge.effects.plugins.rack import Rack
from bridge.effects.shared import Blocks
from bridge.effects.tape import Take, Tapes
from bridge.units import db_to_gain, gain_to_db

__all__ = ["settle", "takes"]

MOST_RAISE_DB = 40.0
"""A stem that would have to be raised by more than this has nothing in it but what leaked into it."""

Heed = Callable[[float], None]
"""Called between blocks with the share that is done, 0 to 1; what it raises ends the work."""


def takes(nodes: Mapping[str, Node]) -> list[Take]:
    """Return what is put on tape while the gains are found: what is measured, or in the way of what is.

    `nodes`: sources first. Of an instrument whose loudness has to be known that is what it plays, of everything else
    what its chain makes.
    """
    heard: set[str] = set()
    for node in reversed(tuple(nodes.values())):
        if node.key in heard or _has_target(node):
            heard |= {node.key, *node.hears}
        elif _is_made(node):
            heard |= node.hears
    taken: list[Take] = []
    for node in nodes.values():
        plays = node.instrument is not None
        if plays and _needs_levels(node):
            taken.append(("fed", node.key))
        if node.key in heard and (node.chain or (plays and not _needs_levels(node))):
            taken.append(("made", node.key))
    return taken


def settle(
    nodes: Mapping[str, Node], dry: DryStems, tempo: TempoMap | None, rack: Rack, tapes: Tapes, heed: Heed
) -> dict[str, Trim]:
    """Find the gains of every node, in order: references of stems are known already, all others are measured here.

    What flows on the way is put on `tapes`, so that a final run need not compute it again. Raises what `heed` raises.
    """
    trims: dict[str, Trim] = {}
    fresh = partial(Flow, nodes, dry, tempo, trims, rack, tapes)
    limit = fresh().limit
    passes = sum(_is_made(node) + _has_target(node) for node in nodes.values())
    done = 0

    def measured(blocks: Blocks, end: int) -> Levels:
        nonlocal done
        meter = Meter(dry.sample_rate, dry.channels, dry.channel_mask)
        for start, block in zip(range(0, end, BLOCK), blocks, strict=False):
            meter.add(np.ascontiguousarray(block[:, : end - start]))
            heed((done + start / end) / passes)
        done += 1
        return meter.levels()

    taken = takes(nodes)
    for node in nodes.values():
        before = after = 1.0
        if ("fed", node.key) in taken:
            tapes.record(("fed", node.key), fresh().input(node))
        if _is_made(node):
            heard = measured(fresh().input(node), limit(node.key))
        elif _needs_levels(node):
            heard = dry.levels(node.key)
        if node.reference_lufs is not None:
            before = change(node.reference_lufs, heard.lufs)
        trims[node.key] = Trim(before)
        if ("made", node.key) in taken:
            tapes.record(("made", node.key), fresh().chain(node))
        if _has_target(node):
            end = dry.frames if node.target_lufs == "dry" else limit(node.key)
            made = measured(fresh().output(node.key), end)
            if node.target_lufs is not None:
                after = change(heard.lufs if node.target_lufs == "dry" else node.target_lufs, made.lufs)
            elif node.target_peak_db is not None:
                after = change(node.target_peak_db, gain_to_db(made.peak))
            after = min(after, db_to_gain(MOST_RAISE_DB))
            trims[node.key] = Trim(before, after, made.lufs + gain_to_db(after))
    return trims


def _has_target(node: Node) -> bool:
    return node.target_lufs is not None or node.target_peak_db is not None


def _needs_levels(node: Node) -> bool:
    return node.reference_lufs is not None or node.target_lufs == "dry"


def _is_made(node: Node) -> bool:
    """Say whether the loudness that goes in has to be known, and is known only once it was made."""
    return _needs_levels(node) and (bool(node.feeds) or node.instrument is not None)
