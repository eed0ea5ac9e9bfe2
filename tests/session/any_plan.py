"""Any preset a loader lets through, and the plan it becomes: for the laws that hold for all exporters."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import strategies as st

from bridge.domain.drop import DropPlan, PlannedFile
from bridge.domain.preset import Bus, Preset, Send, StemPreset
from bridge.domain.render import AudioFormat, Marker, Origin
from bridge.domain.session import SessionPlan
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.session.plan import plan_session

__all__ = ["FRAMES", "RATE", "STEMS", "plans", "presets"]

RATE, FRAMES = 8000, 400
STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")
_BUSES = ("A", "B", "C", "D")
_decibels = st.floats(-24.0, 12.0)
_pans = st.floats(-1.0, 1.0)
_names = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@st.composite
def presets(draw: st.DrawFn) -> Preset:
    """Buses feed only later ones, and so do sends: no loops, as the loader has it."""
    buses = {}
    for number, name in enumerate(_BUSES):
        later = st.sampled_from(_BUSES[number + 1 :]) if number + 1 < len(_BUSES) else st.nothing()
        parent = draw(st.none() | later)
        buses[name] = Bus(name, draw(st.sampled_from(["", "#d1495b"])), draw(_decibels), pan=draw(_pans), parent=parent)
    stem = st.builds(
        StemPreset, gain_db=_decibels, pan=_pans, mute=st.booleans(), bus=st.none() | st.sampled_from(_BUSES)
    )
    pairs = [(a, b) for number, a in enumerate(_BUSES) for b in _BUSES[number + 1 :]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
    sends = tuple(Send(a, b, draw(_decibels), draw(_pans), draw(st.booleans())) for a, b in chosen)
    layout = draw(st.sampled_from(["sends", "folders"]))
    stems = draw(st.dictionaries(st.sampled_from([*STEMS, "*"]), stem))
    return Preset("any", "", stems, buses, sends, layout=layout)  # type: ignore[arg-type]


@st.composite
def plans(draw: st.DrawFn, channels: st.SearchStrategy[int] | None = None) -> SessionPlan:
    """Plan a drop with any preset, names, markers, tempo and place."""
    stems = draw(st.lists(st.sampled_from(STEMS), min_size=1, unique=True))
    printed = draw(st.lists(st.sampled_from(stems), unique=True))
    files = [PlannedFile(stem, "stem", PurePosixPath(f"stems/{stem}.wav")) for stem in stems]
    files += [PlannedFile(stem, "dry", PurePosixPath(f"dry/{stem} (dry).wav")) for stem in printed]
    files.append(PlannedFile("mix", "mix", PurePosixPath("mix/song.flac")))
    changes = st.builds(
        TempoChange, st.floats(-9, 9), st.floats(4, 960), st.integers(1, 255), st.sampled_from([1, 4, 64])
    )
    tempo = draw(st.none() | st.lists(changes, min_size=1, max_size=4).map(lambda made: TempoMap.of(made, "midi")))
    return plan_session(
        drop_id="0123456789abcdef",
        title=draw(_names),
        format=AudioFormat(RATE, draw(channels or st.sampled_from([1, 2, 3, 6])), FRAMES, "FLOAT", "WAV"),
        origin=Origin(draw(st.integers(-100, 5000)) / RATE, "sidecar"),
        markers=draw(st.lists(st.builds(Marker, st.integers(0, FRAMES), _names, st.integers(0, 9)), max_size=3)),
        tempo=tempo,
        preset=draw(presets()),
        plan=DropPlan("song", tuple(files), "FLOAT", "WAV"),
        frames={str(file.path): FRAMES for file in files},
        common_gain_db=draw(st.floats(-12.0, 0.0)),
    )
