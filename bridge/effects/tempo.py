"""Note values become seconds: '1/8d' and a tempo map, cut into stretches in which the value holds."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.domain.preset import Effect, ParameterValue
from bridge.domain.tempo import TempoMap
from bridge.errors import PresetError
from bridge.presets.catalog import EFFECTS
from bridge.presets.fields import NOTE_VALUE, Field
from bridge.units import seconds_to_frames

__all__ = ["Stretch", "has_notes", "note_quarters", "stretches"]

_RAMP_SECONDS = 0.25
"""A tempo that moves is followed in steps of this length."""
_SHORTEST_SECONDS = 0.1
"""Of several changes within this time, the last one counts."""
_FACTORS = {"": 1.0, "d": 1.5, "t": 2.0 / 3.0}


@dataclass(frozen=True, slots=True)
class Stretch:
    """From this frame on, until the next stretch, an effect has these parameters, all of them plain."""

    start: int
    effect: Effect


def note_quarters(text: str) -> float:
    """Return how many quarter notes a note value lasts: '1/8' 0.5, '1/8d' (dotted) 0.75, '1/4t' (triplet) 2/3."""
    found = re.fullmatch(NOTE_VALUE, text)
    assert found, f"{text}: the loader lets note values through only"
    return 4.0 * int(found[1]) / int(found[2]) * _FACTORS[found[3]]


def has_notes(effect: Effect) -> bool:
    """Say whether the effect needs a tempo."""
    return any(field.notes and isinstance(value, str) for field, _, value in _timed(effect))


def stretches(effect: Effect, tempo: TempoMap | None, sample_rate: int, frames: int) -> tuple[Stretch, ...]:
    """Resolve the note values of an effect over the first `frames` frames; the first stretch begins at 0.

    One stretch where there are no note values, or the tempo never changes. A tempo ramp is followed in steps of a
    quarter of a second. Raises PresetError without a tempo, or where a note value is out of the parameter's range.
    """
    if not has_notes(effect):
        return (Stretch(0, effect),)
    if tempo is None:
        raise PresetError(
            f"{effect.name} has a note value, and the tempo is not known.",
            hint="Say it with --bpm, or give the time in seconds.",
        )
    found: list[Stretch] = []
    for seconds, bpm in _tempos(tempo, frames / sample_rate):
        plain = Effect(effect.name, _at(effect, bpm), bypass=effect.bypass, wet=effect.wet)
        start = seconds_to_frames(seconds, sample_rate)
        if not found or (plain != found[-1].effect and start < frames):  # in the last half frame: rounded to the end
            found.append(Stretch(start, plain))
    return tuple(found)


def _timed(effect: Effect) -> Iterator[tuple[Field, str, ParameterValue]]:
    spec = EFFECTS.get(effect.name)
    fields = spec.parameters if spec else {}
    return ((fields[name], name, value) for name, value in effect.parameters.items() if name in fields)


def _at(effect: Effect, bpm: float) -> dict[str, ParameterValue]:
    values = dict(effect.parameters)
    for field, name, value in _timed(effect):
        if not field.notes or not isinstance(value, str):
            continue
        seconds = note_quarters(value) * 60.0 / bpm
        number = {"s": seconds, "ms": seconds * 1000.0, "Hz": 1.0 / seconds}[field.unit]
        if not field.low <= number <= field.high:
            raise PresetError(
                f"{effect.name}: {name} {value} is {number:.4g} {field.unit} at {bpm:g} BPM, out of range.",
                hint=f"Choose a note value within {field.low:g} to {field.high:g} {field.unit}.",
            )
        values[name] = number
    return values


def _tempos(tempo: TempoMap, length_seconds: float) -> Iterator[tuple[float, float]]:
    """Yield time and BPM of every stretch of one tempo, in order, the first at 0."""
    kept, bpm = 0.0, 0.0
    for change, after in itertools.zip_longest(tempo.changes, tempo.changes[1:]):
        end = after.seconds if after else math.inf
        time = max(change.seconds, 0.0)
        while time < min(end, length_seconds):
            if bpm and time - kept >= _SHORTEST_SECONDS:
                yield kept, bpm
                kept = time
            bpm = change.bpm
            if not change.is_ramp or after is None:
                break
            bpm += (after.bpm - change.bpm) * (time - change.seconds) / (after.seconds - change.seconds)
            time += _RAMP_SECONDS
    yield kept, bpm or tempo.changes[0].bpm
