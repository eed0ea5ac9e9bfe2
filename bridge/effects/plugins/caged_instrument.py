"""An instrument inside its cage: loaded, set up, and given MIDI messages block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from bridge.domain.stems import FloatArray
from bridge.effects.plugins.caged_plugin import Refusal, introduced, load_plugin, take_state
from bridge.effects.plugins.parameters import check_all, set_all

__all__ = ["CagedInstrument"]

_BUFFER = 1024
"""Frames an instrument works on at once, about as in a DAW: many take a few hundred messages a block and no more."""
_INSIDE = 0.25
"""Pedalboard rounds times down to frames: a quarter of a frame keeps each on its own."""
_WITHIN = 0.5
"""Of a frame, over which messages are spread: Pedalboard takes a hundred with one time for a mistake."""


class CagedInstrument:
    """One instrument; its output is fitted to the channels of the render: front left and right where there are more."""

    def __init__(self, plugin: Any, wide: int, sample_rate: int, sound: np.memmap[Any, np.dtype[np.float32]]) -> None:
        self._plugin = plugin
        self._wide = wide
        self._sample_rate = sample_rate
        self._sound = sound

    @classmethod
    def load(cls, asked: Mapping[str, Any], folder: Path) -> tuple[Self, dict[str, Any]]:
        """Load, set up and warm up; return what the parent is told. Raises Refusal."""
        plugin = load_plugin(asked["path"], asked["plugin_name"], asked["seconds"])
        if not plugin.is_instrument:
            raise Refusal(f"{plugin.name} is no instrument: it plays no notes.", "Use it as a 'plugin' of a chain.")
        channels, sample_rate = int(asked["channels"]), int(asked["sample_rate"])
        if asked["preset"]:
            take_state(plugin, asked["preset"])
        wide = _width(plugin, channels, sample_rate)
        set_all(plugin, asked["parameters"])
        # A state, and a latency, that was just set is the plugin's own only once it has run.
        _play(plugin, [], _BUFFER, sample_rate, wide)
        check_all(plugin, asked["parameters"])
        sound = np.memmap(folder / "sound", np.float32, "r+", shape=(2, channels, asked["frames"]))  # (2, C, T)
        told = introduced(plugin, folder)
        plugin.reset()
        return cls(plugin, wide, sample_rate, sound), told

    def perform(self, messages: Sequence[tuple[int, str]], frames: int) -> int:
        """Play messages, each with its frame and its bytes in hex, into the shared memory; return the frames made."""
        apart = _WITHIN / max(1, len(messages))
        played = [
            (bytes.fromhex(said), (frame + _INSIDE + number * apart) / self._sample_rate)
            for number, (frame, said) in enumerate(messages)
        ]
        out = _play(self._plugin, played, frames, self._sample_rate, self._wide)  # (1 or 2, frames)
        made, into = int(out.shape[1]), self._sound[1]
        if made != frames:
            return made
        into[:, :frames] = 0.0
        if len(into) == 1:
            into[0, :frames] = out.mean(axis=0)
        else:
            into[:2, :frames] = out
        return frames


def _width(plugin: Any, channels: int, sample_rate: int) -> int:
    """Return how many channels the instrument gives. Raises Refusal."""
    for wide in (2, 1) if channels > 1 else (1, 2):
        try:
            plugin.process([], _BUFFER / sample_rate, sample_rate, num_channels=wide, buffer_size=_BUFFER, reset=False)
        except ValueError:
            continue
        return wide
    raise Refusal(f"{plugin.name} gives neither mono nor stereo sound.", "Take another instrument.")


def _play(plugin: Any, messages: Sequence[tuple[bytes, float]], frames: int, sample_rate: int, wide: int) -> FloatArray:
    seconds = (frames + _INSIDE) / sample_rate
    try:
        out: FloatArray = plugin.process(
            list(messages), seconds, sample_rate, num_channels=wide, buffer_size=_BUFFER, reset=False
        )
    except (RuntimeError, ValueError) as exc:
        why = " ".join(str(exc).split()).rstrip(".")
        raise Refusal(f"{plugin.name} failed: {why}.", "Take it out of the preset.") from exc
    return out  # (wide, frames)
