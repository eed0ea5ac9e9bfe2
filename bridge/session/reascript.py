"""The texts REAPER reads: `import.lua`, shipped code around one table, and `drop.lua`, the manifest as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.domain.render import Source
from bridge.domain.session import BusPlan, FxPlan, SessionPlan, TrackPlan
from bridge.domain.tempo import TempoChange
from bridge.resources import shipped
from bridge.session.layout import is_return, rows
from bridge.session.lua import literal
from bridge.session.names import identity, one_line
from bridge.units import db_to_gain, frames_to_seconds

__all__ = ["drop_data", "import_script"]

_VERSION = 1
_LIBRARY = "Stem Bridge/lib"
_PARTS = ("edit", "buses", "compare", "fx", "build", "import", "later")
"""The files of the library that an import needs, each after those that it needs itself."""

_SCRIPT = """\
-- Stem Bridge: brings the stems that lie beside this file into the open REAPER project.
-- REAPER > Actions > Show action list > New action > Load ReaScript. It is one undo step, and may run again at any
-- time: then it restores what is missing and touches nothing else. While REAPER records, it waits.

local DATA = {data}

local parts = {{}}

{code}

local folder = debug.getinfo(1, "S").source:match("^@(.*[/\\\\])") or ""

local function tell(message)
  if message then reaper.ShowMessageBox(message, "Stem Bridge", 0) end
end

parts.later(function()
  local _, message = parts.import(DATA, folder)
  tell(message)
end, function()
  tell(DATA.title .. " was not imported: its project was closed. Run again: " .. folder .. "import.lua")
end)
"""


def import_script(plan: SessionPlan) -> str:
    """Write the whole text of a drop's `import.lua`: the shipped import code and the plan as its one table.

    Raises OSError when the installation lacks its ReaScripts.
    """
    folder = shipped("reaper_scripts") / _LIBRARY
    parts = [(name, (folder / f"stembridge_{name}.lua").read_text(encoding="utf-8").strip("\n")) for name in _PARTS]
    code = "\n\n".join(_part(name, text) for name, text in parts)
    return _SCRIPT.format(data=literal(_data(plan)), code=code)


def _part(name: str, text: str) -> str:
    """Embed one file of the library as REAPER would load it: a function that is given the parts before it."""
    given = "..." if "local lib = ..." in text else ""
    return f"parts.{name} = (function({given})\n{text}\nend)(parts)"


def drop_data(manifest: Mapping[str, Any]) -> str:
    """Write a manifest (plain values only) as a Lua data file, for scripts in REAPER, which has no JSON."""
    return f"return {literal(manifest)}\n"


def _data(plan: SessionPlan) -> dict[str, object]:
    rate = plan.sample_rate
    return {
        "version": _VERSION,
        "title": one_line(plan.title),
        "origin": {"seconds": plan.origin.seconds, "is_timecode": plan.origin.source == "bext"},
        "layout": plan.layout,
        "tempo": None if plan.tempo is None else [_tempo(change) for change in plan.tempo.changes],
        "source": None if plan.source is None else _source(plan.source),
        "tracks": [
            _bus(plan, row.thing) if isinstance(row.thing, BusPlan) else _track(plan, row.thing) for row in rows(plan)
        ],
        "markers": [
            {
                "name": one_line(marker.name),
                "start": frames_to_seconds(marker.position_frames, rate),
                "length": frames_to_seconds(marker.length_frames, rate),
            }
            for marker in plan.markers
        ],
    }


def _track(plan: SessionPlan, track: TrackPlan) -> dict[str, object]:
    return {
        "id": identity(plan, track.key),
        "name": one_line(track.name),
        "color": _rgb(track.color),
        "channels": track.channels,
        "volume": db_to_gain(track.gain_db),
        "pan": track.pan,
        "mute": track.mute,
        "bus": None if track.bus is None else identity(plan, f"bus:{track.bus}"),
        "item": {
            "seconds": frames_to_seconds(track.item.length_frames, plan.sample_rate),
            "volume": db_to_gain(track.item.gain_db),
            "takes": [{"file": take.file, "name": one_line(take.name)} for take in track.item.takes],
        },
        "fx": [_fx(one) for one in track.fx] or None,
    }


def _bus(plan: SessionPlan, bus: BusPlan) -> dict[str, object]:
    sends = [
        {
            "to": identity(plan, f"bus:{send.target}"),
            "volume": db_to_gain(send.level_db),
            "pan": send.pan,
            "pre": send.is_pre_fader,
        }
        for send in plan.sends
        if send.source == bus.name
    ]
    return {
        "id": identity(plan, f"bus:{bus.name}"),
        "name": one_line(bus.name),
        "color": _rgb(bus.color),
        "channels": bus.channels,
        "volume": db_to_gain(bus.gain_db),
        "pan": bus.pan,
        "mute": False,
        "parent": None if bus.parent is None else identity(plan, f"bus:{bus.parent}"),
        "adopt": list(bus.adopt) or None,
        "fx": [_fx(one) for one in bus.fx] or None,
        "is_return": is_return(plan, bus),
        "sends": sends or None,
    }


def _fx(fx: FxPlan) -> dict[str, object]:
    return {
        "name": fx.name,
        "preset": fx.preset_file or None,
        "parameters": {one_line(name): value for name, value in fx.parameters} or None,
        "wet": fx.wet if fx.wet < 1.0 else None,
    }


def _tempo(change: TempoChange) -> dict[str, object]:
    """Write a change; its seconds count from the start of the render, as those of the markers."""
    return {
        "seconds": change.seconds,
        "bpm": change.bpm,
        "num": change.numerator,
        "den": change.denominator,
        "ramp": change.is_ramp,
    }


def _source(source: Source) -> dict[str, object]:
    return {
        "mode": source.mode,
        "project": source.project,
        "mute": list(source.mute_guids) or None,
        "parent": source.parent_guid or None,
    }


def _rgb(color: str) -> list[int] | None:
    """Split '#rrggbb' into three numbers; empty = no colour."""
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)] if color else None
