"""What of the API concerns the user, files, selections, settings and other scripts, under its own names."""

# ruff: noqa: N802
# The methods have the names of the API.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from tests.reaper.standin.api import check_key, functions
from tests.reaper.standin.refused import RefusedError
from tests.reaper.standin.render import render
from tests.reaper.standin.state import RENDER_NUMBERS, RENDER_TEXTS, Item, Project, Take, Track, new_guid

if TYPE_CHECKING:
    from tests.reaper.standin.machine import Reaper

__all__ = ["Window", "at"]

_Thing = TypeVar("_Thing", Track, Item, Take)
_BUILD_MISSING_PEAKS = 40047
_RENDER = 42230
_NEW_TAB = 40859
_USUAL_REPLY = {0: 1, 1: 1, 3: 2, 4: 7, 5: 2}
"""What a user who is in a hurry presses: OK, else Cancel, else No."""


def at(things: Sequence[_Thing], index: int) -> _Thing | None:
    """Return the thing at a place, or None beyond."""
    return things[index] if 0 <= index < len(things) else None


class Window:
    """One method per function; arguments are checked before, pointers are objects."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    @property
    def _project(self) -> Project:
        return self._reaper.project

    def _edit(self) -> None:
        if not self._reaper.undo_blocks:
            raise RefusedError("the project is edited outside an undo block")

    def _edit_for_now(self) -> None:
        """Allow an edit outside an undo block that the script puts back before it ends."""
        if not self._reaper.undo_blocks and self._reaper.before_loose_edits is None:
            self._reaper.before_loose_edits = self._project.state()

    @staticmethod
    def _refuse(reason: str | None) -> None:
        if reason:
            raise RefusedError(reason)

    # Selections

    def _selected_tracks(self) -> list[Track]:
        return [one for one in self._project.tracks if one.values.get("I_SELECTED")]

    def _selected_items(self) -> list[Item]:
        return [one for one in self._project.items() if one.values.get("B_UISEL")]

    def CountSelectedTracks(self, _proj: object) -> int:
        return len(self._selected_tracks())

    def GetSelectedTrack(self, _proj: object, index: int) -> Track | None:
        return at(self._selected_tracks(), index)

    def SetTrackSelected(self, track: Track, selected: bool) -> None:
        self._edit_for_now()
        track.values["I_SELECTED"] = float(selected)

    def CountSelectedMediaItems(self, _proj: object) -> int:
        return len(self._selected_items())

    def GetSelectedMediaItem(self, _proj: object, index: int) -> Item | None:
        return at(self._selected_items(), index)

    def SetMediaItemSelected(self, item: Item, selected: bool) -> None:
        self._edit_for_now()
        item.values["B_UISEL"] = float(selected)

    def GetSet_LoopTimeRange2(
        self, _proj: object, is_set: bool, is_loop: bool, _start: float, _end: float, _seek: bool
    ) -> tuple[float, float]:
        if is_set or is_loop:
            raise RefusedError("only reading the time selection is modelled")
        return self._project.time_selection

    def AnyTrackSolo(self, _proj: object) -> bool:
        return any(one.values.get("I_SOLO") for one in self._project.tracks)

    # The project

    def GetProjectLength(self, _proj: object) -> float:
        return self._project.length

    def GetProjectName(self, _proj: object) -> str:
        return self._project.file.replace("\\", "/").rpartition("/")[2]

    def EnumProjects(self, index: int) -> tuple[Project | None, str]:
        if index == -1:
            return self._project, self._project.file
        tabs = self._reaper.tabs
        return (tabs[index], tabs[index].file) if 0 <= index < len(tabs) else (None, "")

    def GetProjectPathEx(self, _proj: object) -> str:
        separator = "\\" if "\\" in self._project.file else "/"
        return f"{self._project.file.rpartition(separator)[0]}{separator}Media"

    def Master_GetTempo(self) -> float:
        return self._project.bpm

    def GetProjExtState(self, _proj: object, section: str, key: str) -> tuple[int, str]:
        value = self._project.ext.get(f"{section}/{key}", "")
        return len(value), value

    def SetProjExtState(self, _proj: object, section: str, key: str, value: str) -> int:
        self._project.ext[f"{section}/{key}"] = value
        return len(value)

    def MarkProjectDirty(self, _proj: object) -> None:
        self._reaper.asks_to_save = True

    def GetSetProjectInfo(self, _proj: object, key: str, value: float, is_set: bool) -> float:
        self._refuse(check_key("GetSetProjectInfo", key, is_set=is_set))
        if key not in RENDER_NUMBERS:
            raise RefusedError(f"{key} is not modelled")
        if is_set:
            self._edit_for_now()
            self._project.render[key] = float(value)
        return self._project.render[key]

    def GetSetProjectInfo_String(self, _proj: object, key: str, text: str, is_set: bool) -> tuple[bool, str]:
        self._refuse(check_key("GetSetProjectInfo_String", key, is_set=is_set))
        if key not in RENDER_TEXTS:
            raise RefusedError(f"{key} is not modelled")
        if is_set:
            self._edit_for_now()
            self._project.render_texts[key] = text
        return self._project.render_texts[key] != "", self._project.render_texts[key]

    def GetPlayStateEx(self, _proj: object) -> int:
        return self._reaper.play_state

    # Actions and other scripts

    def Main_OnCommand(self, command: int, _flag: int) -> None:
        if command == _RENDER:
            render(self._project, sample_rate=self._reaper.sample_rate, locate=self._reaper.locate)
        elif command == _NEW_TAB:
            self._reaper.open_tab()
        elif command == _BUILD_MISSING_PEAKS:
            for take in self._project.takes():
                if take.source:
                    take.source.peaks = 0
        else:
            raise RefusedError(f"the action {command} is not modelled")

    def AddRemoveReaScript(self, is_added: bool, section: int, path: str, _commit: bool) -> int:
        if not self._reaper.locate(path).is_file():
            return 0
        wanted = (section, path)
        if is_added and wanted not in self._reaper.actions:
            self._reaper.actions.append(wanted)
        if not is_added and wanted in self._reaper.actions:
            self._reaper.actions.remove(wanted)
        return 53000 + len(self._reaper.actions)

    def SetToggleCommandState(self, _section: int, command: int, state: int) -> bool:
        self._reaper.toggles[command] = state
        return True

    def RefreshToolbar2(self, _section: int, _command: int) -> None:
        return

    def set_action_options(self, flag: int) -> None:
        if not 0 < flag < 16:
            raise RefusedError(f"{flag} is no set of options")

    def ExecProcess(self, command: str, timeout_ms: int) -> str | None:
        if timeout_ms >= 0:
            raise RefusedError("REAPER would wait for the program")
        self._reaper.executed.append(command)
        if self._reaper.on_exec:
            self._reaper.on_exec()
        return None

    # Windows and files

    def PreventUIRefresh(self, count: int) -> None:
        self._reaper.refresh += count

    def TrackList_AdjustWindows(self, _is_minor: bool) -> None:
        return

    def UpdateArrange(self) -> None:
        return

    def ShowMessageBox(self, message: str, _title: str, kind: int) -> int:
        self._reaper.messages.append(message)
        return self._reaper.replies.pop(0) if self._reaper.replies else _USUAL_REPLY[kind]

    def GetUserFileNameForRead(self, _name: str, _title: str, _extension: str) -> tuple[bool, str]:
        answer = self._reaper.answers.pop(0) if self._reaper.answers else None
        return (True, answer) if answer is not None else (False, "")

    def ColorToNative(self, red: int, green: int, blue: int) -> int:
        return red | green << 8 | blue << 16

    def file_exists(self, path: str) -> bool:
        return self._reaper.locate(path).is_file()

    def EnumerateFiles(self, path: str, index: int) -> str | None:
        return self._listed(path, index, is_folder=False)

    def EnumerateSubdirectories(self, path: str, index: int) -> str | None:
        return self._listed(path, index, is_folder=True)

    def _listed(self, path: str, index: int, *, is_folder: bool) -> str | None:
        """Serve from a cache that only index -1 refreshes, as REAPER does."""
        key = (path, is_folder)
        if index < 0 or key not in self._reaper.listings:
            folder = self._reaper.locate(path)
            names = sorted(one.name for one in folder.iterdir() if one.is_dir() == is_folder) if folder.is_dir() else []
            self._reaper.listings[key] = names
        names = self._reaper.listings[key]
        return names[index] if 0 <= index < len(names) else None

    def RecursiveCreateDirectory(self, path: str, _ignored: int) -> int:
        try:
            self._reaper.locate(path).mkdir(parents=True)
        except OSError:
            return 0
        return 1

    def GetResourcePath(self) -> str:
        return self._reaper.resource_path

    # Time and state

    def ValidatePtr2(self, proj: object, pointer: object, kind: str) -> bool:
        if kind.removesuffix("*") != self._reaper.kind_of(pointer):
            return False
        if isinstance(pointer, Project):
            return any(pointer is one for one in self._reaper.projects())
        project = proj if isinstance(proj, Project) else self._project
        return project.holds(pointer)

    def defer(self, function: object) -> bool:
        self._reaper.deferred.append(function)
        return True

    def atexit(self, function: object) -> None:
        self._reaper.at_exit.append(function)

    def get_action_context(self) -> tuple[bool, str, int, int, int, int, int, str]:
        return False, self._reaper.script, 0, 40999, -1, -1, -1, ""

    def time_precise(self) -> float:
        return self._reaper.clock

    def GetAppVersion(self) -> str:
        return f"{self._reaper.version}/standin"

    def APIExists(self, name: str) -> bool:
        return name in functions(self._reaper.version)

    def genGuid(self, _ignored: str) -> str:
        return new_guid()

    def SetExtState(self, section: str, key: str, value: str, persist: bool) -> None:
        if persist and any(mark in value for mark in "\n\r"):
            raise RefusedError(f"{value!r} does not fit on a line of reaper-extstate.ini")
        self._reaper.ext_state[section, key] = value

    def GetExtState(self, section: str, key: str) -> str:
        return self._reaper.ext_state.get((section, key), "")

    def DeleteExtState(self, section: str, key: str, _persist: bool) -> None:
        self._reaper.ext_state.pop((section, key), None)
