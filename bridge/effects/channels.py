"""Which channels belong together, for effects that hear only one or two."""

from __future__ import annotations

__all__ = ["channel_sets"]

_BY_CHANNELS = {
    5: (slice(0, 2), slice(2, 3), slice(3, 5)),
    6: (slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 6)),
    8: (slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 6), slice(6, 8)),
}
"""Surround in WAVE order: left and right belong together, centre and LFE stand alone."""


def channel_sets(channels: int, most: int | None) -> tuple[slice, ...]:
    """Split channels into sets that an effect for at most `most` of them can hear, in order; None = any number."""
    if most is None or channels <= most:
        return (slice(0, channels),)
    if most == 2 and channels in _BY_CHANNELS:
        return _BY_CHANNELS[channels]
    return tuple(slice(first, min(first + most, channels)) for first in range(0, channels, most))
