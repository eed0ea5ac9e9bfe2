"""The proof in a real DAW: what Ardour exports from our session is the sum that the plan promises, to the sample."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings

from bridge.domain.drop import ARDOUR_SESSION, DropPlan, PlannedFile
from bridge.domain.preset import Bus, Preset, Send, StemPreset
from bridge.domain.render import AudioFormat, Marker, Origin
from bridge.domain.session import SessionPlan
from bridge.session.ardour import session_file
from bridge.session.layout import start_seconds
from bridge.session.plan import plan_session
from bridge.session.routing import walk
from tests.session.any_plan import plans
from tests.session.small_drops import SmallDrop

RATE, FRAMES = 48_000, 20_000
"""Ardour exports no less than some blocks of sound."""
STEMS = ("vocals", "drums", "bass")
FILES = (
    *(PlannedFile(stem, "stem", PurePosixPath(f"stems/Song - {stem}.wav")) for stem in STEMS),
    PlannedFile("mix", "mix", PurePosixPath("mix/Song.wav")),
)
ATTEMPTS = 5
"""The fault that ends Ardour's tool also writes into its sound or its routes, in about one export of ten of the very
same session (5 of 48, stereo and six channels alike). A session that says something wrong sounds wrong each time."""
EXPORT = shutil.which("ardour7-export")
needs_ardour = pytest.mark.skipif(
    EXPORT is None and "CI" not in os.environ,
    reason="no Ardour 7: apt-get install --no-install-recommends ardour (Debian 12)",
)
MIXED = Preset(
    "mixed",
    "Buses of buses, pans on both sides, sends before and behind the fader.",
    stems={
        "vocals": StemPreset(bus="VOX", gain_db=-3.0, pan=0.25),
        "bass": StemPreset(gain_db=2.0, mute=True),
        "*": StemPreset(bus="MUSIC", pan=-0.5),
    },
    buses={
        "VOX": Bus("VOX", gain_db=1.5, pan=-0.2, parent="MUSIC"),
        "MUSIC": Bus("MUSIC", gain_db=-1.0),
        "VERB": Bus("VERB", gain_db=-2.0, pan=0.1),
    },
    sends=(Send("VOX", "VERB", -6.0, 0.4), Send("MUSIC", "VERB", -9.0, 0.0, True)),
)


def unpanned(preset: Preset) -> Preset:
    """Return what is left of a preset in surround, where the session pans nothing."""
    return replace(
        preset,
        stems={name: replace(stem, pan=0.0) for name, stem in preset.stems.items()},
        buses={name: replace(bus, pan=0.0) for name, bus in preset.buses.items()},
        sends=tuple(replace(send, pan=0.0) for send in preset.sends),
    )


def made(folder: Path, channels: int, origin: Origin, common_gain_db: float) -> SmallDrop:
    """Write stems of noise and plan them."""
    random = np.random.default_rng(7)
    sounds = {stem: random.normal(0, 0.05, (channels, FRAMES)) for stem in STEMS}
    for file in FILES:
        path = folder / file.path
        path.parent.mkdir(exist_ok=True)
        sound = sounds.get(file.stem, sum(sounds.values()))
        soundfile.write(path, sound.T * 10 ** (common_gain_db / 20), RATE, "FLOAT")
    return SmallDrop(folder, planned(channels, origin, common_gain_db, MIXED), sum(sounds.values()), sounds)


def planned(channels: int, origin: Origin, common_gain_db: float, preset: Preset) -> SessionPlan:
    return plan_session(
        drop_id="0123456789abcdef",
        title='Söng & "<x>"',
        format=AudioFormat(RATE, channels, FRAMES, "FLOAT", "WAV"),
        origin=origin,
        markers=[Marker(9, "&"), Marker(90, '"', 10)],
        preset=preset,
        plan=DropPlan("Song", FILES, "FLOAT", "WAV"),
        frames={str(file.path): FRAMES for file in FILES},
        common_gain_db=common_gain_db,
    )


def exported(drop: SmallDrop, out: Path) -> np.ndarray:
    """Let Ardour load the session and export it to `out`: (channels, frames).

    It sees no plugins and no settings of this computer. Ardour 7.3's tool is often ended by the C library (`free():
    invalid size`) when it gives back the buffers of its export channels, the file being whole by then: seen with a
    debugger, in 7 of 14 exports of six channels. So it is the sound that counts, to the last sample.
    """
    assert EXPORT, "CI installs Ardour 7: see the Makefile's test-tools"
    session = drop.folder / ARDOUR_SESSION
    home, empty = out.with_suffix(".home"), out.with_suffix(".empty")
    for folder in (session.parent, home, empty):
        folder.mkdir(exist_ok=True)
    session.write_text(session_file(drop.plan), encoding="utf-8")
    searched = ("LV2_PATH", "LADSPA_PATH", "LADSPA_RDF_PATH", "LXVST_PATH", "VST_PATH", "VST3_PATH")
    asked = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    command = [EXPORT, "-b", "float", "-o", str(out), str(session.parent), session.stem]
    alone = {**os.environ, **dict.fromkeys(asked, str(home)), **dict.fromkeys(searched, str(empty))}
    told = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=120)
    assert told.returncode in (0, -signal.SIGABRT, -signal.SIGSEGV), told.stdout + told.stderr
    assert out.is_file(), told.stdout + told.stderr
    sound, rate = soundfile.read(out, always_2d=True)
    assert rate == RATE
    return sound.T  # (C, T)


def promised(drop: SmallDrop) -> np.ndarray:
    """Sum the stems as the plan says: (channels, frames)."""
    start = round(start_seconds(drop.plan) * RATE)
    channels = max(2, next(iter(drop.stems.values())).shape[0])
    plan = planned(channels, drop.plan.origin, -1.5, unpanned(MIXED)) if channels > 2 else drop.plan
    reached, undone = walk(plan), 10 ** (-plan.tracks[0].item.gain_db / 20)
    total = np.zeros((channels, start + FRAMES))
    for stem, sound in drop.stems.items():
        heard = reached[f"stem:{stem}"].heard
        gains = np.array([heard.left, heard.right, *[heard.rest] * (channels - 2)])
        both = np.repeat(sound, 2, axis=0) if sound.shape[0] == 1 else sound
        total[:, start:] += undone * gains[:, None] * both
    return total


@needs_ardour
@pytest.mark.slow
@pytest.mark.parametrize(("channels", "origin"), [(2, Origin(0.51, "bext")), (1, Origin()), (6, Origin())])
def test_a_real_daw_plays_what_the_plan_promises(tmp_path: Path, channels: int, origin: Origin) -> None:
    drop = made(tmp_path, channels, origin, -1.5)
    wanted, differences = promised(drop), []
    for number in range(ATTEMPTS):
        heard = exported(drop, tmp_path / f"{number}.wav")
        assert heard.shape == wanted.shape
        differences.append(np.abs(heard - wanted).max())
        if differences[-1] < 1e-6:
            return
    pytest.fail(f"what Ardour plays differs each time: {differences}")


@given(plans())
@settings(max_examples=50, deadline=None)
def test_any_plan_is_sound_xml_whose_ids_and_ports_are_its_own(plan: SessionPlan) -> None:
    root = ET.fromstring(session_file(plan))
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    ports = {port.get("name") for port in root.iter("Port")}
    assert len(ports) == len(list(root.iter("Port")))
    for connection in root.iter("Connection"):
        other = connection.get("other") or ""
        assert other in ports or other.startswith("system:")
    targets = {one.get("target") for one in root.iter("Processor") if one.get("type") == "intsend"}
    assert targets <= {route.get("id") for route in root.iter("Route")}
