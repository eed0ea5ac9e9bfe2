"""One plugin at work on one stem: loaded in its cage, tried, fed, and believed only after every check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bridge.closing import Closing
from bridge.domain.plugins import Insert, PluginOptions
from bridge.domain.preset import Plugin
from bridge.domain.stems import FloatArray, display_name
from bridge.effects.channels import channel_sets
from bridge.effects.plugins.blame import MOST_CRASHES, record_crash
from bridge.effects.plugins.ear import Ear
from bridge.effects.plugins.files import PluginFile, find_preset
from bridge.effects.plugins.host import Broken, Cage, Refused
from bridge.effects.plugins.states import MOST_BYTES, fault_of, read_state
from bridge.errors import BridgeError, EffectError, PluginError, PresetError
from bridge.units import format_duration

__all__ = ["Voice"]

_TRIAL_FRAMES = 8192
_TRIAL_BLOCKS = 4
_PATIENT_SECONDS = 4.0
"""A plugin may answer the noise of its trial as late as this: echoes alone, long look-ahead."""
_LOUDEST = np.float32(1000.0)
"""+60 dBFS."""
_HELD_SECONDS = 1.0
"""A plugin may hold back this much more than the latency it reports."""
_STATE = "state"


class Voice(Closing):
    """One plugin in its cage, loaded and set up for one stem; failures of the cage become errors that say where."""

    def __init__(
        self,
        open_voices: set[Voice],
        options: PluginOptions,
        step: Plugin,
        file: PluginFile,
        stem: str,
        sample_rate: int,
        channels: int,
        frames: int,
        *,
        plays: bool = False,
    ) -> None:
        """`open_voices` holds it until it is closed; one that `plays` is an instrument."""
        self._all, self._options, self._plays = open_voices, options, plays
        self._step, self._file, self._stem, self._sample_rate = step, file, stem, sample_rate
        self._given = self._taken = 0
        preset = find_preset(step, self._options)
        if preset:
            read_state(preset)  # for its errors: a plugin may crash on what no plugin wrote
        self._cage = Cage(memory_bytes=int(self._options.memory_gb * 1e9))
        self._all.add(self)
        try:
            self._cage.share_sound(channels, frames)
            self._told = self._ask_to_load(str(preset or ""), channels, frames)
        except BaseException:
            self.close()
            raise
        self.latency_frames = max(0, int(self._told.get("latency_frames", 0)))
        """As the plugin reported it; `play` has taken it out already, `sing` has not."""
        self._ear = Ear(sample_rate, self.latency_frames)

    def close(self) -> None:
        self._cage.close()
        self._all.discard(self)

    def insert(self) -> Insert:
        """Return what the plugin said of itself, and its state."""
        told = self._told
        return Insert(
            stem=self._stem,
            position=0,
            path=self._step.path,
            name=_text(told, "name"),
            maker=_text(told, "maker"),
            version=_text(told, "version"),
            sha256=self._file.sha256(),
            latency_frames=self.latency_frames,
            parameters={str(name): value for name, value in dict(told["parameters"]).items()},
            changed={str(name)[:200]: float(value) for name, value in dict(told["changed"]).items()},
            state=self._state(),
        )

    def _state(self) -> bytes:
        """Return what the cage left as the state; empty where that is none: the plugin may have written there too."""
        state = self._cage.folder / _STATE
        if state.is_symlink() or not state.is_file():
            return b""
        with state.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        return b"" if fault_of(data) else data

    def play(self, block: FloatArray) -> FloatArray:
        """Return what comes out, (C, m), 0 <= m <= n; checked for everything that can be known to be wrong."""
        out = self._sound(lambda seconds: self._cage.play(block, seconds))
        self._given += block.shape[1]
        if self._given - self._taken > self.latency_frames + self._sample_rate * _HELD_SECONDS + block.shape[1]:
            raise self._no_sound("less sound than it was given")
        self._ear.hear(block, out)
        if self._ear.is_broken:
            raise self._dumbness()
        return out

    def doubt(self) -> str:
        """Say in a sentence that it fell silent in the middle of what it was given; empty = it never did.

        No error, since nobody can know: a gate may do so, and a plugin whose trial has ended does.
        """
        gaps = self._ear.gaps_seconds()
        if not gaps:
            return ""
        long = sum(end - begin for begin, end in gaps)
        return (
            f"{self._name()} gave only silence for {long:.1f} s while sound went in, first near "
            f"{format_duration(gaps[0][0])}: listen to it, and look whether its licence or trial has ended."
        )

    def sing(self, messages: Sequence[tuple[int, bytes]], frames: int) -> FloatArray:
        """Return what an instrument makes of MIDI messages, each with its frame: (C, frames), checked as in `play`."""
        return self._sound(lambda seconds: self._cage.perform(messages, frames, seconds))

    def try_on_a_note(self) -> None:
        """Play one note, which need not be heard: many instruments have no sound for some keys."""
        self.sing([(0, bytes((0x90, 60, 100))), (_TRIAL_FRAMES // 2, bytes((0x80, 60, 0)))], _TRIAL_FRAMES)

    def _sound(self, made: Callable[[float], FloatArray]) -> FloatArray:
        try:
            out = made(self._options.seconds_without_progress)
        except Broken as exc:
            raise self._broke(str(exc)) from exc
        except Refused as exc:
            raise EffectError(f"{self._name()}: {exc.message}", hint=exc.hint) from exc
        self._taken += out.shape[1]
        if not np.isfinite(out).all():
            raise self._no_sound("something that is not sound (NaN or infinity)")
        if np.abs(out).max(initial=0.0) > _LOUDEST:
            raise self._no_sound("something a thousand times louder than full scale")
        return out

    def try_on_noise(self) -> None:
        """Play noise, then silence for as long as nothing comes. Raises EffectError when nothing ever does."""
        channels = self._cage.sound_channels
        noise = np.random.default_rng(0).standard_normal((channels, _TRIAL_FRAMES)).astype(np.float32) * np.float32(0.2)
        for _ in range(_TRIAL_BLOCKS):
            self.play(noise)
        patience = self.latency_frames + int(_PATIENT_SECONDS * self._sample_rate)
        for _ in range(0, patience, _TRIAL_FRAMES):
            if not self._ear.is_dumb:
                return
            self.play(np.zeros_like(noise))
        if self._ear.is_dumb:
            raise self._dumbness()

    def _ask_to_load(self, preset: str, channels: int, frames: int) -> dict[str, Any]:
        try:
            return self._cage.ask(
                "load",
                self._options.seconds_to_load,
                path=str(self._file.to_load),
                plugin_name=self._step.plugin_name,
                preset=preset,
                parameters=dict(self._step.parameters),
                sample_rate=self._sample_rate,
                channels=channels,
                frames=frames,
                plays=self._plays,
                sets=[(rows.start, rows.stop) for rows in channel_sets(channels, 2)],
            )
        except Broken as exc:
            raise self._broke(str(exc)) from exc
        except Refused as exc:
            kind: type[BridgeError] = PluginError if exc.absent else PresetError
            raise kind(exc.message, hint=exc.hint, path=self._file.path) from exc

    def _name(self) -> str:
        return f"The plugin {self._step.path} on {display_name(self._stem) if self._plays else self._stem}"

    def _when(self) -> str:
        return format_duration(self._taken / self._sample_rate)

    def _broke(self, reason: str) -> EffectError:
        record_crash(self._options.records, self._file.sha256(), self._file.path, reason)
        return EffectError(
            f"{self._name()} {reason}, near {self._when()}.",
            hint=f"Update it or take it out of the preset; after {MOST_CRASHES} failures it is not loaded any more.",
            path=self._file.path,
        )

    def _no_sound(self, what: str) -> EffectError:
        return EffectError(
            f"{self._name()} gave {what} near {self._when()}.",
            hint="Change its parameters, update it, or take it out of the preset.",
            path=self._file.path,
        )

    def _dumbness(self) -> EffectError:
        return EffectError(
            f"{self._name()} gives only silence.",
            hint="Look at its level, and in a DAW whether its licence is still good; or take it out of the preset.",
            path=self._file.path,
        )


def _text(told: dict[str, Any], key: str) -> str:
    return str(told.get(key) or "")[:200]
