"""Who plays a part: a General MIDI bank, or recorded and synthesised instruments, chosen anew for every part."""

from __future__ import annotations

import random

import mido

from benchmarks.free_music import rendered
from training import parts
from training.drumkits import recorded_drums
from training.instruments import ensemble
from training.sound import Sound

__all__ = ["played"]

RECORDED = 0.45
"""How often a part is played without a bank."""
GOOD_BANK = 0.75
DRUM_BANK = 0.4


def played(part: mido.MidiFile, role: str, rng: random.Random, start: float, seconds: float) -> Sound:
    """Play a stretch of a part that has one role only: (frames, 2)."""
    if rng.random() < RECORDED:
        return (recorded_drums if role == "drums" else ensemble)(part, role, rng, start, seconds)
    font = rng.choice(parts.FONTS[:2]) if rng.random() < GOOD_BANK else rng.choice(parts.FONTS[2:])
    if role == "drums" and rng.random() < DRUM_BANK:
        font, part = rng.choice(parts.DRUM_FONTS), _on_first_channel(part)
    return rendered(part, font, start, seconds, more=("-R", rng.choice("01"), "-C", "0")).T


def _on_first_channel(part: mido.MidiFile) -> mido.MidiFile:
    """Return the part for banks whose only kit is a melodic program."""
    moved = mido.MidiFile(ticks_per_beat=part.ticks_per_beat)
    for track in part.tracks:
        messages = (one.copy(channel=0) if hasattr(one, "channel") else one for one in track)
        moved.tracks.append(mido.MidiTrack(one for one in messages if one.type != "program_change"))
    return moved
