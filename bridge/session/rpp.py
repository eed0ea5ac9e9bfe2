"""A session as a project file of REAPER 7: what `import.lua` makes in an open project, as a project of its own.

Source of the format: ReaTeam's "State Chunk Definitions" and project files that REAPER 6 and 7 wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from bridge.domain.drop import PROJECT_HEAD
from bridge.domain.session import BusPlan, ItemPlan, SessionPlan, TrackPlan
from bridge.domain.tempo import TempoChange
from bridge.session.layout import Row, is_return, rows, start_seconds
from bridge.session.names import guid, identity, one_line
from bridge.units import db_to_gain, frames_to_seconds

__all__ = ["project_file", "quoted"]

_NO_COLOR, _COLOR_IS_SET = 16576, 0x1000000
_BALANCE = 3
_LINEAR_TAPER = 2
_POST_FADER, _PRE_FADER = 0, 3
_NO_MIDI = 31
_SQUARE, _RAMP = 1, 0
_SETS_METER = 1
_REGION = 1
_SOURCES = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS", ".m4a": "VIDEO"}
"""REAPER's word for a kind of file; all others are WAVE."""


def project_file(plan: SessionPlan) -> str:
    """Write a whole .rpp that lies in the drop folder; pure, and the same text for the same plan.

    Volumes, pans and sends are set as the import script sets them, the pan law is 0 dB. Effects that are inserted live
    are not in it, since only REAPER can make their state: a bus that is there for them alone is muted, so that what it
    hears is not heard twice.
    """
    return "\n".join(_indented(_project(plan))) + "\n"


def quoted(text: str) -> str:
    """Quote as REAPER's files do: with the first of the three kinds of quotes that is not in the text.

    There is no escape: a text that holds all three loses its backticks to apostrophes. Control characters and lone
    surrogates, which no line can hold, are replaced.
    """
    line = one_line(text).encode("utf-8", "replace").decode("utf-8")
    mark = next((mark for mark in "\"'`" if mark not in line), None)
    return f"{mark}{line}{mark}" if mark else "`" + line.replace("`", "'") + "`"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    depth = 0
    for line in lines:
        depth -= line == ">"
        yield "  " * depth + line
        depth += line.startswith("<")


def _project(plan: SessionPlan) -> Iterator[str]:
    tempo = plan.tempo.since(-start_seconds(plan)) if plan.tempo else ()
    first = tempo[0] if tempo else TempoChange(0.0, 120.0)
    yield f"{PROJECT_HEAD} 0"
    yield "RIPPLE 0"
    yield "GROUPOVERRIDE 0 0 0"
    yield "AUTOXFADE 129"
    yield "PANLAW 1"
    yield "PANMODE 0"
    yield f"SAMPLERATE {plan.sample_rate} 1 0"
    yield f"TEMPO {_number(first.bpm)} {first.numerator} {first.denominator}"
    yield "PLAYRATE 1 0 0.25 4"
    yield f"MASTER_NCH {_channels(max((one.channels for one in plan.tracks), default=2))} 2"
    yield "MASTER_VOLUME 1 0 -1 -1 1"
    if tempo:
        yield from _tempo(plan, tempo)
    yield from _markers(plan)
    ordered = rows(plan)
    places = {row.thing.name: place for place, row in enumerate(ordered) if isinstance(row.thing, BusPlan)}
    stems = {row.thing.key: place for place, row in enumerate(ordered) if isinstance(row.thing, TrackPlan)}
    for row in ordered:
        yield from _track(plan, row, stems, places)
    yield ">"


def _tempo(plan: SessionPlan, changes: tuple[TempoChange, ...]) -> Iterator[str]:
    yield "<TEMPOENVEX"
    yield f"EGUID {guid(plan, 'tempo')}"
    yield from ("ACT 1 -1", "VIS 1 0 1", "LANEHEIGHT 0 0", "ARM 0", "DEFSHAPE 1 -1 -1")
    meter = None
    for change in changes:
        shape = _RAMP if change.is_ramp else _SQUARE
        point = f"PT {change.seconds:.12f} {change.bpm:.10f} {shape}"
        if meter != (meter := (change.numerator, change.denominator)):
            point += f" {change.denominator * 0x10000 + change.numerator} 0 {_SETS_METER}"
        yield point
    yield ">"


def _markers(plan: SessionPlan) -> Iterator[str]:
    numbers = {True: 0, False: 0}
    for place, marker in enumerate(plan.markers):
        is_region = marker.length_frames > 0
        numbers[is_region] += 1
        start = start_seconds(plan) + frames_to_seconds(marker.position_frames, plan.sample_rate)
        head = f"MARKER {numbers[is_region]}"
        marked = f"{int(is_region)} 0 1 B {guid(plan, f'marker:{place}')} 0"
        yield f"{head} {_number(start)} {quoted(marker.name)} {marked}"
        if is_region:
            yield f'{head} {_number(start + frames_to_seconds(marker.length_frames, plan.sample_rate))} "" {_REGION}'


