"""session.rpp and import.lua are one session: field by field, what a project file says is what the import leaves.

Three differences are meant. Live effects are in no project file, since only REAPER can make their state; so a bus that
hears nothing but sends is muted there, where it is there for such an effect. And a text that holds all three kinds of
quotes loses its backticks in a file, whose format has no escape.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import rppxml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.render import Origin
from bridge.domain.session import BusPlan, FxPlan, SessionPlan
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.session.layout import is_return
from bridge.session.names import identity
from bridge.session.reascript import import_script
from bridge.session.rpp import project_file, quoted
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.state import Project, Track
from tests.session.small_drops import RATE, SmallDrop
from tests.session.test_import_any_plan import drops
from tests.session.test_session_rpp import Chunk, chunks, lines, number

Fields = dict[str, Any]
NO_COLOR = 16576.0

changes = st.builds(
    TempoChange,
    st.floats(-3, 9).map(lambda seconds: round(seconds, 3)),
    st.floats(4, 960).map(lambda bpm: round(bpm, 6)),
    st.integers(1, 255),
    st.sampled_from([1, 4, 64]),
    st.booleans(),
)


@st.composite
def sessions(draw: st.DrawFn, folder: Path) -> SmallDrop:
    """A drop of any plan, with tempo, live effects and an origin that may lie before the project's start."""
    drop = draw(drops(folder))
    tempo = draw(st.none() | st.lists(changes, min_size=1, max_size=4).map(lambda made: TempoMap.of(made, "midi")))
    with_fx = draw(st.sets(st.sampled_from([bus.name for bus in drop.plan.buses]))) if drop.plan.buses else set()
    plan = replace(
        drop.plan,
        tempo=tempo,
        origin=Origin(draw(st.integers(-1000, 5000)) / RATE, "sidecar"),
        buses=tuple(replace(bus, fx=(FxPlan("ReaVerbate"),) if bus.name in with_fx else ()) for bus in drop.plan.buses),
    )
    drop.script.write_text(import_script(plan), encoding="utf-8", newline="\n")
    return replace(drop, plan=plan)


def sends_of(names: list[str], source: int, target: int, values: list[float]) -> tuple[object, ...]:
    return (names[source], names[target], *(round(value, 9) for value in values))


def left_by_import(project: Project, folder: Path) -> Fields:
    """Every field that both ways write, of the project in the stand-in."""
    ids = [track.texts["P_EXT:stembridge"] for track in project.tracks]
    keys = (
        "D_VOL",
        "D_PAN",
        "D_PANLAW",
        "I_PANLAW_FLAGS",
        "I_PANMODE",
        "B_MUTE",
        "I_NCHAN",
        "I_FOLDERDEPTH",
        "B_MAINSEND",
    )
    sends = [
        sends_of(
            ids,
            source,
            next(place for place, one in enumerate(project.tracks) if one is send.target),
            [send.values.get(key, 0.0) for key in SENDS],
        )
        for source, track in enumerate(project.tracks)
        for send in track.sends
    ]
    meter = (4, 4)
    tempo = []
    for one in project.tempo:
        meter = (one.numerator or meter[0], one.denominator or meter[1])
        tempo.append((round(one.seconds, 9), round(one.bpm, 9), *meter, one.is_ramp))
    return {
        "ids": ids,
        "tracks": [
            [quoted(track.name)[1:-1], track.values.get("I_CUSTOMCOLOR", NO_COLOR)]
            + [round(track.values.get(key, 0.0), 9) for key in keys]
            for track in project.tracks
        ],
        "beats": {track.values["C_BEATATTACHMODE"] for track in project.tracks},
        "items": [items_of(track, folder) for track in project.tracks],
        "sends": sorted(sends),
        "tempo": tempo,
        "markers": [
            (quoted(one.name)[1:-1], round(one.start, 9), round(one.end, 9), one.is_region) for one in project.markers
        ],
    }


SENDS = (
    "I_SENDMODE",
    "D_VOL",
    "D_PAN",
    "B_MUTE",
    "B_MONO",
    "B_PHASE",
    "I_SRCCHAN",
    "I_DSTCHAN",
    "D_PANLAW",
    "I_MIDIFLAGS",
)
ITEMS = ("D_POSITION", "D_LENGTH", "D_VOL", "B_LOOPSRC", "B_UISEL", "B_MUTE", "C_BEATATTACHMODE")
FADES = ("D_FADEINLEN", "D_FADEINLEN_AUTO", "D_FADEOUTLEN", "D_FADEOUTLEN_AUTO")


