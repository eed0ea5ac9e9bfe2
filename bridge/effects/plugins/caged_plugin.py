"""A plugin inside its cage: loaded, set up, fitted to the channels of the stem, and played block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pedalboard

from bridge.domain.stems import FloatArray
from bridge.effects.plugins.parameters import Refusal, changed, check_all, read_all, set_all, shown
from bridge.effects.plugins.states import MOST_BYTES, owner_of
from bridge.words import did_you_mean

__all__ = ["BUFFER", "CagedPlugin", "Refusal", "describe", "introduced", "load_plugin", "take_state"]

BUFFER = 8192
"""Frames the plugin works on at once; divides the blocks, so that all its blocks are equal."""
_MOST_WAKING_SECONDS = 10.0
_WAKING_SHARE = 0.25
"""Of the time there is: an instrument is waited for twice, until it sounds, since it may still read its samples."""
_MOST_LISTED = 12
_MOST_DESCRIBED = 1
"""A file with more plugins than this is a shell: each is described when it is asked for by name."""


class CagedPlugin:
    """One or several instances of a plugin, set up alike, that together hear all channels of a stem."""

    def __init__(self, fittings: Sequence[_Fitting], sound: np.memmap[Any, np.dtype[np.float32]]) -> None:
        self._fittings = fittings
        self._sound = sound

    @classmethod
    def load(cls, asked: Mapping[str, Any], folder: Path) -> tuple[Self, dict[str, Any]]:
        """Load, set up, warm up and fit; return what the parent is told. Raises Refusal."""
        sets = [slice(first, last) for first, last in asked["sets"]]
        fittings = [_fit(asked, rows) for rows in sets]
        sound = np.memmap(
            folder / "sound", np.float32, "r+", shape=(2, asked["channels"], asked["frames"])
        )  # (2, C, T)
        told = introduced(fittings[0].instances[0], folder)
        told["latency_frames"] = max(int(one.reported_latency_samples) for one in fittings[0].instances)
        for fitting in fittings:
            fitting.reset()
        return cls(fittings, sound), told

    def play(self, frames: int) -> int:
        """Process the block that lies in the shared memory; return how many frames came out, 0..frames."""
        outputs = [fitting.play(self._sound[0, fitting.rows, :frames]) for fitting in self._fittings]
        ready = min(int(output.shape[1]) for output in outputs)
        for fitting, output in zip(self._fittings, outputs, strict=True):
            self._sound[1, fitting.rows, :ready] = output[:, :ready]
            fitting.keep(output[:, ready:])
        return ready


class _Fitting:
    """Instances that hear one set of channels: as it is, doubled for a plugin that is stereo only, or one by one."""

    def __init__(self, rows: slice, instances: Sequence[Any], sample_rate: int, *, doubles: bool) -> None:
        self.rows = rows
        self.instances = instances
        self._sample_rate = sample_rate
        self._doubles = doubles
        self._kept = np.zeros((rows.stop - rows.start, 0), np.float32)

    def play(self, block: FloatArray) -> FloatArray:
        """Return what is ready, (C, m), kept frames first."""
        heard = np.array(block)  # (C, n), the plugin's own copy
        if len(self.instances) > 1:
            parts = [self._run(one, heard[n : n + 1]) for n, one in enumerate(self.instances)]
            out = np.concatenate(parts)  # (C, m)
        elif self._doubles:
            out = self._run(self.instances[0], np.repeat(heard, 2, axis=0)).mean(axis=0, keepdims=True)  # (1, m)
        else:
            out = self._run(self.instances[0], heard)
        return np.concatenate([self._kept, out], axis=1) if self._kept.shape[1] else out

    def keep(self, rest: FloatArray) -> None:
        """Hold back what other sets have not ready yet."""
        self._kept = np.array(rest)

    def reset(self) -> None:
        for one in self.instances:
            one.reset()

    def _run(self, instance: Any, block: FloatArray) -> FloatArray:
        try:
            out: FloatArray = instance.process(block, self._sample_rate, buffer_size=BUFFER, reset=False)
        except (RuntimeError, ValueError) as exc:
            raise Refusal(f"{instance.name} failed: {_line(exc)}.", "Take it out of the preset.") from exc
        return out


def describe(path: str, plugin_name: str, seconds: float) -> dict[str, Any]:
    """Tell what a file holds: every plugin's name, and all of the one that is asked for, or of the only one.

    `seconds` as in `load_plugin`. Raises Refusal for a file that is no plugin.
    """
    names = _names(path)
    if not plugin_name and len(names) > _MOST_DESCRIBED:
        return {"names": names, "plugin": None}
    plugin = load_plugin(path, plugin_name, seconds)
    return {
        "names": names,
        "plugin": {
            "name": plugin.name,
            "maker": plugin.manufacturer_name,
            "version": plugin.version,
            "category": plugin.category,
            "instrument": bool(plugin.is_instrument),
            "latency_frames": int(plugin.reported_latency_samples),
            "parameters": [_described(name, one) for name, one in plugin.parameters.items()],
        },
    }


def _described(name: str, parameter: Any) -> dict[str, Any]:
    words = parameter.type is str
    low, high, _ = parameter.range
    return {
        "name": name,
        "kind": {str: "choice", bool: "flag"}.get(parameter.type, "number"),
        "unit": parameter.label or "",
        "value": shown(parameter),
        "low": None if words or low is None else float(low),
        "high": None if words or high is None else float(high),
        "choices": [str(one) for one in parameter.valid_values[:200]] if words else [],
    }


def introduced(plugin: Any, folder: Path) -> dict[str, Any]:
    """Return what the parent is told of a plugin that is set up and has run; its state goes into the folder."""
    (folder / "state").write_bytes(_state(plugin))
    return {
        "name": plugin.name,
        "maker": plugin.manufacturer_name,
        "version": plugin.version,
        "latency_frames": int(plugin.reported_latency_samples),
        "parameters": read_all(plugin),
        "changed": changed(plugin),
    }


def load_plugin(path: str, plugin_name: str, seconds: float) -> Any:
    """Load a plugin; in all there are `seconds` to set it up. Raises Refusal, `absent` where it does not work here."""
    waking = min(_MOST_WAKING_SECONDS, seconds * _WAKING_SHARE)
    try:
        plugin = pedalboard.load_plugin(path, plugin_name=plugin_name or None, initialization_timeout=waking)
    except (ImportError, RuntimeError, ValueError, TypeError) as exc:  # TypeError: a name that is no text
        if len(names := _names(path)) > 1:
            raise _not_this_one(path, plugin_name, names) from exc
        raise _not_loaded(path, exc) from exc
    if plugin_name and plugin.name != plugin_name:
        # Where it is the only one, Pedalboard loads it by any name.
        raise _not_this_one(path, plugin_name, [plugin.name])
    return plugin


def _names(path: str) -> list[str]:
    """Return the name of every plugin in a file, in its order. Raises Refusal for one that is none."""
    kind = pedalboard.VST3Plugin if path.lower().endswith(".vst3") else pedalboard.AudioUnitPlugin
    try:
        return list(kind.get_plugin_names_for_file(path))
    except (ImportError, RuntimeError, ValueError, TypeError) as exc:  # as above
        raise _not_loaded(path, exc) from exc


def _not_this_one(path: str, plugin_name: str, names: Sequence[str]) -> Refusal:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    there = ", ".join(f"'{name}'" for name in names[:_MOST_LISTED]) + more
    if not plugin_name:
        return Refusal(f"{Path(path).name} holds several plugins.", f"Name one as 'plugin_name': {there}.")
    hint = did_you_mean(plugin_name, names) or f"It holds {there}."
    return Refusal(f"{Path(path).name} holds no plugin '{plugin_name}'.", hint)


def _not_loaded(path: str, exc: Exception) -> Refusal:
    return Refusal(
        f"{Path(path).name} cannot be loaded: {_line(exc)}.",
        "Install it again, for this system and processor; on macOS open it once in a DAW, so that it is let through.",
        absent=True,
    )


def _fit(asked: Mapping[str, Any], rows: slice) -> _Fitting:
    """Load as many instances as these channels need, and set them up."""
    wide, sample_rate = rows.stop - rows.start, int(asked["sample_rate"])
    first = _set_up(asked)
    if _hears(first, wide, sample_rate):
        fitting = _Fitting(rows, [first], sample_rate, doubles=False)
    elif wide == 1 and _hears(first, 2, sample_rate):
        fitting = _Fitting(rows, [first], sample_rate, doubles=True)
    elif wide == 2 and _hears(first, 1, sample_rate):
        fitting = _Fitting(rows, [first, _set_up(asked)], sample_rate, doubles=False)
    else:
        raise Refusal(f"{first.name} takes neither mono nor stereo sound.", "Take another plugin.")
    heard = 2 if fitting._doubles else wide // len(fitting.instances)
    for one in fitting.instances:
        # A state, and a latency, that was just set is the plugin's own only once it has run.
        _run_once(one, heard, sample_rate)
        check_all(one, asked["parameters"])
    return fitting


def _set_up(asked: Mapping[str, Any]) -> Any:
    plugin = load_plugin(asked["path"], asked["plugin_name"], asked["seconds"])
    if plugin.is_instrument:
        hint = "Take an effect; instruments stand under 'instruments' in a preset, and play the .mid beside the render."
        raise Refusal(f"{plugin.name} is an instrument: it plays notes and hears no sound.", hint)
    if asked["preset"]:
        take_state(plugin, asked["preset"])
        for wide in (2, 1):
            if _hears(plugin, wide, int(asked["sample_rate"])):
                break
    set_all(plugin, asked["parameters"])
    return plugin


def take_state(plugin: Any, preset: str) -> None:
    """Load a .vstpreset. Raises Refusal when the plugin does not take it."""
    try:
        plugin.load_preset(preset)
    except (RuntimeError, ValueError, OSError) as exc:
        mine, theirs = owner_of(_state(plugin)), owner_of(Path(preset).read_bytes())
        why = "it is another plugin's" if mine and theirs and mine != theirs else "it cannot read it"
        raise Refusal(
            f"{plugin.name} does not take the state {Path(preset).name}: {why}.",
            "Save it again with this plugin, in the version that is installed.",
        ) from exc


def _hears(plugin: Any, channels: int, sample_rate: int) -> bool:
    try:
        _run_once(plugin, channels, sample_rate)
    except ValueError:
        return False
    return True


def _run_once(plugin: Any, channels: int, sample_rate: int) -> None:
    plugin.process(np.zeros((channels, BUFFER), np.float32), sample_rate, buffer_size=BUFFER, reset=False)


def _state(plugin: Any) -> bytes:
    """Return the state as a .vstpreset; empty for what has none: Audio Units, and states beyond all measure."""
    try:
        state = bytes(plugin.preset_data)
    except (AttributeError, RuntimeError, NotImplementedError):
        return b""
    return state if len(state) <= MOST_BYTES else b""


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