def _track(plan: SessionPlan, row: Row, stems: dict[str, int], buses: dict[str, int]) -> Iterator[str]:
    thing = row.thing
    key = f"bus:{thing.name}" if isinstance(thing, BusPlan) else thing.key
    own = guid(plan, key)
    mute = bool(thing.fx) and is_return(plan, thing) if isinstance(thing, BusPlan) else thing.mute
    target = thing.parent if isinstance(thing, BusPlan) else thing.bus
    in_folder = target is not None and target == row.parent
    yield f"<TRACK {own}"
    yield f"NAME {quoted(thing.name)}"
    yield f"PEAKCOL {_color(thing.color)}"
    yield "BEAT 0"
    yield "AUTOMODE 0"
    yield f"PANLAWFLAGS {_LINEAR_TAPER}"
    yield f"VOLPAN {_number(db_to_gain(thing.gain_db))} {_number(thing.pan)} 1 -1 1"
    yield f"PANMODE {_BALANCE}"
    yield f"MUTESOLO {int(mute)} 0 0"
    yield "IPHASE 0"
    yield f"ISBUS {_folder(row.folder_change)} {row.folder_change}"
    yield f"NCHAN {_channels(thing.channels)}"
    yield "FX 1"
    yield f"TRACKID {own}"
    yield from _receives(plan, thing, row, stems, buses)
    yield f"MAINSEND {int(target is None or in_folder)} 0"
    yield "<EXT"
    yield f"stembridge {quoted(identity(plan, key))}"
    yield ">"
    if isinstance(thing, TrackPlan):
        yield from _item(plan, thing, thing.item)
    yield ">"


def _receives(
    plan: SessionPlan, bus: TrackPlan | BusPlan, row: Row, stems: dict[str, int], buses: dict[str, int]
) -> Iterator[str]:
    """Write what a track receives by sends: what feeds a bus, where no folder does it, and the plan's own sends."""
    if not isinstance(bus, BusPlan):
        return
    if plan.layout == "sends":
        for track in plan.tracks:
            if track.bus == bus.name:
                yield _receive(stems[track.key], track.channels, 1.0, 0.0, _POST_FADER)
        for other in plan.buses:
            if other.parent == bus.name:
                yield _receive(buses[other.name], other.channels, 1.0, 0.0, _POST_FADER)
    for send in plan.sends:
        if send.target == bus.name:
            mode = _PRE_FADER if send.is_pre_fader else _POST_FADER
            yield _receive(buses[send.source], bus.channels, db_to_gain(send.level_db), send.pan, mode)


def _receive(source: int, channels: int, volume: float, pan: float, mode: int) -> str:
    """Write one receive; above bit 10 of the source channels, 0 means stereo and n means 2n channels."""
    taken = (channels + 1) // 2 << 10 if channels > 2 else 0
    return f"AUXRECV {source} {mode} {_number(volume)} {_number(pan)} 0 0 0 {taken} 0 1:U {_NO_MIDI} -1 ''"


def _item(plan: SessionPlan, track: TrackPlan, item: ItemPlan) -> Iterator[str]:
    yield "<ITEM"
    yield f"POSITION {_number(start_seconds(plan))}"
    yield "SNAPOFFS 0"
    yield f"LENGTH {_number(frames_to_seconds(item.length_frames, plan.sample_rate))}"
    yield "LOOP 0"
    yield "ALLTAKES 0"
    yield "BEAT 0"
    yield "FADEIN 0 0 0 0 0 0 0"
    yield "FADEOUT 0 0 0 0 0 0 0"
    yield "MUTE 0 0"
    yield "SEL 0"
    yield f"IGUID {guid(plan, f'{track.key}/item')}"
    for number, take in enumerate(item.takes, 1):
        if number > 1:
            yield "TAKE"
        yield f"NAME {quoted(take.name)}"
        yield f"VOLPAN {_number(db_to_gain(item.gain_db))} 0 1 1" if number == 1 else "TAKEVOLPAN 0 1 1"
        yield "SOFFS 0"
        yield "PLAYRATE 1 1 0 -1 0 0.0025"
        yield "CHANMODE 0"
        yield f"GUID {guid(plan, f'{track.key}#{number}')}"
        yield f"<SOURCE {_SOURCES.get(PurePosixPath(take.file).suffix, 'WAVE')}"
        yield f"FILE {quoted(take.file)}"
        yield ">"
    yield ">"


def _folder(change: int) -> int:
    return 1 if change > 0 else 2 if change < 0 else 0


def _channels(channels: int) -> int:
    """REAPER's tracks have an even number of channels."""
    return max(2, channels + channels % 2)


def _color(color: str) -> int:
    if not color:
        return _NO_COLOR
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return _COLOR_IS_SET | blue << 16 | green << 8 | red


def _number(value: float) -> str:
    """Write a number in full, without an exponent and without idle zeros."""
    text = f"{value:.14f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