def items_of(track: Track, folder: Path) -> list[object]:
    return [
        [
            [round(item.values.get(key, 0.0), 9) for key in (*ITEMS, *FADES)],
            item.active,
            [
                (
                    quoted(take.texts["P_NAME"])[1:-1],
                    PurePosixPath(take.source.file.relative_to(folder)).as_posix() if take.source else "",
                    [take.values.get(key, 0.0) for key in ("D_STARTOFFS", "D_PLAYRATE", "D_VOL", "D_PAN")],
                )
                for take in item.takes
            ],
        ]
        for item in track.items
    ]


def said_by_file(text: str) -> Fields:
    """The same fields, of the project file."""
    project = rppxml.loads(text)
    tracks = chunks(project, "TRACK")
    ids = [str(lines(chunks(track, "EXT")[0], "stembridge")[0][0]) for track in tracks]
    rows = []
    for track in tracks:
        volume, pan, law = (number(value) for value in lines(track, "VOLPAN")[0][:3])
        rest = [lines(track, key)[0][0] for key in ("PANLAWFLAGS", "PANMODE", "MUTESOLO", "NCHAN")]
        rest += [lines(track, "ISBUS")[0][1], lines(track, "MAINSEND")[0][0]]
        head = [str(lines(track, "NAME")[0][0]), number(lines(track, "PEAKCOL")[0][0])]
        rows.append(head + [round(value, 9) for value in (volume, pan, law, *map(number, rest))])
    sends = []
    for target, track in enumerate(tracks):
        for line in lines(track, "AUXRECV"):
            source, mode, volume, pan, mute, mono, phase, taken, put, law, midi = line[:11]
            assert law == "1:U", "a pan law of its own, 0 dB"
            values = [number(one) for one in (mode, volume, pan, mute, mono, phase, taken, put, 1, midi)]
            sends.append(sends_of(ids, int(number(source)), target, values))
    return {
        "ids": ids,
        "tracks": rows,
        "beats": {number(lines(track, "BEAT")[0][0]) for track in tracks},
        "items": [[item_said(item) for item in chunks(track, "ITEM")] for track in tracks],
        "sends": sorted(sends),
        "tempo": tempo_said(project),
        "markers": markers_said(project),
    }


def item_said(item: Chunk) -> list[object]:
    keys = ("POSITION", "LENGTH", "VOLPAN", "LOOP", "SEL", "MUTE", "BEAT")
    values = [number(lines(item, key)[0][0]) for key in keys]
    fades = [number(lines(item, key)[0][place]) for key in ("FADEIN", "FADEOUT") for place in (1, 2)]
    names = [str(line[0]) for line in lines(item, "NAME")]
    files = [str(lines(source, "FILE")[0][0]) for source in chunks(item, "SOURCE")]
    levels = [line[2:4] for line in lines(item, "VOLPAN")[:1]] + [line[1:3] for line in lines(item, "TAKEVOLPAN")]
    offsets, rates = lines(item, "SOFFS"), lines(item, "PLAYRATE")
    takes = []
    for name, file, offset, rate, level in zip(names, files, offsets, rates, levels, strict=True):
        pan = lines(item, "VOLPAN")[0][1] if not takes else 0
        takes.append((name, file, [number(offset[0]), number(rate[0]), number(level[0]), number(pan)]))
    return [[round(value, 9) for value in (*values, *fades)], 0, takes]


def tempo_said(project: Chunk) -> list[object]:
    meter, found = (4, 4), []
    for envelope in chunks(project, "TEMPOENVEX"):
        for point in lines(envelope, "PT"):
            if len(point) > 3:
                code = int(number(point[3]))
                meter = (code & 0xFFFF, code >> 16)
            found.append((round(number(point[0]), 9), round(number(point[1]), 9), *meter, number(point[2]) == 0))
    return found


def markers_said(project: Chunk) -> list[object]:
    found: list[object] = []
    begun: tuple[str, float] | None = None
    for _number, place, name, is_region, *more in lines(project, "MARKER"):
        at = round(number(place), 9)
        if begun is not None and not more:
            found.append((*begun, at, True))
            begun = None
        elif number(is_region):
            begun = (str(name), at)
        else:
            found.append((str(name), at, at, False))
    return found


def without_live_effects(plan: SessionPlan, fields: Fields) -> Fields:
    """What the import leaves, less the first of the meant differences."""
    muted = {
        identity(plan, f"bus:{bus.name}")
        for bus in plan.buses
        if isinstance(bus, BusPlan) and bus.fx and is_return(plan, bus)
    }
    tracks = [
        [*row[:7], 1.0, *row[8:]] if id_ in muted else row
        for id_, row in zip(fields["ids"], fields["tracks"], strict=True)
    ]
    return fields | {"tracks": tracks}


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_the_project_file_says_what_the_import_leaves(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        drop = data.draw(sessions(Path(place)))
        reaper = Reaper()
        reaper.run(drop.script)
        left = without_live_effects(drop.plan, left_by_import(reaper.project, drop.folder))
        said = said_by_file(project_file(drop.plan))
        for name in left:
            assert said[name] == left[name], name
