"""One step of a chain as a filter over an endless stream of equal blocks; whatever a step holds back, it gives later.

Every stream here carries blocks of exactly `BLOCK` frames, (channels, BLOCK) float32, and never ends: after the render
come zeros. Equal blocks are what keeps Pedalboard bit exact (its effects restart when a block is longer than all
before), and since a stream's n-th frame always belongs to the render's n-th frame, parallel branches and dry shares are
aligned by adding blocks. Latent effects just read ahead. Pedalboard's own Mix and Chain are not used.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pedalboard

from bridge.domain.preset import Chain, Effect, Parallel
from bridge.domain.stems import FloatArray
from bridge.errors import EffectError, PresetError
from bridge.presets.catalog import EFFECTS
from bridge.units import format_duration

__all__ = ["BLOCK", "Blocks", "Place", "build", "run_chain"]

BLOCK = 32768
"""Frames of every block: 0.74 s at 44.1 kHz."""

_BUFFER = 8192
"""Frames that Pedalboard works on at once; divides BLOCK, so its inner blocks are equal too."""

_HIGHEST = 0.49
"""Share of the sample rate at which frequencies are held: above half of it, filters are unstable."""

_SEE_SCHEMA = "Names and ranges are in the output of: stem-bridge presets schema"

_ENUMS = {"mode": pedalboard.LadderFilter.Mode, "quality": pedalboard.Resample.Quality}

_SETS_BY_CHANNELS = {
    5: (slice(0, 2), slice(2, 3), slice(3, 5)),
    6: (slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 6)),
    8: (slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 6), slice(6, 8)),
}
"""Surround in WAVE order: left and right belong together, centre and LFE stand alone."""

Blocks = Iterator[FloatArray]

_Process = Callable[[FloatArray], FloatArray]
"""(C, n) to (C, m), m <= n: what is missing comes with later calls. One-shot effects give m = n."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain runs: for error messages, and the size of things."""

    stem: str
    sample_rate: int
    channels: int
    limit_frames: int
    """Nothing after this frame is delivered: render plus longest tail."""


def run_chain(chain: Chain, blocks: Blocks, place: Place) -> Blocks:
    """Filter a stream through a chain. Raises EffectError when an effect fails or gives NaN or infinity."""
    for step in chain:
        blocks = _parallel(step, blocks, place) if isinstance(step, Parallel) else _effect(step, blocks, place)
    return blocks


def build(effect: Effect, sample_rate: int, channels: int) -> _Process:
    """Make one effect, with fresh state. Raises PresetError for values it does not take, EffectError for the rate."""
    spec = EFFECTS.get(effect.name)
    if spec is None:
        raise PresetError(f"There is no effect '{effect.name}'.", hint=_SEE_SCHEMA)
    if spec.sample_rates and sample_rate not in spec.sample_rates:
        raise EffectError(
            f"{effect.name} cannot work at {sample_rate} Hz.",
            hint=f"Render at one of {', '.join(map(str, spec.sample_rates))} Hz, or take the effect out of the preset.",
        )
    if effect.name == "StereoWidth":
        return _stereo_width(float(effect.parameters["width"]), channels)
    sets = _channel_sets(channels, spec.max_channels)
    parts = [_plugin(effect, sample_rate, reset=not spec.streams) for _ in sets]
    if effect.parameters.get("link") and channels > 1:
        return _linked(parts[0])
    if len(sets) == 1:
        return parts[0]
    return lambda block: np.concatenate([part(block[rows]) for part, rows in zip(parts, sets, strict=True)])  # (C, m)


def _plugin(effect: Effect, sample_rate: int, *, reset: bool) -> _Process:
    values = {}
    for name, field in EFFECTS[effect.name].parameters.items():
        value = effect.parameters.get(name, field.default)
        if name in _ENUMS:
            value = getattr(_ENUMS[name], str(value))
        elif field.below_nyquist:
            value = min(float(value or 0.0), _HIGHEST * sample_rate)
        if name != "link":
            values[name] = value
    try:
        plugin = getattr(pedalboard, effect.name)(**values)
    except (TypeError, ValueError) as exc:
        raise PresetError(f"{effect.name} does not take {values}: {str(exc).rstrip('.')}.", hint=_SEE_SCHEMA) from exc

    def process(block: FloatArray) -> FloatArray:
        try:
            out: FloatArray = plugin.process(block, sample_rate, buffer_size=_BUFFER, reset=reset)
        except (RuntimeError, ValueError) as exc:
            raise EffectError(
                f"{effect.name} failed: {str(exc).rstrip('.')}.", hint="Take it out of the preset."
            ) from exc
        return out

    return process


