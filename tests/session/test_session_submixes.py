"""Printed submixes in a session: nothing is heard twice, and a printed return takes the place of its sends."""

from __future__ import annotations

from pathlib import Path

from bridge.delivery.plan import plan_drop
from bridge.domain.preset import Bus, Effect, OutputOptions, Preset, Send, StemPreset
from bridge.domain.render import AudioFormat, Origin
from bridge.session.plan import plan_session

CHAIN = (Effect("Reverb"),)
BUSES = {
    "VOX": Bus("VOX", print_=True, chain=CHAIN),
    "VERB": Bus("VERB", gain_db=-3.0, pan=0.5, print_=True, chain=CHAIN),
    "LIVE": Bus("LIVE", reaper_fx=("ReaVerbate",)),
}
PRESET = Preset("p", "", {"*": StemPreset(bus="VOX")}, BUSES, (Send("VOX", "VERB", -9.0), Send("VOX", "LIVE", -12.0)))


def test_a_submix_is_muted_and_a_printed_return_replaces_its_bus_and_sends() -> None:
    source = AudioFormat(44100, 2, 1000, "PCM_24", "WAV")
    drop = plan_drop(
        name="song",
        stems=["vocals"],
        printed=[],
        output=OutputOptions(),
        source=source,
        outbox=Path("/out"),
        buses=["bus:VOX", "bus:VERB"],
    )
    assert [str(file.path) for file in drop.files if file.kind == "bus"] == [
        "buses/song - VOX (bus).wav",
        "buses/song - VERB (bus).wav",
    ]
    session = plan_session(
        drop_id="d",
        title="song",
        format=source,
        origin=Origin(),
        markers=(),
        preset=PRESET,
        plan=drop,
        frames={str(file.path): 1000 for file in drop.files},
    )
    tracks = {track.key: track for track in session.tracks}
    submix, printed = tracks["print:VOX"], tracks["print:VERB"]
    assert (submix.mute, submix.bus) == (True, None)
    assert (printed.mute, printed.gain_db, printed.pan) == (False, -3.0, 0.5)
    assert [bus.name for bus in session.buses] == ["VOX", "LIVE"]
    assert [(send.source, send.target) for send in session.sends] == [("VOX", "LIVE")]
