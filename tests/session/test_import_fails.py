"""A failing call leaves all or nothing, also where a drop touches tempo, mutes, buses and tracks of the user."""

from __future__ import annotations

from pathlib import Path

from bridge.domain.preset import Bus, Preset, Send, StemPreset
from bridge.domain.render import Marker, Origin, Source
from bridge.domain.tempo import TempoChange, TempoMap
from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.standin.state import Item, Tempo
from tests.session.small_drops import SmallDrop, make_drop
from tests.session.test_import_buses import mine
from tests.session.users import picture

PRESET = Preset(
    "all",
    "",
    {"drums": StemPreset(bus="RHYTHM"), "vocals": StemPreset(bus="VOX")},
    {
        "RHYTHM": Bus("RHYTHM", parent="ALL"),
        "ALL": Bus("ALL"),
        "VOX": Bus("VOX", adopt=("voc*",)),
        "VERB": Bus("VERB"),
    },
    (Send("ALL", "VERB", -9.0, is_pre_fader=True),),
    layout="folders",
)
TEMPO = TempoMap((TempoChange(0.0, 93.0, 3, 4, is_ramp=True), TempoChange(2.0, 120.0)), "sidecar")


def busy(folder: Path) -> tuple[Reaper, SmallDrop]:
    """A project with tempo, markers, a track to join, one to mute and one to use, and a drop for it."""
    reaper = Reaper()
    reaper.ext_state["stembridge", "tempo"] = "always"
    join, rendered, voices = mine("Band"), mine("Take 1"), mine("Vocals bus")
    rendered.items.append(Item(values={"D_POSITION": 0.0, "D_LENGTH": 1.0, "C_BEATATTACHMODE": 0.0}))
    reaper.project.tracks = [join, rendered, voices]
    reaper.project.tempo = [Tempo(0.0, 77.0, 4, 4), Tempo(1.5, 78.0, 4, 4)]
    source = Source("items", "{p}", (rendered.items[0].guid,), join.guid)
    markers = [Marker(8, "A"), Marker(80, "B", 9)]
    stems, origin = ("vocals", "drums", "other"), Origin(0.5, "sidecar")
    drop = make_drop(folder, preset=PRESET, stems=stems, source=source, origin=origin, tempo=TEMPO, markers=markers)
    return reaper, drop


def test_whatever_call_fails_the_user_s_own_is_as_it_was_or_all_is_there(tmp_path: Path) -> None:
    whole, drop = busy(tmp_path)
    whole.run(drop.script)
    assert {"DeleteTempoTimeSigMarker", "SetTempoTimeSigMarker", "GetSetTrackSendInfo_String"} <= set(whole.calls)
    undone = 0
    for name in sorted(FAILURES):
        count = whole.calls[name]
        for skip in sorted({0, count // 2, count - 1} if count else ()):
            reaper, drop = busy(tmp_path)
            before = reaper.project.state()
            reaper.fail_next(name, skip=skip)
            reaper.run(drop.script)
            if reaper.project.state() == before:
                undone += 1
                assert len(reaper.messages) == 1, f"{name} {skip}: {reaper.messages}"
                assert not reaper.undo_points
            else:
                assert picture(reaper.project) == picture(whole.project), f"{name} {skip}"
                assert [vars(one) for one in reaper.project.tempo] == [vars(one) for one in whole.project.tempo]
    assert undone > 20