def _linked(process: _Process) -> _Process:
    """Run a dynamics effect on the loudest channel, and give its gain to all: the image does not move."""

    def linked(block: FloatArray) -> FloatArray:
        key = np.abs(block).max(axis=0, keepdims=True)  # (1, n)
        gain = np.divide(process(key), key, out=np.ones_like(key), where=key > 0)
        out: FloatArray = block * gain  # (C, n)
        return out

    return linked


def _stereo_width(width: float, channels: int) -> _Process:
    sets = [rows for rows in _channel_sets(channels, 2) if rows.stop - rows.start == 2]
    half = np.float32((width - 1.0) / 2.0)

    def widen(block: FloatArray) -> FloatArray:
        out = block.copy()
        for rows in sets:
            left, right = block[rows]
            side = (left - right) * half
            out[rows] = left + side, right - side
        return out  # (C, n)

    return widen


def _channel_sets(channels: int, most: int | None) -> tuple[slice, ...]:
    if most is None or channels <= most:
        return (slice(0, channels),)
    if most == 2 and channels in _SETS_BY_CHANNELS:
        return _SETS_BY_CHANNELS[channels]
    return tuple(slice(first, min(first + most, channels)) for first in range(0, channels, most))


def _effect(effect: Effect, blocks: Blocks, place: Place) -> Blocks:
    if effect.wet == 1.0:
        return _wet(effect, blocks, place)
    dry, source = itertools.tee(blocks)
    wet_share, dry_share = np.float32(effect.wet), np.float32(1.0 - effect.wet)
    pairs = zip(dry, _wet(effect, source, place), strict=True)
    return (before * dry_share + after * wet_share for before, after in pairs)


def _wet(effect: Effect, blocks: Blocks, place: Place) -> Blocks:
    whole = not EFFECTS[effect.name].streams
    outputs = (_whole if whole else _held)(build(effect, place.sample_rate, place.channels), blocks, place)
    for number, block in enumerate(outputs):
        if not np.isfinite(block).all():
            when = format_duration(number * BLOCK / place.sample_rate)
            raise EffectError(
                f"{effect.name} on {place.stem} gave something that is not sound (NaN or infinity) near {when}.",
                hint="Lower its gain, drive or feedback, or take it out of the preset.",
            )
        yield block


def _held(process: _Process, blocks: Blocks, place: Place) -> Blocks:
    """Stream; what a latent effect gives short is made up by the next block."""
    ready = np.zeros((place.channels, 0), np.float32)
    for block in blocks:
        out = process(block)
        ready = np.concatenate([ready, out], axis=1) if ready.shape[1] else out
        if ready.shape[1] >= BLOCK:
            yield np.ascontiguousarray(ready[:, :BLOCK])
            ready = ready[:, BLOCK:]


def _whole(process: _Process, blocks: Blocks, place: Place) -> Blocks:
    """Run an effect that cannot stream on all that will be delivered; then silence."""
    count = -(-place.limit_frames // BLOCK)
    sound = process(np.concatenate(list(itertools.islice(blocks, count)), axis=1))  # (C, count * BLOCK)
    for start in range(0, count * BLOCK, BLOCK):
        yield np.ascontiguousarray(sound[:, start : start + BLOCK])
    while True:
        yield np.zeros((place.channels, BLOCK), np.float32)


def _parallel(step: Parallel, blocks: Blocks, place: Place) -> Blocks:
    copies = itertools.tee(blocks, len(step.branches))
    branches = [run_chain(branch, copy, place) for branch, copy in zip(step.branches, copies, strict=True)]
    for outputs in zip(*branches, strict=True):
        total = outputs[0]
        for output in outputs[1:]:
            total = total + output
        yield total
