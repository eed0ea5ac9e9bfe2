"""Pedalboard's own effects, made from the catalog: the only place where one is built."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pedalboard

from bridge.domain.preset import Effect
from bridge.domain.stems import FloatArray
from bridge.effects.channels import channel_sets
from bridge.effects.place import BUFFER, Place, Process
from bridge.effects.tempo import Stretch
from bridge.effects.values import SEE_SCHEMA
from bridge.errors import EffectError, PresetError
from bridge.presets.catalog import EFFECTS

__all__ = ["built_in", "held_below_nyquist", "plugin"]

_HIGHEST = 0.49
"""Share of the sample rate at which frequencies are held: above half of it, filters are unstable."""

_ENUMS = {"mode": pedalboard.LadderFilter.Mode, "quality": pedalboard.Resample.Quality}


def built_in(stretches: Sequence[Stretch], place: Place) -> Process:
    """Make one effect for every set of channels it may hear at once, with fresh state; raises as `plugin` does."""
    effect = stretches[0].effect
    sets = channel_sets(place.channels, EFFECTS[effect.name].max_channels)
    parts = [plugin(stretches, place.sample_rate) for _ in sets]
    if effect.parameters.get("link") and place.channels > 1:
        return _linked(parts[0])
    if len(sets) == 1:
        return parts[0]
    return lambda block: np.concatenate([part(block[rows]) for part, rows in zip(parts, sets, strict=True)])  # (C, m)


def held_below_nyquist(hz: float, sample_rate: int) -> float:
    """Bring a frequency down to where filters of this sample rate are stable."""
    return min(hz, _HIGHEST * sample_rate)


def plugin(stretches: Sequence[Stretch], sample_rate: int) -> Process:
    """Make one effect of Pedalboard. Where parameters change, they do so at the nearest multiple of BUFFER frames.

    Raises PresetError for values it does not take, EffectError when it fails.
    """
    effect = stretches[0].effect
    values = _values(effect, sample_rate)
    try:
        made = getattr(pedalboard, effect.name)(**values)
    except (TypeError, ValueError) as exc:
        raise PresetError(f"{effect.name} does not take {values}: {str(exc).rstrip('.')}.", hint=SEE_SCHEMA) from exc
    reset = not EFFECTS[effect.name].streams

    def run(block: FloatArray) -> FloatArray:
        try:
            out: FloatArray = made.process(block, sample_rate, buffer_size=BUFFER, reset=reset)
        except (RuntimeError, ValueError) as exc:
            raise EffectError(
                f"{effect.name} failed: {str(exc).rstrip('.')}.", hint="Take it out of the preset."
            ) from exc
        return out

    if len(stretches) == 1:
        return run
    changes = {round(one.start / BUFFER): _values(one.effect, sample_rate) for one in stretches}
    buffers = 0

    def follow(block: FloatArray) -> FloatArray:
        nonlocal buffers
        done = []
        for start in range(0, block.shape[1], BUFFER):
            for name, value in changes.get(buffers, {}).items():
                setattr(made, name, value)
            done.append(run(block[:, start : start + BUFFER]))
            buffers += 1
        return np.concatenate(done, axis=1)  # (C, n)

    return follow


def _values(effect: Effect, sample_rate: int) -> dict[str, object]:
    values: dict[str, object] = {}
    spec = EFFECTS[effect.name]
    for name, field in spec.parameters.items():
        value = effect.parameters.get(name, field.default)
        if name in _ENUMS:
            values[name] = getattr(_ENUMS[name], str(value))
        elif field.below_nyquist:
            values[name] = held_below_nyquist(float(value or 0.0), sample_rate)
        elif name not in spec.added:
            values[name] = value
    return values


def _linked(process: Process) -> Process:
    """Run a dynamics effect on the loudest channel, and give its gain to all: the image does not move."""

    def linked(block: FloatArray) -> FloatArray:
        key = np.abs(block).max(axis=0, keepdims=True)  # (1, n)
        gain = np.divide(process(key), key, out=np.ones_like(key), where=key > 0)
        out: FloatArray = block * gain  # (C, n)
        return out

    return linked
