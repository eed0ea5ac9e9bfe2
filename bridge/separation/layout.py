"""How a render's channels become stereo passes through the network, and how the estimates come back."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Layout", "Pass", "plan_layout"]

_LFE = 3
"""Bit number of the low-frequency channel in WAVE_FORMAT_EXTENSIBLE masks."""
_PAIRS = {0: 1, 4: 5, 6: 7, 9: 10, 12: 14, 15: 17}
"""Left speaker bit to right: front, back, front of centre, side, top front, top back."""


@dataclass(frozen=True)
class Pass:
    """One stereo signal for the network; equal channels stand for a mono one (duplicated in, averaged out)."""

    left: int
    right: int

    @property
    def is_mono(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True)
class Layout:
    """All passes of a render."""

    passes: tuple[Pass, ...]
    untouched: tuple[int, ...]
    """Channels that no network hears (LFE): they belong to `other`."""


def plan_layout(channels: int, channel_mask: int = 0) -> Layout:
    """Pair the channels: by speaker where the mask names them all, else consecutive ones.

    Mono is one mono pass, stereo one stereo pass. With a mask, left/right partners form a pass, a speaker without
    partner (centre) is a mono pass, and the LFE is left out. Without one, the last of an odd count is a mono pass.
    """
    speakers = [bit for bit in range(18) if channel_mask >> bit & 1]
    if channels <= 2 or len(speakers) != channels:
        pairs = [Pass(first, first + 1) for first in range(0, channels - 1, 2)]
        return Layout((*pairs, Pass(channels - 1, channels - 1)) if channels % 2 else tuple(pairs), ())
    place = {bit: index for index, bit in enumerate(speakers)}
    passes: list[Pass] = []
    for bit in speakers:
        if bit == _LFE or any(right == bit and left in place for left, right in _PAIRS.items()):
            continue
        passes.append(Pass(place[bit], place.get(_PAIRS.get(bit, bit), place[bit])))
    return Layout(tuple(passes), (place[_LFE],) if _LFE in place else ())
