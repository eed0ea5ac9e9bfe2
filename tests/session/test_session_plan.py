"""What a drop becomes in a session, decided without any file."""

from __future__ import annotations

from pathlib import PurePosixPath

from bridge.domain.drop import DropPlan, PlannedFile
from bridge.domain.preset import Bus, Preset, Send, StemPreset
from bridge.domain.render import AudioFormat, Origin
from bridge.domain.session import SessionPlan
from bridge.session.plan import plan_session


def planned(*stems: str, preset: Preset, dry: tuple[str, ...] = (), common_gain_db: float = 0.0) -> SessionPlan:
    files = [
        *(PlannedFile(stem, "stem", PurePosixPath(f"stems/{stem}.wav")) for stem in stems),
        *(PlannedFile(stem, "dry", PurePosixPath(f"dry/{stem}.wav")) for stem in dry),
        PlannedFile("mix", "mix", PurePosixPath("mix/song.flac")),
    ]
    return plan_session(
        drop_id="id",
        title="Song",
        format=AudioFormat(48000, 2, 1000, "PCM_24", "FLAC"),
        origin=Origin(),
        markers=(),
        preset=preset,
        plan=DropPlan("Song", tuple(files), "PCM_24", "WAV"),
        frames={str(file.path): 1000 + 7 * (file.kind == "stem") for file in files},
        common_gain_db=common_gain_db,
    )


def test_tracks_come_in_mixing_order_and_the_original_last() -> None:
    names = [one.name for one in planned("piano", "vocals", "residual", "drums", "bass", preset=Preset("p", "")).tracks]
    assert names == ["Drums", "Bass", "Vocals", "Piano", "Residual", "Song (original)"]
    names = [one.name for one in planned("vocals", "instrumental", preset=Preset("p", "")).tracks]
    assert names == ["Vocals", "Instrumental", "Song (original)"]


def test_the_common_gain_is_undone_for_stems_and_never_for_the_original() -> None:
    plan = planned("vocals", "other", dry=("vocals",), preset=Preset("p", ""), common_gain_db=-2.5)
    assert [track.item.gain_db for track in plan.tracks] == [2.5, 2.5, 0.0]


def test_items_are_as_long_as_their_wet_file() -> None:
    plan = planned("vocals", dry=("vocals",), preset=Preset("p", ""))
    assert [track.item.length_frames for track in plan.tracks] == [1007, 1000]
    assert [take.file for take in plan.tracks[0].item.takes] == ["stems/vocals.wav", "dry/vocals.wav"]


def test_only_buses_that_sound_reaches_are_made() -> None:
    buses = {name: Bus(name, "#102030") for name in ("VOX", "VERB", "DEEP", "IDLE", "DRUMS")}
    sends = (Send("VERB", "DEEP"), Send("VOX", "VERB", -14.0), Send("IDLE", "VERB"))
    stems = {"vocals": StemPreset(bus="VOX"), "drums": StemPreset(bus="DRUMS")}
    plan = planned("vocals", "bass", preset=Preset("p", "", stems, buses, sends))
    assert [bus.name for bus in plan.buses] == ["VOX", "VERB", "DEEP"]
    assert [(send.source, send.target) for send in plan.sends] == [("VERB", "DEEP"), ("VOX", "VERB")]
    assert [track.bus for track in plan.tracks] == [None, "VOX", None]


def test_a_stem_has_the_colour_of_its_bus_or_one_of_its_own() -> None:
    preset = Preset("p", "", {"vocals": StemPreset(bus="VOX"), "bass": StemPreset(bus="LOW")}, {})
    preset = Preset("p", "", preset.stems, {"VOX": Bus("VOX", "#123456"), "LOW": Bus("LOW")})
    colors = {track.key: track.color for track in planned("vocals", "bass", "drums", preset=preset).tracks}
    assert colors["stem:vocals"] == "#123456"
    assert len(set(colors.values())) == 4
    assert all(colors.values())
