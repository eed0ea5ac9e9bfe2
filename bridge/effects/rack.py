"""The user's own plugins as steps of chains: found, tried before the work begins, then streamed, each in its cage."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from bridge.domain.plugins import Insert, PluginOptions
from bridge.domain.preset import Chain, MidSide, Parallel, Plugin, Step
from bridge.domain.stems import FloatArray
from bridge.effects.blame import MOST_CRASHES, blamed, record_crash
from bridge.effects.channels import channel_sets
from bridge.effects.host import Broken, Cage, Refused
from bridge.effects.plugin_files import PluginFile, find_file, find_preset, missing
from bridge.effects.shared import Shared
from bridge.errors import BridgeError, EffectError, PluginError, PresetError
from bridge.units import format_duration

__all__ = ["Rack"]

_TRIAL_FRAMES = 8192
_TRIAL_BLOCKS = 4
_PATIENT_SECONDS = 4.0
"""A plugin may answer the noise of its trial as late as this: echoes alone, long look-ahead."""
_LOUD = np.float32(0.01)
"""-40 dBFS: what is quieter, a gate may well close on."""
_DUMB_SECONDS = 5.0
"""After so much loud sound, nothing but zeros is no effect any more."""
_LOUDEST = np.float32(1000.0)
"""+60 dBFS."""
_HELD_SECONDS = 1.0
"""A plugin may hold back this much more than the latency it reports."""
_STATE = "state"


class Rack:
    """All plugins of one job. A context manager; leaving it ends their processes."""

    def __init__(self, options: PluginOptions | None = None, notice: Callable[[str], None] = lambda _: None) -> None:
        """`notice` is told what is left out, and why; without `options` there are no folders, and so no plugin."""
        self._options = options or PluginOptions()
        self._notice = notice
        self._tried: dict[tuple[str, int, int], Insert] = {}
        self._open: set[Cage] = set()
        self.inserts: list[Insert] = []
        """What `fit` found, in the order of stems and chains."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process that is left."""
        while self._open:
            self._open.pop().close()

    def fit(self, stem: str, chain: Chain, *, sample_rate: int, channels: int) -> Chain:
        """Try every plugin of a chain on noise and return the chain without those that are to be skipped.

        Raises PluginError for one that is missing, blocked or not usable, PresetError for parameters it does not have,
        EffectError when it crashes, hangs or gives what is no sound. A plugin that stems share is tried once.
        """
        position = itertools.count(1)

        def fitted(steps: Chain) -> Iterator[Step]:
            for step in steps:
                if isinstance(step, Parallel):
                    yield Parallel(tuple(tuple(fitted(branch)) for branch in step.branches))
                elif isinstance(step, MidSide):
                    yield MidSide(tuple(fitted(step.mid)), tuple(fitted(step.side)))
                elif not isinstance(step, Plugin) or self._insert(step, stem, next(position), sample_rate, channels):
                    yield step

        return tuple(fitted(chain))

    def run(self, step: Plugin, blocks: Iterator[FloatArray], stem: str, sample_rate: int) -> Iterator[FloatArray]:
        """Filter an endless stream of equal blocks, (C, n) each, through a plugin; fresh, aligned to the sample.

        Raises EffectError when the plugin crashes, hangs, stays silent, or gives NaN, infinity or a wrong length.
        """
        if step.wet == 1.0:
            return self._wet(step, blocks, stem, sample_rate)
        heard = Shared(blocks)
        dry, source = heard.tap(), heard.tap()
        wet_share, dry_share = np.float32(step.wet), np.float32(1.0 - step.wet)
        pairs = zip(dry, self._wet(step, source, stem, sample_rate), strict=True)
        return (before * dry_share + after * wet_share for before, after in pairs)

    def _wet(self, step: Plugin, blocks: Iterator[FloatArray], stem: str, sample_rate: int) -> Iterator[FloatArray]:
        first = next(blocks)
        channels, size = first.shape
        file = self._file(step)
        with _Voice(self, step, file, stem, sample_rate, channels, size) as voice:
            ready = np.zeros((channels, 0), np.float32)
            for block in itertools.chain([first], blocks):
                out = voice.play(block)
                ready = np.concatenate([ready, out], axis=1) if ready.shape[1] else out
                if ready.shape[1] >= size:
                    yield np.ascontiguousarray(ready[:, :size])
                    ready = ready[:, size:]

    def _insert(self, step: Plugin, stem: str, position: int, sample_rate: int, channels: int) -> bool:
        """Try a step and note it; say whether it is to run."""
        known = (repr(replace(step, wet=1.0)), sample_rate, channels)
        insert = self._tried.get(known)
        if insert is None:
            insert = self._try(step, stem, sample_rate, channels)
            self._tried[known] = insert
            if insert.skipped:
                self._notice(f"The plugin {step.path} was left out: {insert.skipped}")
        self.inserts.append(replace(insert, stem=stem, position=position, wet=step.wet))
        return not insert.skipped

    def _try(self, step: Plugin, stem: str, sample_rate: int, channels: int) -> Insert:
        try:
            file = self._file(step)
            with _Voice(self, step, file, stem, sample_rate, channels, _TRIAL_FRAMES) as voice:
                voice.try_on_noise()
                return voice.insert()
        except PluginError as error:
            if (step.missing or self._options.missing) == "skip":
                return Insert(stem, 0, step.path, skipped=error.message)
            raise

    def _file(self, step: Plugin) -> PluginFile:
        file = find_file(step.path, self._options)
        if file is None:
            raise missing(step.path, self._options)
        if self._options.records is not None:
            blame = blamed(self._options.records, file.sha256())
            if blame and blame.blocked:
                raise PluginError(
                    f"The plugin {step.path} is blocked: it failed {blame.crashes} times, last it {blame.reason}.",
                    hint="Update it, or let it in again with: stem-bridge plugins scan --retry",
                    path=file.path,
                )
        return file


