"""Effects on tracks: found by name, loaded with the state of a .vstpreset, set and read; under the API's own names.

Names are those of REAPER's list: 'VST3: Name (Maker)'. A script may leave the kind and the maker out; that REAPER also
takes other parts of a name is documented nowhere, and so refused here by finding nothing.
"""

# ruff: noqa: N802
# The methods have the names of the API.

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.reaper.standin.refused import RefusedError
from tests.reaper.standin.state import FX_PARAMETERS, Fx, Track
from tests.reaper.standin.window import Window

__all__ = ["Effects", "Vst3", "state_of"]

_HEAD = 48
"""'VST3', version, class id of 32 characters, place of the list of chunks."""
_BYPASS, _WET = ":bypass", ":wet"


def state_of(class_id: str, values: Mapping[str, float]) -> bytes:
    """Make a .vstpreset for a plugin of the stand-in: a true head, and values that `Vst3` reads."""
    text = json.dumps(dict(values)).encode()
    return (
        b"VST3\x01\0\0\0"
        + class_id.encode("ascii")
        + (_HEAD + len(text)).to_bytes(8, "little")
        + text
        + b"List\0\0\0\0"
    )


def _values_in(state: bytes) -> Mapping[str, float]:
    found: Mapping[str, float] = json.loads(state[_HEAD : int.from_bytes(state[40:48], "little")])
    return found


@dataclass(frozen=True)
class Vst3:
    """A plugin of somebody else that is installed."""

    class_id: str
    """32 characters, as a .vstpreset has it."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Normalised parameters as it starts, in order."""
    read: Callable[[bytes], Mapping[str, float]] = _values_in
    """What its parameters are once it took a state."""
    gain: Callable[[Mapping[str, float]], float] = lambda _: 1.0
    """All that it does to sound."""


class Effects(Window):
    """One method per function; arguments are checked before, pointers are objects."""

    def TrackFX_AddByName(self, track: Track, name: str, is_input: bool, instantiate: int) -> int:
        if is_input or instantiate > 0:
            raise RefusedError("only asking for track FX (0), and adding them at the end (-1), are modelled")
        full = next((one for one in (*self._reaper.installed_fx, *self._reaper.plugins) if _is_meant(name, one)), None)
        if instantiate == 0:
            return next((place for place, fx in enumerate(track.fx) if fx.name == full), -1)
        self._edit()
        if full is None:
            return -1
        plugin = self._reaper.plugins.get(full)
        track.fx.append(Fx(full, dict(plugin.values if plugin else FX_PARAMETERS.get(full, {}))))
        self._listen(track.fx[-1])
        return len(track.fx) - 1

    def TrackFX_SetEnabled(self, track: Track, fx: int, enabled: bool) -> None:
        self._edit()
        one = _on(track, fx)
        one.is_enabled = enabled
        self._listen(one)

    def TrackFX_SetPreset(self, track: Track, fx: int, name: str) -> bool:
        """Activate a preset of the list, of which there are none, or, for a VST3, a .vstpreset by its full path."""
        self._edit()
        one, file = _on(track, fx), self._reaper.locate(name)
        plugin = self._reaper.plugins.get(one.name)
        if plugin is None or not name.endswith(".vstpreset") or not file.is_file():
            return False
        state = file.read_bytes()
        if state[:4] != b"VST3" or state[8:40].decode("latin-1") != plugin.class_id:
            return False
        one.values.update(plugin.read(state))
        one.preset = name
        self._listen(one)
        return True

    def TrackFX_GetNumParams(self, track: Track, fx: int) -> int:
        return len(_on(track, fx).values) + 2

    def TrackFX_GetParamFromIdent(self, track: Track, fx: int, ident: str) -> int:
        if ident not in (_BYPASS, _WET):
            raise RefusedError("only the idents of REAPER's own parameters are modelled")
        return len(_on(track, fx).values) + (_BYPASS, _WET).index(ident)

    def TrackFX_GetParamName(self, track: Track, fx: int, parameter: int) -> tuple[bool, str]:
        names = [*_on(track, fx).values, "Bypass", "Wet"]
        return (True, names[parameter]) if 0 <= parameter < len(names) else (False, "")

    def TrackFX_GetParamNormalized(self, track: Track, fx: int, parameter: int) -> float:
        one = _on(track, fx)
        return [*one.values.values(), float(not one.is_enabled), one.wet][parameter]

    def TrackFX_SetParamNormalized(self, track: Track, fx: int, parameter: int, value: float) -> bool:
        self._edit()
        if not 0.0 <= value <= 1.0:
            raise RefusedError(f"{value} is not normalised")
        one = _on(track, fx)
        if parameter == len(one.values) + 1:
            one.wet = value
        elif parameter == len(one.values):
            one.is_enabled = value < 0.5
        else:
            one.values[list(one.values)[parameter]] = value
        self._listen(one)
        return True

    def _listen(self, fx: Fx) -> None:
        """Let a plugin's sound follow its parameters; what a stock effect does is as a test says."""
        plugin = self._reaper.plugins.get(fx.name)
        if plugin is not None:
            full = plugin.gain(fx.values) if fx.is_enabled else 1.0
            fx.gain = 1.0 + fx.wet * (full - 1.0)


def _on(track: Track, fx: int) -> Fx:
    if not 0 <= fx < len(track.fx):
        raise RefusedError(f"there is no effect {fx} on the track")
    return track.fx[fx]


def _is_meant(name: str, full: str) -> bool:
    """Say whether a script that writes `name` means the effect that REAPER lists as `full`."""
    kind, _, rest = full.rpartition(": ") if re.match(r"[\w]+: ", full) else ("", "", full)
    wanted = re.fullmatch(r"(?:(VST3|VST2|VST|AU|JS|DX):\s*)?(.+)", name)
    if wanted is None or (wanted[1] and wanted[1] not in (kind, kind[:3])):
        return False
    return wanted[2] in (rest, re.sub(r"\s+\([^()]*\)$", "", rest))
