"""What a plugin gives for what it is given: notices when sound goes in and nothing but silence comes out.

A plugin whose licence or trial has ended reports no error: it is silent, from its first frame on or now and then.
"""

from __future__ import annotations

import numpy as np

from bridge.domain.stems import FloatArray

__all__ = ["Ear"]

_SILENT = np.float32(1e-7)
"""-140 dBFS: below the last bit of 24, above the tiny offsets by which plugins keep out of denormal numbers."""
_HEARD = np.float32(0.01)
"""-40 dBFS: on what is quieter, a gate may well stay closed from beginning to end."""
_LOUD = np.float32(0.0316)
"""-30 dBFS: on what is louder, few gates close in the middle of a song."""
_DUMB_SECONDS = 5.0
"""After so much that was heard, nothing but silence is no effect any more."""
_GAP_SECONDS = 1.0
"""A gap has at least so much that is loud."""


class Ear:
    """Listens to both sides of a plugin whose output is aligned with its input, and may come later."""

    def __init__(self, sample_rate: int, latency_frames: int) -> None:
        self.is_dumb = True
        """Nothing ever came out."""
        self._rate, self._latency = sample_rate, latency_frames
        self._heard = self._loud = 0
        self._waiting = np.zeros(0, bool)
        """Whether input frames are loud whose output is still to come."""
        self._position = self._silent_from = self._loud_until = 0
        self._pause = self._longest_pause = 0
        self._gaps: list[tuple[int, int]] = []

    @property
    def is_broken(self) -> bool:
        """Say whether it is certain that this is no effect: it was given plenty, and gave nothing from the start."""
        return self.is_dumb and self._heard > _DUMB_SECONDS * self._rate + self._latency

    def gaps_seconds(self) -> list[tuple[float, float]]:
        """Return beginning and end of every time it fell silent after it had sounded, in order.

        Longer than a second of loud sound, and than the longest digital silence that went in: an echo repeats that.
        """
        still = [(self._silent_from, self._loud_until)] if not self.is_dumb and self._is_gap(self._loud) else []
        return [(begin / self._rate, end / self._rate) for begin, end in [*self._gaps, *still]]

    def hear(self, given: FloatArray, made: FloatArray) -> None:
        """Listen to a block that went in, (C, n), and to what came out for it or for blocks before, (C, m)."""
        level = np.abs(given).max(axis=0)  # (n,)
        if self.is_dumb:
            self._heard += int(np.count_nonzero(level > _HEARD))
        self._rest(level)
        loud = np.concatenate([self._waiting, level > _LOUD])
        loud, self._waiting = loud[: made.shape[1]], loud[made.shape[1] :]
        if loud.any():
            self._loud_until = self._position + int(np.flatnonzero(loud)[-1]) + 1
        sounding = np.flatnonzero(np.abs(made).max(axis=0) > _SILENT)
        total = np.concatenate([[0], np.cumsum(loud)])  # (m + 1,)
        begins, ends = np.append(0, sounding + 1), np.append(sounding, made.shape[1])
        within = total[ends] - total[begins]
        within[0] += self._loud
        for number in np.flatnonzero(within[:-1]):
            begin = self._position + int(begins[number]) if number else self._silent_from
            if (number or not self.is_dumb) and self._is_gap(int(within[number])):
                self._gaps.append((begin, self._position + int(ends[number])))
        self._loud = int(within[-1])
        if sounding.size:
            self.is_dumb = False
            self._silent_from = self._position + int(begins[-1])
        self._position += made.shape[1]

    def _is_gap(self, loud_frames: int) -> bool:
        return loud_frames > max(_GAP_SECONDS * self._rate, self._longest_pause)

    def _rest(self, level: FloatArray) -> None:
        """Measure the digital silence that goes in."""
        there = np.flatnonzero(level)
        if not there.size:
            self._pause += level.size
        else:
            inside = int(np.diff(there).max(initial=0))
            self._longest_pause = max(self._longest_pause, self._pause + int(there[0]), inside)
            self._pause = level.size - 1 - int(there[-1])
        self._longest_pause = max(self._longest_pause, self._pause)