class _Voice:
    """One plugin in its cage, loaded and set up for one stem; failures of the cage become errors that say where."""

    def __init__(
        self, rack: Rack, step: Plugin, file: PluginFile, stem: str, sample_rate: int, channels: int, frames: int
    ) -> None:
        self._rack, self._options = rack, rack._options
        self._step, self._file, self._stem, self._sample_rate = step, file, stem, sample_rate
        self._given = self._taken = self._loud = 0
        self._dumb = True
        preset = find_preset(step, self._options)
        self._cage = Cage(memory_bytes=int(self._options.memory_gb * 1e9))
        rack._open.add(self._cage)
        try:
            self._cage.share_sound(channels, frames)
            self._told = self._ask_to_load(str(preset or ""), channels, frames)
        except BaseException:
            self.close()
            raise
        self._latency = max(0, int(self._told.get("latency_frames", 0)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._cage.close()
        self._rack._open.discard(self._cage)

    def insert(self) -> Insert:
        """Return what the plugin said of itself, and its state."""
        told, state = self._told, self._cage.folder / _STATE
        return Insert(
            stem=self._stem,
            position=0,
            path=self._step.path,
            name=_text(told, "name"),
            maker=_text(told, "maker"),
            version=_text(told, "version"),
            sha256=self._file.sha256(),
            latency_frames=self._latency,
            parameters={str(name): value for name, value in dict(told["parameters"]).items()},
            state=state.read_bytes() if state.is_file() else b"",
        )

    def play(self, block: FloatArray) -> FloatArray:
        """Return what comes out, (C, m), 0 <= m <= n; checked for everything that can be known to be wrong."""
        try:
            out = self._cage.play(block, self._options.seconds_without_progress)
        except Broken as exc:
            raise self._broke(str(exc)) from exc
        except Refused as exc:
            raise EffectError(f"{self._name()}: {exc.message}", hint=exc.hint) from exc
        self._given += block.shape[1]
        self._taken += out.shape[1]
        if not np.isfinite(out).all():
            raise self._no_sound("something that is not sound (NaN or infinity)")
        if np.abs(out).max(initial=0.0) > _LOUDEST:
            raise self._no_sound("something a thousand times louder than full scale")
        if self._given - self._taken > self._latency + self._sample_rate * _HELD_SECONDS + block.shape[1]:
            raise self._no_sound("less sound than it was given")
        self._dumb = self._dumb and not out.any()
        self._loud += int(np.count_nonzero(np.abs(block).max(axis=0) > _LOUD)) if self._dumb else 0
        if self._dumb and self._loud > _DUMB_SECONDS * self._sample_rate + self._latency:
            raise self._dumbness()
        return out

    def try_on_noise(self) -> None:
        """Play noise, then silence for as long as nothing comes. Raises EffectError when nothing ever does."""
        channels = self._cage.sound_channels
        noise = np.random.default_rng(0).standard_normal((channels, _TRIAL_FRAMES)).astype(np.float32) * np.float32(0.2)
        for _ in range(_TRIAL_BLOCKS):
            self.play(noise)
        patience = self._latency + int(_PATIENT_SECONDS * self._sample_rate)
        for _ in range(0, patience, _TRIAL_FRAMES):
            if not self._dumb:
                return
            self.play(np.zeros_like(noise))
        if self._dumb:
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
                sets=[(rows.start, rows.stop) for rows in channel_sets(channels, 2)],
            )
        except Broken as exc:
            raise self._broke(str(exc)) from exc
        except Refused as exc:
            kind: type[BridgeError] = PluginError if exc.absent else PresetError
            raise kind(exc.message, hint=exc.hint, path=self._file.path) from exc

    def _name(self) -> str:
        return f"The plugin {self._step.path} on {self._stem}"

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
