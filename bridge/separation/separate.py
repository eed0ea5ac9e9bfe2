"""From estimates to the stems that are delivered: where mix - sum(stems) goes, so that they sum to the mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bridge.audio.read import Scan, Sound
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray, StemBlock, complement_name
from bridge.separation.choice import choose_stems
from bridge.separation.layout import plan_layout
from bridge.separation.separator import Separator
from bridge.separation.store import Store

__all__ = ["separate"]


def separate(
    separator: Separator, mix: Sound, scan: Scan, options: SeparationOptions, store: Store | None = None
) -> Iterator[StemBlock]:
    """Yield the delivered stems of a mix, block by block, at its own rate, channels and length.

    Residual forms: `other` makes other = mix - all else, `stem` delivers the residual as a stem of its own, `share`
    gives every stem an equal part (mixture consistency, Wisdom et al. 2019), `drop` leaves the estimates alone.
    Differences are taken in float64 and rounded once. Channels that no network hears (LFE) go to `other`.
    Raises ConfigError for unknown stems, SeparationError when the network fails.
    """
    choice = choose_stems(separator.stems, options)
    untouched = plan_layout(mix.format.channels, mix.format.channel_mask).untouched
    start = 0
    for estimate in separator.estimates(mix, scan, choice.computed, options, store):
        frames = estimate.shape[2]
        if frames == 0:
            continue
        heard = mix.read(start, frames)  # (C, T)
        stems = dict(zip(choice.computed, estimate, strict=True))
        made = _with_residual(stems, heard, separator.stems, options, untouched)
        if options.two_stems is not None:
            made = dict(made)
            made[complement_name(options.two_stems)] = _difference(heard, [made[options.two_stems]])
        yield StemBlock(start, {stem: np.ascontiguousarray(made[stem]) for stem in choice.delivered})
        start += frames


def _with_residual(
    stems: Mapping[str, FloatArray],
    heard: FloatArray,
    every: tuple[str, ...],
    options: SeparationOptions,
    untouched: tuple[int, ...],
) -> Mapping[str, FloatArray]:
    made = dict(stems)
    if options.residual == "other":
        if set(stems) == set(every) - {"other"}:
            made["other"] = _difference(heard, list(stems.values()))
        return made
    if "other" in made and untouched:
        made["other"] = made["other"].copy()
        made["other"][list(untouched)] = heard[list(untouched)]
    if set(stems) == set(every) and options.residual in ("stem", "share"):
        rest = _difference(heard, list(made.values()))
        if options.residual == "stem":
            made["residual"] = rest
        else:
            part = rest / np.float32(len(made))
            made = {stem: np.asarray(samples + part, dtype=np.float32) for stem, samples in made.items()}
            last = every[-1] if "other" not in made else "other"
            others = [samples for stem, samples in made.items() if stem != last]
            made[last] = _difference(heard, others)
    return made


def _difference(mix: FloatArray, parts: list[FloatArray]) -> FloatArray:
    """Return mix - sum(parts), (C, T), summed in float64 and rounded once."""
    total = mix.astype(np.float64)
    for part in parts:
        total -= part
    return total.astype(np.float32)
