"""What separates: the protocol, and a fake that splits any mix into parts that sum to it exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np

from bridge.audio.read import Scan, Sound
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.separation.store import Store

__all__ = ["FakeSeparator", "Separator"]


class Separator(Protocol):
    """Something that estimates stems."""

    @property
    def stems(self) -> tuple[str, ...]:
        """Every stem this separator can estimate, in the model's order."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, in words, for the manifest."""
        ...

    @property
    def left(self) -> str | None:
        """Why it runs on another device than the one it began on, in words; None = it does not."""
        ...

    @property
    def batch(self) -> int:
        """Windows that the last render's forwards took at the most, for the manifest."""
        ...

    @property
    def precision(self) -> Literal["float32", "bfloat16"]:
        """Precision of the network's products, for the manifest."""
        ...

    @property
    def members(self) -> tuple[tuple[str, str], ...]:
        """Name and SHA-256 of every weight file, for the manifest."""
        ...

    def estimates(
        self,
        mix: Sound,
        scan: Scan,
        wanted: Sequence[str],
        options: SeparationOptions,
        store: Store | None = None,
    ) -> Iterator[FloatArray]:
        """Yield raw estimates, (len(wanted), channels, frames) float32, at the render's rate.

        With a store, segments that are in it are not computed, and those that are not are kept there.

        Blocks are consecutive, gapless and as long in all as the render. Same render, model, options, device and
        versions give the same bits.
        """
        ...


class FakeSeparator:
    """Splits a mix by sample value, not by sound: quick, exact and without a network; for tests of everything else.

    Each stem is the mix quantised more finely than the one before, minus that one, so all of them sum to the mix
    with no rounding at all.
    """

    stems = ("drums", "bass", "other", "vocals")
    device = "none"
    left: str | None = None
    batch = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    members = ()

    def estimates(
        self,
        mix: Sound,
        scan: Scan,
        wanted: Sequence[str],
        options: SeparationOptions,
        store: Store | None = None,
    ) -> Iterator[FloatArray]:
        """Yield the parts; see `Separator.estimates`. Nothing is worth keeping."""
        for block in mix.blocks(65536):
            parts: dict[str, FloatArray] = {}
            rest = block
            for stem, steps in zip(self.stems[:-1], (2.0, 16.0, 256.0), strict=True):
                part = np.asarray(np.trunc(rest * np.float32(steps)) / np.float32(steps), dtype=np.float32)
                parts[stem] = part
                rest = rest - part
            parts[self.stems[-1]] = rest
            yield np.stack([parts[stem] for stem in wanted])  # (R, C, T)
