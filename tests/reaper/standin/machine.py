"""The stand-in itself: Lua, the strict `reaper` table, pointers, undo history, and what the user would see."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import lupa.lua53
import lupa.lua54

from tests.reaper.standin.api import Function, check_argument, functions, version_key
from tests.reaper.standin.calls import Calls
from tests.reaper.standin.effects import Vst3
from tests.reaper.standin.gfx import Gfx
from tests.reaper.standin.refused import RefusedError
from tests.reaper.standin.sandbox import SETUP
from tests.reaper.standin.state import Envelope, Item, Project, Source, Take, Track

__all__ = ["FAILURES", "Reaper"]

FAILURES: dict[str, object] = {
    "AddRemoveReaScript": 0,
    "AddMediaItemToTrack": None,
    "AddProjectMarker2": -1,
    "AddTakeToMediaItem": None,
    "CreateTrackSend": -1,
    "DeleteTempoTimeSigMarker": False,
    "GetMediaSourceLength": (0.0, False),
    "GetProjExtState": (0, ""),
    "GetSetMediaItemInfo_String": (False, ""),
    "GetSetProjectInfo": 0.0,
    "GetSetProjectInfo_String": (False, ""),
    "GetSetMediaItemTakeInfo_String": (False, ""),
    "GetSetMediaTrackInfo_String": (False, ""),
    "GetSetTrackSendInfo_String": (False, ""),
    "GetTempoTimeSigMarker": (False, 0.0, 0, 0.0, 0.0, 0, 0, False),
    "InsertTrackAtIndex": None,
    "Main_OnCommand": None,
    "PCM_Source_CreateFromFile": None,
    "RecursiveCreateDirectory": 0,
    "SetMediaItemInfo_Value": False,
    "SetMediaItemTakeInfo_Value": False,
    "SetMediaItemTake_Source": False,
    "SetMediaTrackInfo_Value": False,
    "SetProjExtState": 0,
    "SetTempoTimeSigMarker": False,
    "SetTrackSendInfo_Value": False,
    "TrackFX_AddByName": -1,
    "TrackFX_GetParamFromIdent": -1,
    "TrackFX_SetParamNormalized": False,
    "TrackFX_SetPreset": False,
    "Undo_DoUndo2": 0,
    "file_exists": False,
}
"""What a function returns when it fails, having done nothing."""

_KINDS: dict[str, type] = {
    "MediaTrack": Track,
    "MediaItem": Item,
    "MediaItem_Take": Take,
    "PCM_source": Source,
    "ReaProject": Project,
}
_KINDS |= {"TrackEnvelope": Envelope}


class Reaper:
    """A REAPER without a window: one project, scripts run in it, and everything the user would see is kept in lists.

    `version` hides functions of newer versions; before 7 its Lua is 5.3, as theirs was. `drives` maps Windows folders
    to real ones; with it, the separator is a backslash. Wrong calls raise a Lua error as in REAPER, and are kept in
    `violations` in case the script hides it.
    """

    def __init__(self, *, version: str = "7.78", drives: Mapping[str, Path] | None = None) -> None:
        self.version = version
        self.project = Project()
        self.tabs = [self.project]
        """Every open project."""
        self.template: list[Track] = []
        """Tracks of the template for new projects."""
        self.installed_fx = {"ReaComp", "ReaEQ", "ReaVerbate", "ReaDelay"}
        self.plugins: dict[str, Vst3] = {}
        """Plugins of others that are installed, by their names in REAPER's list: 'VST3: Name (Maker)'."""
        self.answers: list[str | None] = []
        """Files the user will choose in coming dialogs; None cancels."""
        self.replies: list[int] = []
        """Buttons of coming message boxes: 1 OK, 2 Cancel, 6 Yes, 7 No."""
        self.gfx = Gfx()
        self.play_state = 0
        """Bits: 1 plays, 2 paused, 4 records."""
        self.sample_rate = 8000
        self.resource_path = ""
        self.asks_to_save = False
        """Whether a script said that the project has changed, beside its undo blocks."""
        self.actions: list[tuple[int, str]] = []
        """Scripts in the list of actions: section and path."""
        self.toggles: dict[int, int] = {}
        self.executed: list[str] = []
        """Command lines of programs that were started."""
        self.on_exec: Callable[[], None] | None = None
        self.listings: dict[tuple[str, bool], list[str]] = {}
        self.at_exit: list[object] = []
        self.before_loose_edits: object = None
        self.messages: list[str] = []
        self.violations: list[str] = []
        self.calls: Counter[str] = Counter()
        self.loose_sources: list[Source] = []
        self.files_with_peaks: set[Path] = set()
        self.is_undo_on = True
        """Preferences can switch undo off."""
        self.undo_blocks: list[Project] = []
        self.undo_points: list[tuple[str, Project, Project]] = []
        self.redo_points: list[tuple[str, Project, Project]] = []
        self.refresh = 0
        self.deferred: list[object] = []
        self.clock = 0.0
        self.script = ""
        self.ext_state: dict[tuple[str, str], str] = {}
        self._drives = dict(drives or {})
        self._failing: set[tuple[str, int]] = set()
        self._numbers: dict[int, tuple[int, object]] = {}
        self._objects: dict[int, object] = {}
        self._functions = functions(version)
        self._modelled = Calls(self)
        runtime = lupa.lua54.LuaRuntime if version_key(version) >= (7,) else lupa.lua53.LuaRuntime
        lua = runtime(encoding=None, unpack_returned_tuples=True, register_eval=False, register_builtins=False)
        setup = lua.execute(b"return function(text) return load(text, '@stand-in', 't') end")(SETUP)
        separator = b"\\" if drives else b"/"
        drawing = lua.table_from({b"knows": self.gfx.knows, b"call": self.gfx.call})
        self._run, self._call = setup(self._exists, self._dispatch, separator, drawing, self._locate)

    # What a test does

    def run(self, script: str | Path) -> None:
        """Run a script by the path REAPER would know it under, then all it deferred; then check what must balance.

        As in REAPER, a script that never defers gets an undo point of its own.
        """
        deferred_before = self.calls["defer"]
        self.start(script)
        if self.calls["defer"] == deferred_before:
            state = copy.deepcopy(self.project)
            self.undo_points.append((f"ReaScript: {self.script}", state, state))
        self.pump()
        self.end()

    def start(self, script: str | Path) -> None:
        """Begin a script that goes on by deferring; `turn` lets it go on, `end` is the user who stops it."""
        self.script = str(script)
        path = self.script.encode("utf-8", "surrogateescape")
        self._run(self._read(path), path, self._read)

    def turn(self, seconds: float = 0.03) -> None:
        """Run what is deferred now, once, after some time."""
        self.clock += seconds
        waiting, self.deferred = self.deferred, []
        for function in waiting:
            self._call(function)

    def end(self) -> None:
        """Let scripts say goodbye; then check what must balance."""
        self.deferred.clear()
        while self.at_exit:
            self._call(self.at_exit.pop())
        self.check()

    def run_text(self, text: str) -> None:
        """Run Lua text as a script without a file."""
        self._run(text.encode("utf-8"), b"text.lua", self._read)
        self.pump()
        self.check()

    def pump(self, most: int = 1000) -> None:
        """Run what scripts deferred, one turn of 30 ms each, until nothing is left."""
        for _ in range(most):
            if not self.deferred:
                return
            self.clock += 0.03
            self._call(self.deferred.pop(0))
        raise AssertionError("a script defers for ever")

    def fail_next(self, function: str, *, skip: int = 0) -> None:
        """Let a coming call of a function fail as documented, after `skip` that work."""
        assert function in FAILURES, f"{function} has no documented failure"
        self._failing.add((function, self.calls[function] + skip + 1))

    def undo(self) -> bool:
        """Undo, as the user would."""
        if not self.undo_points:
            return False
        point = self.undo_points.pop()
        self.redo_points.append(point)
        self._put(copy.deepcopy(point[1]))
        return True

    def redo(self) -> bool:
        """Redo, as the user would."""
        if not self.redo_points:
            return False
        point = self.redo_points.pop()
        self.undo_points.append(point)
        self._put(copy.deepcopy(point[2]))
        return True

    def _put(self, project: Project) -> None:
        self.tabs = [project if one is self.project else one for one in self.tabs]
        self.project = project

    def check(self) -> None:
        """Fail on wrong calls, and on what a script must leave balanced."""
        assert not self.violations, "\n".join(self.violations)
        assert self.refresh == 0, f"PreventUIRefresh is out of balance by {self.refresh}"
        assert not self.undo_blocks, "an undo block is left open"
        if self.before_loose_edits is not None:
            before, self.before_loose_edits = self.before_loose_edits, None
            assert self.project.state() == before, "what was edited outside an undo block was not put back"
        assert not self.loose_sources, f"sources leak: {[source.path for source in self.loose_sources]}"
        takes = [take for project in self.projects() for take in project.takes()]
        building = [take.source.path for take in takes if take.source and take.source.is_building]
        assert not building, f"peaks were begun and not ended: {building}"

    # What the calls need

    def open_tab(self) -> None:
        """Open a new project and make it the active one; the history of undo is its own."""
        self.project = Project(tracks=list(self.template))
        self.tabs.append(self.project)
        self.undo_points.clear()
        self.redo_points.clear()

    def projects(self) -> list[Project]:
        """Return every open project, the active one first."""
        return [self.project, *(one for one in self.tabs if one is not self.project)]

    def locate(self, path: str) -> Path:
        """Find the real file behind a path that a script names."""
        for drive, folder in self._drives.items():
            if PureWindowsPath(path).is_relative_to(drive):
                return folder / PureWindowsPath(path).relative_to(drive)
        return Path(path)

    def is_alive(self, thing: object) -> bool:
        """Tell whether a pointer still points at something."""
        if isinstance(thing, Source):
            takes = (take for project in self.projects() for take in project.takes())
            return thing in self.loose_sources or any(take.source is thing for take in takes)
        return any(thing is one or one.holds(thing) for one in self.projects())

    @staticmethod
    def kind_of(thing: object) -> str:
        """Name the C type of an object."""
        return next((kind for kind, cls in _KINDS.items() if isinstance(thing, cls)), "")

    # Lua's side

    def _read(self, path: bytes) -> bytes:
        return self.locate(path.decode("utf-8", "surrogateescape")).read_bytes()

    def _locate(self, path: bytes) -> bytes:
        return bytes(self.locate(path.decode("utf-8", "surrogateescape")))

    def _exists(self, name: bytes) -> bool:
        return name.decode() in self._functions

    def _dispatch(self, raw_name: bytes, types: bytes, *args: Any) -> tuple[Any, ...]:
        name = raw_name.decode()
        function = self._functions[name]
        try:
            return (
                True,
                *self._results(self._invoke(function, self._arguments(function, types.decode().split(), args))),
            )
        except RefusedError as refused:
            self.violations.append(f"{name}: {refused}")
            return False, f"{name}: {refused}".encode()

    def _invoke(self, function: Function, args: list[object]) -> object:
        method = getattr(self._modelled, function.name, None)
        if method is None:
            raise RefusedError("the stand-in does not model this function")
        self.calls[function.name] += 1
        failing = (function.name, self.calls[function.name])
        if failing in self._failing:
            self._failing.remove(failing)
            return FAILURES[function.name]
        result: object = method(*args)
        return result

    def _arguments(self, function: Function, types: list[str], args: tuple[Any, ...]) -> list[object]:
        if len(args) > len(function.args):
            raise RefusedError(f"{len(args)} arguments, {len(function.args)} expected")
        given = []
        for place, arg in enumerate(function.args):
            lua_type, value = (types[place], args[place]) if place < len(args) else ("no value", None)
            if value is None and not arg.is_free:
                raise RefusedError(f"bad argument #{place + 1} ({arg.name}: {arg.type} expected, got {lua_type})")
            given.append(None if value is None else self._argument(place, arg.type, lua_type, value, function))
        return given

    def _argument(self, place: int, kind: str, lua_type: str, value: Any, function: Function) -> object:
        arg = function.args[place]
        wrong = check_argument(arg, lua_type, value)
        if wrong:
            raise RefusedError(f"bad argument #{place + 1} ({arg.name}: {wrong})")
        if isinstance(value, bytes):
            return value.decode("utf-8", "surrogateescape")
        if kind == "integer":
            return int(value)
        if kind == "ReaProject" and value == 0 and lua_type == "number":
            return None
        if kind == "identifier" or kind in _KINDS:
            return self._pointed_at(place, kind, lua_type, value)
        return value

    def _pointed_at(self, place: int, kind: str, lua_type: str, value: Any) -> object:
        thing = self._objects.get(value) if lua_type == "userdata" else None
        if kind == "identifier":
            return thing
        if self.kind_of(thing) != kind:
            raise RefusedError(f"bad argument #{place + 1} ({kind} expected, got {self.kind_of(thing) or lua_type})")
        if not self.is_alive(thing):
            raise RefusedError(f"bad argument #{place + 1} ({kind} is gone)")
        return thing

    def _results(self, result: object) -> tuple[Any, ...]:
        values = result if isinstance(result, tuple) else (result,)
        marks = "".join("p" if isinstance(value, tuple(_KINDS.values())) else "-" for value in values)
        return (marks.encode(), *(self._to_lua(value) for value in values))

    def _to_lua(self, value: object) -> object:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, tuple(_KINDS.values())):
            return self._number(value)
        return value

    def _number(self, thing: object) -> int:
        number, _ = self._numbers.setdefault(id(thing), (len(self._numbers) + 1, thing))
        self._objects[number] = thing
        return number
