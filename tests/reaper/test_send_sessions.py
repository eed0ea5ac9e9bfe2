"""Send to bridge from sessions as people have them: what rings on, VCAs, lanes, odd ways of sends. The law holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Envelope, Fx, Project, Send, Track
from tests.reaper.standin.text import arrangement, routing
from tests.reaper.test_send import select, send
from tests.reaper.workplace import Workplace, sounding, workplace
from tests.session.small_drops import RATE

SECONDS = 3.0


def heard(project: Project) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return master(project, sample_rate=RATE, frames=round(SECONDS * RATE))


def session(folder: Path) -> Reaper:
    """A folder of two tracks, with a return that rings, and a master with a fader and an effect."""
    reaper = Reaper()
    project = reaper.project
    band = Track(texts={"P_NAME": "Band"})
    band.values |= {"I_FOLDERDEPTH": 1.0, "D_VOL": 0.7, "I_SELECTED": 0.0}
    project.tracks.append(band)
    guitar = sounding(reaper, folder, "Guitar", at=0.25, seconds=0.25, seed=1)
    keys = sounding(reaper, folder, "Keys", at=0.5, seconds=0.5, seed=2)
    keys.values["I_FOLDERDEPTH"] = -1.0
    verb = Track(texts={"P_NAME": "Verb"}, fx=[Fx("ReaVerbate", gain=0.5, ring_seconds=0.75)])
    verb.values["I_SELECTED"] = 0.0
    project.tracks.append(verb)
    keys.sends.append(Send(verb))
    for track in (band, guitar, keys, project.master):
        track.fx.append(Fx("ReaComp", gain=0.6))
    project.master.values |= {"D_VOL": 0.5, "D_PAN": -0.25, "B_PHASE": 1.0}
    project.time_selection = (0.0, SECONDS)
    return reaper


Change = Callable[[Project], object]


def law(tmp_path: Path, mode: str, names: tuple[str, ...], change: Change) -> tuple[Reaper, Workplace]:
    """Send after a change; bring the stems in; the sound is as before. Returns what was worked with."""
    place, reaper = workplace(tmp_path), session(tmp_path)
    change(reaper.project)
    select(reaper, *names)
    before = heard(reaper.project)
    picture = f"{arrangement(reaper.project)}\n{routing(reaper.project)}"
    send(reaper, place, mode)
    renders = place.renders()
    assert renders, reaper.messages
    for number, render in enumerate(renders):
        reaper.run(place.drop_of(render, number + 1).script)
    story = f"{reaper.messages}\n{picture}\n\n{arrangement(reaper.project)}\n{routing(reaper.project)}"
    assert np.abs(before).max() > 0.005
    assert np.abs(heard(reaper.project) - before).max() < 1e-6, story
    return reaper, place


def nothing(project: Project) -> None:
    pass


WAYS = [
    ("time", ()),
    ("items", ("Keys", "Guitar")),
    ("tracks", ("Keys",)),
    ("tracks", ("Guitar", "Keys")),
    ("tracks", ("Verb",)),
    ("bus", ("Band",)),
    ("bus", ("Verb",)),
    ("master", ()),
]


@pytest.mark.parametrize(("mode", "names"), WAYS)
def test_what_rings_on_behind_the_last_item_is_sent_too(tmp_path: Path, mode: str, names: tuple[str, ...]) -> None:
    law(tmp_path, mode, names, nothing)


def squeeze(project: Project) -> None:
    for track in (*project.tracks, project.master):
        track.values |= {"I_PANMODE": 5.0, "D_WIDTH": 0.5, "D_PAN": 0.3}
        track.values["B_PHASE"] = 1.0 - track.values.get("B_PHASE", 0.0)


@pytest.mark.parametrize(("mode", "names"), WAYS)
def test_width_pan_and_phase_are_heard_once(tmp_path: Path, mode: str, names: tuple[str, ...]) -> None:
    law(tmp_path, mode, names, squeeze)


def shape(project: Project) -> None:
    """Every item with its own volume, fades, loop and offset; one more that is muted, one that does not play."""
    for item in list(project.items()):
        item.values |= {"D_VOL": 0.4, "D_FADEINLEN": 0.02, "D_FADEOUTLEN": 0.05, "B_LOOPSRC": 1.0, "D_LENGTH": 0.7}
        item.takes[0].values |= {"D_STARTOFFS": 0.1, "D_VOL": -0.5, "D_PAN": 0.6}
    keys = project.track("Keys")
    keys.values["I_FREEMODE"] = 2.0
    keys.items[0].values["C_LANEPLAYS"] = 1.0


@pytest.mark.parametrize(("mode", "names"), WAYS)
def test_items_with_volume_fades_loops_and_lanes(tmp_path: Path, mode: str, names: tuple[str, ...]) -> None:
    law(tmp_path, mode, names, shape)


def muted(project: Project) -> list[str]:
    return [track.name for track in project.tracks if track.values.get("B_MUTE") and "original" not in track.name]


def follow_vca(project: Project) -> None:
    project.track("Band").vca = 0.5


def test_a_bus_that_follows_a_vca_is_replaced_at_its_output(tmp_path: Path) -> None:
    reaper, _ = law(tmp_path, "bus", ("Band",), follow_vca)
    assert muted(reaper.project) == ["Band"]


def envelope(chunk: str, is_active: bool = True) -> Change:
    return lambda project: project.track("Band").envelopes.append(Envelope(chunk, is_active))


@pytest.mark.parametrize(
    "chunk", ["<VOLENV", "<VOLENV2", "<VOLENV3", "<PANENV", "<WIDTHENV2", "<DUALPANENVL2", "<MUTEENV"]
)
def test_a_bus_with_an_envelope_is_replaced_at_its_output_unless_it_is_switched_off(tmp_path: Path, chunk: str) -> None:
    for is_active, replaced in ((True, ["Band"]), (False, ["Guitar", "Keys"])):
        folder = tmp_path / str(is_active)
        folder.mkdir()
        if is_active:
            reaper, _ = law(folder, "bus", ("Band",), envelope(chunk))
            assert muted(reaper.project) == replaced
        else:
            place, reaper = workplace(folder), session(folder)
            envelope(chunk, is_active)(reaper.project)
            reaper.project.track("Keys").sends.clear()
            select(reaper, "Band")
            send(reaper, place, "bus")
            source = place.sidecar(place.renders()[0]).rendered
            assert source is not None
            assert len(source.mute_guids) == len(replaced)


def offset_main_send(project: Project) -> None:
    project.track("Band").values["I_NCHAN"] = 4.0
    guitar = project.track("Guitar")
    guitar.values["C_MAINSEND_OFFS"] = 2.0
    project.track("Band").sends.append(Send(project.track("Verb")))
    project.track("Band").sends[0].values["I_SRCCHAN"] = 2.0


def test_a_track_that_plays_into_other_channels_of_its_folder_is_replaced_at_its_input(tmp_path: Path) -> None:
    reaper, _ = law(tmp_path, "tracks", ("Guitar",), offset_main_send)
    assert not muted(reaper.project)
    assert reaper.project.track("Guitar").items[0].values["B_MUTE"] == 1.0


def send_midi(project: Project) -> None:
    cue = Send(project.track("Verb"))
    cue.values |= {"I_SRCCHAN": -1.0, "I_MIDIFLAGS": 0.0}
    project.track("Guitar").sends.append(cue)


def test_a_track_that_sends_midi_only_goes_on_sending_it(tmp_path: Path) -> None:
    reaper, _ = law(tmp_path, "tracks", ("Guitar",), send_midi)
    assert not muted(reaper.project)


def leave_out_receives(project: Project) -> None:
    project.track("Guitar").sends.append(Send(project.track("Verb")))
    project.track("Guitar").sends[0].values["I_SENDMODE"] = 8.0


@pytest.mark.parametrize(
    ("mode", "name", "change", "message"),
    [
        ("items", "Guitar", leave_out_receives, "leaves out what comes from other tracks"),
        ("tracks", "Guitar", leave_out_receives, "leaves out what comes from other tracks"),
        ("items", "Guitar", lambda p: p.track("Guitar").values.update(D_PLAY_OFFSET=0.01), "Send the track"),
        ("items", "Guitar", lambda p: p.track("Guitar").values.update(I_FREEMODE=2.0), "lane that does not play"),
        ("master", "", lambda p: p.master.values.update(B_MUTE=1.0), "The master is muted"),
        ("master", "", lambda p: setattr(p.master, "vca", 0.5), "follows a VCA"),
        ("master", "", lambda p: p.master.envelopes.append(Envelope("<MASTERMUTEENV")), "envelope"),
        ("tracks", "Guitar", lambda p: setattr(p, "play_rate", 1.5), "play rate"),
        ("bus", "Keys", lambda p: p.track("Keys").fx.append(Fx("ReaSynth", is_instrument=True)), "instrument"),
    ],
)
def test_what_would_change_the_sound_is_told_and_nothing_is_sent(
    tmp_path: Path, mode: str, name: str, change: Change, message: str
) -> None:
    place, reaper = workplace(tmp_path), session(tmp_path)
    change(reaper.project)
    select(reaper, name)
    before = reaper.project.state()
    send(reaper, place, mode)
    assert len(reaper.messages) == 1
    assert message in reaper.messages[0]
    assert not place.renders()
    assert reaper.project.state() == before


def later(project: Project) -> None:
    project.track("Guitar").values |= {"D_PLAY_OFFSET": 80.0, "I_PLAY_OFFSET_FLAG": 2.0}


def test_a_track_that_plays_its_items_later_is_sent_as_it_sounds(tmp_path: Path) -> None:
    law(tmp_path, "tracks", ("Guitar",), later)


def test_a_recording_is_not_disturbed(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), session(tmp_path)
    reaper.play_state = 5
    send(reaper, place, "master")
    assert reaper.messages == ["REAPER is recording. Stop it first."]
    assert not place.renders()


def band_sends(project: Project) -> None:
    project.track("Band").sends.append(Send(project.track("Verb")))
    project.track("Keys").sends.clear()


def test_a_folder_and_a_track_in_it_are_not_sent_both_where_one_would_be_heard_twice(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), session(tmp_path)
    band_sends(reaper.project)
    select(reaper, "Band", "Guitar")
    send(reaper, place, "tracks")
    assert reaper.messages == ["Guitar plays into Band, and both are selected. Send one of them."]
    assert not place.renders()


@pytest.mark.parametrize("names", [("Band", "Keys"), ("Guitar", "Verb"), ("Band", "Verb"), ("Keys", "Verb")])
def test_a_track_and_what_it_plays_into_may_be_sent_both_where_it_is_heard_once(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    law(tmp_path, "tracks", names, nothing)


def test_a_second_send_of_what_the_first_replaced_holds_the_stems_in_its_place(tmp_path: Path) -> None:
    reaper, place = law(tmp_path, "tracks", ("Guitar",), lambda project: project.track("Keys").sends.clear())
    before = heard(reaper.project)
    select(reaper, "Band")
    first = place.renders()
    send(reaper, place, "bus")
    (second,) = [render for render in place.renders() if render not in first]
    reaper.run(place.drop_of(second, 9).script)
    assert np.abs(heard(reaper.project) - before).max() < 1e-6, routing(reaper.project)
