"""Which stems are computed and which are delivered: decided from names alone, before any weight is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.domain.job import SeparationOptions
from bridge.domain.stems import StemChoice, complement_name
from bridge.errors import ConfigError

__all__ = ["choose_stems"]


def choose_stems(model_stems: Sequence[str], options: SeparationOptions) -> StemChoice:
    """Decide what is computed and delivered; raises ConfigError for stems that the model does not have."""
    every = tuple(model_stems)
    if options.residual == "other" and "other" not in every:
        raise ConfigError("This model has no stem 'other' to hold the residual.", hint="Use --residual stem.")
    if options.two_stems is not None:
        stem = _known(options.two_stems, every)
        return StemChoice(_needed((stem,), every, options), (stem, complement_name(stem)), complete=True)
    wanted = tuple(dict.fromkeys(_known(stem, every) for stem in options.stems)) or every
    wanted = tuple(stem for stem in every if stem in wanted)
    whole = set(wanted) == set(every)
    delivered = (*wanted, "residual") if whole and options.residual == "stem" else wanted
    return StemChoice(_needed(wanted, every, options), delivered, complete=whole and options.residual != "drop")


def _needed(wanted: tuple[str, ...], every: tuple[str, ...], options: SeparationOptions) -> tuple[str, ...]:
    if options.residual == "other" and "other" in wanted:
        return tuple(stem for stem in every if stem != "other")
    if options.residual == "share":
        return every
    return wanted


def _known(stem: str, every: tuple[str, ...]) -> str:
    if stem not in every:
        raise ConfigError(f"This model has no stem '{stem}'.", hint=f"It has: {', '.join(every)}.")
    return stem
