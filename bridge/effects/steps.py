"""One step of a chain as a filter over an endless stream of equal blocks; whatever a step holds back, it gives later.

Every stream here carries blocks of exactly `BLOCK` frames, (channels, BLOCK) float32, and never ends: after the render
come zeros. Equal blocks are what keeps Pedalboard bit exact (its effects restart when a block is longer than all
before), and since a stream's n-th frame always belongs to the render's n-th frame, parallel branches and dry shares are
aligned by adding blocks. Latent effects just read ahead. Pedalboard's own Mix and Chain are not used.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bridge.domain.preset import Chain, Effect, MidSide, Parallel, Plugin
from bridge.domain.stems import FloatArray
from bridge.effects.builtin import built_in
from bridge.effects.channels import channel_sets
from bridge.effects.own_dynamics import de_esser, ducker
from bridge.effects.own_shapes import (
    distortion,
    fade,
    following_delay,
    is_quicker_here,
    is_steep,
    steep_filters,
    stereo_width,
)
from bridge.effects.place import BLOCK, Place, Process
from bridge.effects.shared import Blocks, Shared
from bridge.effects.tempo import Stretch, stretches
from bridge.errors import EffectError
from bridge.presets.catalog import EFFECTS
from bridge.units import format_duration

__all__ = ["run_chain"]


def run_chain(chain: Chain, blocks: Blocks, place: Place) -> Blocks:
    """Filter a stream through a chain. Raises EffectError when an effect fails or gives NaN or infinity."""
    for steep, steps in itertools.groupby(chain, is_steep):
        blocks = (_steep if steep else _steps)(tuple(steps), blocks, place)
    return blocks


def _steep(steps: Chain, blocks: Blocks, place: Place) -> Blocks:
    """Run steep filters that follow each other as one, which takes no longer than any of them."""
    effects = [step for step in steps if isinstance(step, Effect)]
    return _finite(effects[-1], _held(steep_filters(effects, place), blocks, place), place)


def _steps(steps: Chain, blocks: Blocks, place: Place) -> Blocks:
    for step in steps:
        match step:
            case Effect():
                blocks = _effect(step, blocks, place)
            case Parallel():
                blocks = _parallel(step, blocks, place)
            case MidSide():
                blocks = _mid_side(step, blocks, place)
            case Plugin():
                blocks = place.rack.run(step, blocks, place.stem, place.sample_rate)
    return blocks


def _build(parts: Sequence[Stretch], place: Place) -> Process:
    """Make one effect but a Ducker, with fresh state.

    Raises PresetError for values it does not take, EffectError for the rate.
    """
    effect = parts[0].effect
    spec = EFFECTS[effect.name]
    if spec.sample_rates and place.sample_rate not in spec.sample_rates:
        raise EffectError(
            f"{effect.name} cannot work at {place.sample_rate} Hz.",
            hint=f"Render at one of {', '.join(map(str, spec.sample_rates))} Hz, or take the effect out of the preset.",
        )
    match effect.name:
        case "DeEsser":
            return de_esser(effect, place)
        case "Distortion":
            return distortion(effect, place)
        case "Fade":
            return fade(effect, place)
        case "StereoWidth":
            return stereo_width(effect, place)
        case "Delay" if len(parts) > 1 or is_quicker_here(effect, place):
            return following_delay(parts, place)
        case "HighpassFilter" | "LowpassFilter" if is_steep(replace(effect, wet=1.0)):
            return steep_filters((effect,), place)
    return built_in(parts, place)


def _effect(effect: Effect, blocks: Blocks, place: Place) -> Blocks:
    if effect.wet == 1.0:
        return _wet(effect, blocks, place)
    heard = Shared(blocks)
    dry, source = heard.tap(), heard.tap()
    wet_share, dry_share = np.float32(effect.wet), np.float32(1.0 - effect.wet)
    pairs = zip(dry, _wet(effect, source, place), strict=True)
    return (before * dry_share + after * wet_share for before, after in pairs)


def _wet(effect: Effect, blocks: Blocks, place: Place) -> Blocks:
    parts = stretches(effect, place.tempo, place.sample_rate, place.limit_frames)
    if effect.name == "Ducker":
        return _finite(effect, ducker(parts, blocks, place), place)
    process = _build(parts, place)
    outputs = (_held if EFFECTS[effect.name].streams else _whole)(process, blocks, place)
    return _finite(effect, outputs, place)


def _finite(effect: Effect, blocks: Blocks, place: Place) -> Blocks:
    for number, block in enumerate(blocks):
        if not np.isfinite(block).all():
            when = format_duration(number * BLOCK / place.sample_rate)
            raise EffectError(
                f"{effect.name} on {place.stem} gave something that is not sound (NaN or infinity) near {when}.",
                hint="Lower its gain, drive or feedback, or take it out of the preset.",
            )
        yield block


def _held(process: Process, blocks: Blocks, place: Place) -> Blocks:
    """Stream; what a latent effect gives short is made up by the next block."""
    ready = np.zeros((place.channels, 0), np.float32)
    for block in blocks:
        out = process(block)
        ready = np.concatenate([ready, out], axis=1) if ready.shape[1] else out
        if ready.shape[1] >= BLOCK:
            yield np.ascontiguousarray(ready[:, :BLOCK])
            ready = ready[:, BLOCK:]


def _whole(process: Process, blocks: Blocks, place: Place) -> Blocks:
    """Run an effect that cannot stream on all that will be delivered; then silence."""
    count = -(-place.limit_frames // BLOCK)
    sound = process(np.concatenate(list(itertools.islice(blocks, count)), axis=1))  # (C, count * BLOCK)
    for start in range(0, count * BLOCK, BLOCK):
        yield np.ascontiguousarray(sound[:, start : start + BLOCK])
    while True:
        yield np.zeros((place.channels, BLOCK), np.float32)


def _parallel(step: Parallel, blocks: Blocks, place: Place) -> Blocks:
    heard = Shared(blocks)
    branches = [run_chain(branch, heard.tap(), place) for branch in step.branches]
    return map(_sum, zip(*branches, strict=True))


def _sum(outputs: Sequence[FloatArray]) -> FloatArray:
    total = outputs[0]
    for output in outputs[1:]:
        total = total + output
    return total


def _mid_side(step: MidSide, blocks: Blocks, place: Place) -> Blocks:
    """Split pairs into half sum and half difference, run the chains, and join them: left = mid + side."""
    sets = channel_sets(place.channels, 2)
    pairs = [number for number, rows in enumerate(sets) if rows.stop - rows.start == 2]
    heard = Shared(blocks)
    half = np.float32(0.5)

    def mids(block: FloatArray) -> FloatArray:
        return np.stack(
            [block[rows].sum(axis=0) * (half if number in pairs else 1) for number, rows in enumerate(sets)]
        )

    def sides(block: FloatArray) -> FloatArray:
        return np.stack([(block[sets[number].start] - block[sets[number].start + 1]) * half for number in pairs])

    def joined(mid: FloatArray, side: FloatArray | None) -> FloatArray:
        out = np.empty((place.channels, BLOCK), np.float32)
        for number, rows in enumerate(sets):
            out[rows] = mid[number]
        for number, pair in enumerate(pairs):
            assert side is not None
            out[sets[pair].start] += side[number]
            out[sets[pair].start + 1] -= side[number]
        return out  # (C, BLOCK)

    middle = run_chain(step.mid, map(mids, heard.tap()), replace(place, channels=len(sets)))
    if not pairs:
        return (joined(mid, None) for mid in middle)
    beside = run_chain(step.side, map(sides, heard.tap()), replace(place, channels=len(pairs)))
    return itertools.starmap(joined, zip(middle, beside, strict=True))
