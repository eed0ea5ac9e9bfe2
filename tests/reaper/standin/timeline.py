"""Markers, regions and tempo, each function of the API under its own name."""

# ruff: noqa: N802
# The methods have the names of the API.

from __future__ import annotations

from tests.reaper.standin.beats import tied_items_follow
from tests.reaper.standin.mixer import Mixer
from tests.reaper.standin.refused import RefusedError
from tests.reaper.standin.state import Marker, Tempo

__all__ = ["Timeline"]


class Timeline(Mixer):
    """One method per function; arguments are checked before."""

    # Markers and the project

    def CountProjectMarkers(self, _proj: object) -> tuple[int, int, int]:
        regions = sum(marker.is_region for marker in self._project.markers)
        count = len(self._project.markers)
        return count, count - regions, regions

    def EnumProjectMarkers3(self, _proj: object, index: int) -> tuple[int, bool, float, float, str, int, int]:
        if not 0 <= index < len(self._project.markers):
            return 0, False, 0.0, 0.0, "", 0, 0
        one = self._project.markers[index]
        return index + 1, one.is_region, one.start, one.end, one.name, one.number, one.color

    def AddProjectMarker2(
        self, _proj: object, is_region: bool, start: float, end: float, name: str, number: int, color: int
    ) -> int:
        self._edit()
        number = number if number >= 0 else len(self._project.markers) + 1
        self._project.markers.append(Marker(name, start, end if is_region else start, is_region, number, color))
        return number

    def CountTempoTimeSigMarkers(self, _proj: object) -> int:
        return len(self._project.tempo)

    def GetTempoTimeSigMarker(self, _proj: object, index: int) -> tuple[bool, float, int, float, float, int, int, bool]:
        if not 0 <= index < len(self._project.tempo):
            return False, 0.0, 0, 0.0, 0.0, 0, 0, False
        one = self._project.tempo[index]
        return True, one.seconds, 0, 0.0, one.bpm, one.numerator, one.denominator, one.is_ramp

    def SetTempoTimeSigMarker(
        self,
        _proj: object,
        index: int,
        seconds: float,
        measure: int,
        beat: float,
        bpm: float,
        numerator: int,
        denominator: int,
        is_ramp: bool,
    ) -> bool:
        self._edit()
        if index != -1 or measure != -1 or beat != -1:
            raise RefusedError("only new changes at a time are modelled")
        if seconds < 0 or not 0 < bpm <= 960:
            raise RefusedError(f"a tempo of {bpm} at {seconds} s is out of range")
        with tied_items_follow(self._project):
            self._project.tempo.append(Tempo(seconds, bpm, numerator, denominator, is_ramp))
            self._project.tempo.sort(key=lambda one: one.seconds)
        return True

    def DeleteTempoTimeSigMarker(self, _proj: object, index: int) -> bool:
        self._edit()
        if not 0 <= index < len(self._project.tempo):
            return False
        with tied_items_follow(self._project):
            del self._project.tempo[index]
        return True

    def TimeMap_GetTimeSigAtTime(self, _proj: object, seconds: float) -> tuple[int, int, float]:
        signed = [one for one in self._project.tempo if one.seconds <= seconds]
        numerator = next((one.numerator for one in reversed(signed) if one.numerator), 4)
        denominator = next((one.denominator for one in reversed(signed) if one.denominator), 4)
        return numerator, denominator, signed[-1].bpm if signed else self._project.bpm

    def GetProjectTimeOffset(self, _proj: object, _is_rounded: bool) -> float:
        return self._project.time_offset
