"""Send to bridge from any project: the stems in the source's place sound as before, or the user is told why not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Envelope, Fx, Project, Send, Track
from tests.reaper.standin.text import arrangement, routing
from tests.reaper.workplace import sounding, workplace
from tests.session.small_drops import RATE

SECONDS = 0.25
gains = st.sampled_from([0.25, 0.5, 1.0, 1.5])
pans = st.sampled_from([-1.0, -0.3, 0.0, 0.5])
seldom = st.sampled_from([False] * 6 + [True])


def heard(project: Project) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return master(project, sample_rate=RATE, frames=round(2 * SECONDS * RATE))


def strip(draw: st.DrawFn, track: Track) -> None:
    track.values |= {"D_VOL": draw(gains), "D_PAN": draw(pans), "D_PANLAW": draw(st.sampled_from([-1.0, 0.5, 1.0]))}
    track.values |= {"B_PHASE": float(draw(seldom)), "I_SELECTED": 0.0}
    track.fx += [Fx("ReaComp", gain=gain) for gain in draw(st.lists(gains, max_size=1))]
    if draw(seldom):
        track.values |= {"I_PANMODE": 5.0, "D_WIDTH": draw(pans)}
    track.vca = draw(gains) if draw(seldom) else None


@st.composite
def projects(draw: st.DrawFn, folder: Path) -> Reaper:
    """Folders, sends before and behind the fader, effects, mutes, solos, pans, pan laws, phases, envelopes, items."""
    reaper = Reaper()
    project = reaper.project
    project.pan_law = draw(st.sampled_from([0.5, 0.707, 1.0]))
    count = draw(st.integers(2, 5))
    depth = 0
    for number in range(count):
        if draw(st.booleans()):
            track = sounding(reaper, folder, f"T{number}", at=draw(st.sampled_from([0.0, 0.0625])), seconds=0.125)
            track.items[0].values |= {"D_VOL": draw(gains), "B_MUTE": float(draw(seldom))}
            take = track.items[0].takes[0]
            take.is_midi = draw(seldom)
            take.values |= {"D_PAN": draw(pans), "D_VOL": draw(gains)}
        else:
            track = Track(texts={"P_NAME": f"T{number}"})
            project.tracks.append(track)
        strip(draw, track)
        change = -depth if number == count - 1 else draw(st.integers(-depth, 1))
        depth += change
        track.values |= {"I_FOLDERDEPTH": float(change), "B_MAINSEND": float(not draw(seldom))}
        track.values |= {"B_MUTE": float(draw(seldom)), "I_SOLO": float(draw(seldom) and draw(seldom))}
        if draw(seldom):
            track.values |= {"I_NCHAN": 4.0, "C_MAINSEND_OFFS": 2.0 * draw(seldom), "D_PLAY_OFFSET": 0.0625}
        if draw(seldom):
            track.values["I_FREEMODE"] = 2.0
            for item in track.items:
                item.values["C_LANEPLAYS"] = float(draw(st.booleans()))
        if draw(seldom):
            track.envelopes.append(Envelope(draw(st.sampled_from(["<VOLENV2", "<PANENV2", "<MUTEENV"]))))
    for source, target in draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=3)):
        if source < target and project.parent(project.tracks[target]) is not project.tracks[source]:
            mode = draw(st.sampled_from([0.0, 3.0, 0.0, 3.0, 8.0]))
            send = Send(project.tracks[target])
            send.values |= {"D_VOL": draw(gains), "I_SENDMODE": mode, "B_MUTE": float(draw(seldom))}
            project.tracks[source].sends.append(send)
    strip(draw, project.master)
    project.master.values["D_PANLAW"] = 1.0
    chosen = draw(st.sets(st.integers(0, count - 1), max_size=2))
    for number, track in enumerate(project.tracks):
        track.values["I_SELECTED"] = float(number in chosen)
        for item in track.items:
            item.values["B_UISEL"] = track.values["I_SELECTED"]
    project.time_selection = draw(st.sampled_from([(0.0, 0.0), (0.0, 2 * SECONDS)]))
    return reaper


def has_loop(project: Project) -> bool:
    try:
        heard(project)
    except AssertionError:
        return True
    return False


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_from_any_project_the_dry_stems_sound_as_their_source_did_or_it_is_told_why_not(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = workplace(Path(folder))
        reaper = data.draw(projects(Path(folder)))
        if has_loop(reaper.project):
            return
        reaper.project.ext["stembridge/project"] = "{0}"
        mode = data.draw(st.sampled_from(["time", "items", "tracks", "bus", "master"]))
        before, state = heard(reaper.project), reaper.project.state()
        picture = f"{arrangement(reaper.project)}\n{routing(reaper.project)}"
        reaper.ext_state["stembridge", "mode"] = mode
        reaper.run(place.script("Send to bridge"))
        assert reaper.project.state() == state
        assert len(reaper.messages) == 1
        sent = place.renders()
        event(f"{mode}: {'sent' if sent else 'told'}")
        if not sent:
            assert not reaper.messages[0].startswith("Sent")
            assert "traceback" not in reaper.messages[0]
            return
        for number, render in enumerate(sent, 1):
            reaper.run(place.drop_of(render, number).script)
        story = f"{mode}\n{picture}\n\n{arrangement(reaper.project)}\n{routing(reaper.project)}"
        assert np.abs(heard(reaper.project) - before).max() < 1e-5, story
