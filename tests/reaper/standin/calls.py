"""The functions of the API that the stand-in models, each under its own name, on a project with state.

Here: tracks, items, takes, sends, undo. `effects`, `timeline` and `mixer` have more, `window` the user and files.
"""

# ruff: noqa: N802
# The methods have the names of the API.

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.reaper.standin.api import check_key, check_value
from tests.reaper.standin.effects import Effects
from tests.reaper.standin.refused import RefusedError
from tests.reaper.standin.state import (
    Envelope,
    Item,
    Send,
    Source,
    Take,
    Track,
)
from tests.reaper.standin.timeline import Timeline
from tests.reaper.standin.window import at

if TYPE_CHECKING:
    from tests.reaper.standin.machine import Reaper

__all__ = ["Calls", "RefusedError"]


class Calls(Effects, Timeline):
    """One method per function; arguments are checked before, pointers are objects."""

    def __init__(self, reaper: Reaper) -> None:
        super().__init__(reaper)

    def _get(self, function: str, values: dict[str, float], key: str) -> float:
        self._refuse(check_key(function, key, is_set=False))
        return values.get(key, 0.0)

    def _set(self, function: str, values: dict[str, float], key: str, value: float) -> bool:
        if function == "SetMediaTrackInfo_Value":
            self._edit_for_now()
        else:
            self._edit()
        kind = function.removeprefix("Set").removesuffix("Info_Value")
        self._refuse(check_key(function, key, is_set=True) or check_value(kind, key, value))
        values[key] = float(value)
        return True

    def _text(
        self, function: str, thing: Track | Item | Take | Send, key: str, text: str, is_set: bool
    ) -> tuple[bool, str]:
        self._refuse(check_key(function, key, is_set=is_set))
        texts = thing.texts
        if key == "GUID" and not isinstance(thing, Send):
            if is_set:
                raise RefusedError("a GUID is for reading")
            return True, thing.guid
        if not is_set:
            return key in texts or key.startswith("P_NAME"), texts.get(key, "")
        self._edit()
        if any(mark in text for mark in "\0\n\r"):
            raise RefusedError(f"{key} = {text!r} does not fit on a line of the project file")
        if text:
            texts[key] = text
        else:
            texts.pop(key, None)
        return True, text

    # Tracks

    def CountTracks(self, _proj: object) -> int:
        return len(self._project.tracks)

    def GetTrack(self, _proj: object, index: int) -> object:
        return at(self._project.tracks, index)

    def InsertTrackAtIndex(self, index: int, _defaults: bool) -> None:
        self._edit()
        self._project.tracks.insert(max(0, min(index, len(self._project.tracks))), Track())

    def GetMasterTrack(self, _proj: object) -> Track:
        return self._project.master

    def GetTrackGUID(self, track: Track) -> str:
        return track.guid

    def GetParentTrack(self, track: Track) -> Track | None:
        return self._project.parent(track)

    def GetTrackEnvelopeByChunkName(self, track: Track, name: str) -> Envelope | None:
        return next((one for one in track.envelopes if one.chunk == name), None)

    def DeleteTrack(self, track: Track) -> None:
        self._edit()
        self._project.delete_track(track)

    def GetMediaTrackInfo_Value(self, track: Track, key: str) -> float:
        return self._get("GetMediaTrackInfo_Value", track.values, key)

    def SetMediaTrackInfo_Value(self, track: Track, key: str, value: float) -> bool:
        return self._set("SetMediaTrackInfo_Value", track.values, key, value)

    def GetSetMediaTrackInfo_String(self, track: Track, key: str, text: str, is_set: bool) -> tuple[bool, str]:
        return self._text("GetSetMediaTrackInfo_String", track, key, text, is_set)

    # Items

    def CountMediaItems(self, _proj: object) -> int:
        return len(list(self._project.items()))

    def GetMediaItem(self, _proj: object, index: int) -> object:
        return at(list(self._project.items()), index)

    def GetMediaItem_Track(self, item: Item) -> Track:
        return next(track for track in self._project.tracks if item in track.items)

    def CountTrackMediaItems(self, track: Track) -> int:
        return len(track.items)

    def GetTrackMediaItem(self, track: Track, index: int) -> object:
        return at(track.items, index)

    def AddMediaItemToTrack(self, track: Track) -> Item:
        self._edit()
        track.items.append(Item())
        return track.items[-1]

    def GetMediaItemInfo_Value(self, item: Item, key: str) -> float:
        return self._get("GetMediaItemInfo_Value", item.values, key)

    def SetMediaItemInfo_Value(self, item: Item, key: str, value: float) -> bool:
        return self._set("SetMediaItemInfo_Value", item.values, key, value)

    def GetSetMediaItemInfo_String(self, item: Item, key: str, text: str, is_set: bool) -> tuple[bool, str]:
        return self._text("GetSetMediaItemInfo_String", item, key, text, is_set)

    # Takes and sources

    def CountTakes(self, item: Item) -> int:
        return len(item.takes)

    def GetTake(self, item: Item, index: int) -> object:
        return at(item.takes, index)

    def GetActiveTake(self, item: Item) -> Take | None:
        return item.active_take

    def SetActiveTake(self, take: Take) -> None:
        self._edit()
        item = next(item for item in self._project.items() if take in item.takes)
        item.active = item.takes.index(take)

    def AddTakeToMediaItem(self, item: Item) -> Take:
        self._edit()
        item.takes.append(Take())
        item.active = len(item.takes) - 1
        return item.takes[-1]

    def GetMediaItemTakeInfo_Value(self, take: Take, key: str) -> float:
        return self._get("GetMediaItemTakeInfo_Value", take.values, key)

    def SetMediaItemTakeInfo_Value(self, take: Take, key: str, value: float) -> bool:
        return self._set("SetMediaItemTakeInfo_Value", take.values, key, value)

    def GetSetMediaItemTakeInfo_String(self, take: Take, key: str, text: str, is_set: bool) -> tuple[bool, str]:
        return self._text("GetSetMediaItemTakeInfo_String", take, key, text, is_set)

    def TakeIsMIDI(self, take: Take) -> bool:
        return take.is_midi

    def GetMediaItemTake_Source(self, take: Take) -> Source | None:
        return take.source

    def SetMediaItemTake_Source(self, take: Take, source: Source) -> bool:
        self._edit()
        if source not in self._reaper.loose_sources:
            raise RefusedError(f"{source.path} belongs to a take already")
        self._reaper.loose_sources.remove(source)
        take.source = source
        return True

    def PCM_Source_CreateFromFile(self, path: str) -> Source | None:
        source = Source.open(path, self._reaper.locate(path))
        if source:
            source.peaks = 0 if source.file in self._reaper.files_with_peaks else source.peaks
            self._reaper.loose_sources.append(source)
        return source

    def PCM_Source_Destroy(self, source: Source) -> None:
        if source not in self._reaper.loose_sources:
            raise RefusedError(f"{source.path} belongs to a take and must not be destroyed")
        self._reaper.loose_sources.remove(source)

    def GetMediaSourceLength(self, source: Source) -> tuple[float, bool]:
        return source.seconds, False

    def PCM_Source_BuildPeaks(self, source: Source, mode: int) -> int:
        if mode == 0:
            source.is_building = source.peaks > 0
            return int(source.is_building)
        if not source.is_building:
            raise RefusedError("peaks are built without having begun (mode 0)")
        if mode == 1:
            source.peaks = max(0, source.peaks - 1)
            return source.peaks * 50
        source.is_building = False
        self._reaper.files_with_peaks.add(source.file)
        return 0

    # Sends and effects

    def _sends(self, track: Track, category: int) -> list[Send]:
        if category > 0:
            return track.hardware
        if category == 0:
            return track.sends
        return [send for other in self._project.tracks for send in other.sends if send.target is track]

    def _send(self, track: Track, category: int, index: int) -> Send:
        sends = self._sends(track, category)
        if not 0 <= index < len(sends):
            raise RefusedError(f"there is no send {index}")
        return sends[index]

    def CreateTrackSend(self, track: Track, target: Track | None) -> int:
        self._edit()
        if target is None or target is track:
            raise RefusedError("only sends to another track are modelled")
        track.sends.append(Send(target))
        return len(track.sends) - 1

    def GetTrackNumSends(self, track: Track, category: int) -> int:
        return len(self._sends(track, category))

    def GetTrackSendInfo_Value(self, track: Track, category: int, index: int, key: str) -> object:
        send = self._send(track, category, index)
        if key == "P_DESTTRACK":
            return send.target
        if key == "P_SRCTRACK":
            return next(one for one in self._project.tracks if send in one.sends)
        return self._get("GetTrackSendInfo_Value", send.values, key)

    def SetTrackSendInfo_Value(self, track: Track, category: int, index: int, key: str, value: float) -> bool:
        return self._set("SetTrackSendInfo_Value", self._send(track, category, index).values, key, value)

    def GetSetTrackSendInfo_String(
        self, track: Track, category: int, index: int, key: str, text: str, is_set: bool
    ) -> tuple[bool, str]:
        return self._text("GetSetTrackSendInfo_String", self._send(track, category, index), key, text, is_set)

    # Undo

    def Undo_BeginBlock2(self, _proj: object) -> None:
        self._reaper.undo_blocks.append(copy.deepcopy(self._project))

    def Undo_EndBlock2(self, _proj: object, name: str, _flags: int) -> None:
        if not self._reaper.undo_blocks:
            raise RefusedError("an undo block ends that was not begun")
        before = self._reaper.undo_blocks.pop()
        if not self._reaper.undo_blocks and self._reaper.is_undo_on:
            self._reaper.undo_points.append((name, before, copy.deepcopy(self._project)))
            self._reaper.redo_points.clear()

    def Undo_CanUndo2(self, _proj: object) -> str | None:
        return self._reaper.undo_points[-1][0] if self._reaper.undo_points else None

    def Undo_DoUndo2(self, _proj: object) -> int:
        if self._reaper.undo_blocks:
            raise RefusedError("undo inside an undo block")
        return int(self._reaper.undo())
