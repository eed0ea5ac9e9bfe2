"""Send to bridge: whatever is sent, its stems in its place sound as before, and nothing of the user's is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.intake.sidecar import Sidecar
from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Envelope, Fx, Marker, Project, Send, Tempo, Track
from tests.reaper.standin.text import arrangement, routing
from tests.reaper.workplace import Workplace, sounding, workplace
from tests.session.small_drops import RATE

MODES = ["time", "items", "tracks", "bus", "master"]
SECONDS = 1.3


def heard(project: Project) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return master(project, sample_rate=RATE, frames=round(SECONDS * RATE))


def picture(project: Project) -> str:
    return f"{arrangement(project)}\n{routing(project)}"


def busy(folder: Path, pan_law: float = 0.5) -> Reaper:
    """A project with effects and faders everywhere: a folder, a return, a bus fed by sends, a master with effects."""
    reaper = Reaper()
    project = reaper.project
    project.pan_law = pan_law
    band, verb, bus = (Track(texts={"P_NAME": name}) for name in ("Band", "Verb", "Bus"))
    for one in (band, verb, bus):
        one.values["I_SELECTED"] = 0.0
    project.tracks.append(band)
    sounding(reaper, folder, "Guitar", at=1.0625, seconds=0.1, seed=1)
    keys = sounding(reaper, folder, "Keys", at=1.0, seconds=0.15, seed=2)
    vocals = sounding(reaper, folder, "Vocals", at=1.05, seconds=0.2, seed=3)
    choir = sounding(reaper, folder, "Choir", at=1.0, seconds=0.1, seed=4)
    project.tracks += [verb, bus]
    band.values |= {"I_FOLDERDEPTH": 1.0, "D_VOL": 0.8, "D_PAN": 0.3}
    keys.values |= {"I_FOLDERDEPTH": -1.0, "D_PAN": -0.4}
    vocals.sends.append(Send(verb))
    choir.values["B_MAINSEND"] = 0.0
    choir.sends.append(Send(bus))
    for number, track in enumerate((*project.tracks, project.master)):
        track.fx.append(Fx("ReaComp", gain=0.5 + 0.1 * number))
    project.master.values |= {"D_VOL": 0.7, "D_PAN": 0.2}
    verb.values["D_VOL"] = 0.4
    return reaper


def select(reaper: Reaper, *names: str) -> None:
    for track in reaper.project.tracks:
        track.values["I_SELECTED"] = float(track.name in names)
        for item in track.items:
            item.values["B_UISEL"] = float(track.name in names)


def send(reaper: Reaper, place: Workplace, mode: str) -> None:
    reaper.ext_state["stembridge", "mode"] = mode
    reaper.run(place.script("Send to bridge"))


WAYS = [
    ("time", ()),
    ("items", ("Guitar",)),
    ("items", ("Guitar", "Vocals")),
    ("tracks", ("Guitar",)),
    ("tracks", ("Vocals",)),
    ("tracks", ("Guitar", "Keys", "Band")),
    ("tracks", ("Bus",)),
    ("bus", ("Band",)),
    ("bus", ("Bus",)),
    ("bus", ("Vocals",)),
    ("master", ()),
]


@pytest.mark.parametrize("law", [0.5, 0.707, 1.0])
@pytest.mark.parametrize(("mode", "names"), WAYS)
def test_the_source_muted_and_the_dry_stems_sound_as_before(
    tmp_path: Path, mode: str, names: tuple[str, ...], law: float
) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path, law)
    reaper.project.time_selection = (0.0, SECONDS)
    if names == ("Guitar", "Keys", "Band"):
        names = ("Guitar", "Keys")
    select(reaper, *names)
    before, picture_before = heard(reaper.project), picture(reaper.project)
    send(reaper, place, mode)
    sent = place.renders()
    assert len(sent) == max(1, len(names)), reaper.messages
    for number, render in enumerate(sent):
        reaper.run(place.drop_of(render, number + 1).script)
    after = heard(reaper.project)
    assert np.abs(before).max() > 0.01
    story = f"{reaper.messages}\n{picture_before}\n\n{picture(reaper.project)}"
    assert np.abs(after - before).max() < 1e-6, story


@pytest.mark.parametrize("mode", MODES)
def test_the_project_is_as_before_and_one_undo_takes_the_stems_and_the_mute_back(tmp_path: Path, mode: str) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    reaper.project.time_selection = (0.0, SECONDS)
    reaper.project.ext["stembridge/project"] = "{0}"
    reaper.project.master.values["I_SELECTED"] = 1.0
    select(reaper, "Vocals")
    before = reaper.project.state()
    send(reaper, place, mode)
    assert reaper.project.state() == before
    assert not reaper.undo_points
    (render,) = place.renders()
    reaper.run(place.drop_of(render).script)
    assert reaper.project.state() != before
    assert reaper.undo()
    assert reaper.project.state() == before


def test_whatever_call_fails_all_is_put_back_and_nothing_or_all_is_sent(tmp_path: Path) -> None:
    whole = busy(tmp_path)
    place = workplace(tmp_path)
    select(whole, "Guitar", "Keys")
    send(whole, place, "tracks")
    calls = [(name, skip) for name in sorted(FAILURES) for skip in range(whole.calls[name])]
    assert len(calls) > 100
    calls = [(name, skip) for name, skip in calls if skip % 4 == 0 or skip < 2 or skip == whole.calls[name] - 1]
    nothing = 0
    for number, (name, skip) in enumerate(calls):
        place = workplace(_new(tmp_path / str(number)))
        reaper = busy(tmp_path)
        select(reaper, "Guitar", "Keys")
        reaper.project.ext["stembridge/project"] = "{0}"
        before = reaper.project.state()
        reaper.fail_next(name, skip=skip)
        send(reaper, place, "tracks")
        assert reaper.project.state() == before or "SetProjExtState" in name, f"{name} {skip}"
        assert len(place.renders()) in (0, 2), f"{name} {skip}"
        assert len(list(place.inbox.iterdir())) == 2 * len(place.renders()), f"{name} {skip}: something is left behind"
        assert len(reaper.messages) == 1, f"{name} {skip}: {reaper.messages}"
        assert reaper.messages[0].startswith("Sent: " if place.renders() else ""), f"{name} {skip}"
        nothing += not place.renders()
    assert nothing > 3


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_sidecar_says_where_when_and_at_what_tempo(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    reaper.project.tempo = [Tempo(0.0, 90.0, 3, 4), Tempo(1.0, 120.0, 0, 0, True)]
    reaper.project.markers = [Marker("Out", 0.5, 0.5, False, 1), Marker('In "it"\\', 1.0, 1.125, True, 2)]
    reaper.project.time_selection = (1.0, 1.25)
    reaper.replies = [6]
    send(reaper, place, "time")
    (render,) = place.renders()
    told = place.sidecar(render)
    assert told.position_seconds == 1.0
    assert [(one.position_seconds, one.bpm, one.numerator, one.ramp) for one in told.tempo] == [
        (0.0, 90.0, 3, False),
        (1.0, 120.0, 3, True),
    ]
    assert [(one.name, one.position_seconds, one.length_seconds) for one in told.markers] == [('In "it"\\', 0.0, 0.125)]
    assert told.source is not None
    assert (told.source.mode, told.source.parent, len(told.source.mute)) == ("time", "", 4)
    assert told.source.project == reaper.project.ext["stembridge/project"]
    assert told.preset is None


def test_preset_and_model_of_the_settings_go_along(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    (place.state / "presets.lua").write_text('return {presets = {{name = "karaoke"}}, models = {"htdemucs"}}\n')
    reaper.gfx.choices = [1, 5, 2, 2, 3, 2]
    reaper.run(place.script("Settings"))
    shown = reaper.gfx.menus
    own = ["Preset: The inbox's own (clean)", "Model: The inbox's own (htdemucs)"]
    assert shown[0].split("|")[:3] == ["Send: asked at the first sending", *own]
    assert shown[1] == "Time selection|Selected items|Selected tracks|A bus (one selected track)|Master"
    assert shown[3] == "!The inbox's own (clean)|karaoke"
    assert shown[-1].split("|")[:3] == ["Send: Master", "Preset: karaoke", "Model: htdemucs"]
    assert shown[-1].endswith(
        "What was sent: is muted when its stems come in|Files of stems: stay in the drop|"
        "Tempo and markers: come into an empty project only"
    )
    reaper.run(place.script("Send to bridge"))
    told = place.sidecar(place.renders()[0])
    assert (told.preset, told.model) == ("karaoke", "htdemucs")


def test_it_asks_once_and_remembers(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    reaper.run(place.script("Send to bridge"))
    assert not place.renders(), "the menu was closed"
    reaper.gfx.choices = [5]
    for count in (1, 2):
        reaper.run(place.script("Send to bridge"))
        assert len(place.renders()) == count
    assert len(reaper.gfx.menus) == 2
    assert not reaper.gfx.is_open


@pytest.mark.parametrize("reply", [6, 7])
@pytest.mark.parametrize("age", [None, 3600.0])
def test_without_a_daemon_it_is_offered_and_told(tmp_path: Path, reply: int, age: float | None) -> None:
    place, reaper = workplace(tmp_path, is_running=False), busy(tmp_path)
    if age:
        place.run_daemon(age=age)
    reaper.replies = [reply]
    reaper.on_exec = place.run_daemon
    send(reaper, place, "master")
    assert len(place.renders()) == 1
    assert reaper.messages[0] == "The daemon of Stem Bridge is not running. Start it?"
    assert len(reaper.executed) == (reply == 6)
    assert ("stem-bridge watch" in reaper.messages[1]) == (reply == 7)
    assert len(reaper.messages) == 2


def test_a_daemon_that_does_not_start_is_told(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path, is_running=False), busy(tmp_path)
    reaper.replies = [6]
    reaper.ext_state["stembridge", "mode"] = "master"
    reaper.start(place.script("Send to bridge"))
    reaper.turn()
    assert len(reaper.messages) == 2
    for _ in range(40):
        reaper.turn(1.0)
    assert "did not start" in reaper.messages[-1]
    reaper.end()


Harm = Callable[[Reaper, Workplace], object]


@pytest.mark.parametrize(
    ("mode", "harm", "message"),
    [
        ("time", lambda r, p: None, "no time selection"),
        ("items", lambda r, p: None, "No item is selected"),
        ("tracks", lambda r, p: None, "No track is selected"),
        ("bus", lambda r, p: None, "Select one bus"),
        ("master", lambda r, p: r.project.tracks.clear(), "No track goes"),
        ("master", lambda r, p: [t.items.clear() for t in r.project.tracks], "no items"),
        ("master", lambda r, p: r.project.master.envelopes.append(Envelope("<MASTERVOLENV2")), "envelope"),
        ("master", lambda r, p: r.project.tracks[0].values.update(I_SOLO=1.0), "soloed"),
        ("master", lambda r, p: (p.scripts / "stembridge_config.lua").unlink(), "stem-bridge reaper install"),
        ("master", lambda r, p: p.inbox.rmdir(), "Nothing was sent"),
    ],
)
def test_what_cannot_be_sent_is_told_and_nothing_happens(tmp_path: Path, mode: str, harm: Harm, message: str) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    harm(reaper, place)
    before = reaper.project.state()["tracks"]  # type: ignore[index]
    send(reaper, place, mode)
    assert len(reaper.messages) == 1
    assert message in reaper.messages[0]
    assert reaper.project.state()["tracks"] == before  # type: ignore[index]
    assert not list(tmp_path.glob("inbox/*.wav"))


def test_a_track_that_no_way_can_replace_is_named_with_both_reasons(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    vocals = reaper.project.track("Vocals")
    vocals.items[0].takes[0].is_midi = True
    select(reaper, "Vocals")
    send(reaper, place, "tracks")
    assert reaper.messages == [
        "Vocals cannot be replaced by its stems without a change of sound.\n"
        "Vocals has sends, which would fall silent with it.\nVocals plays an instrument."
    ]


def test_a_time_selection_inside_the_song_asks_before_more_is_muted(tmp_path: Path) -> None:
    for reply, muted in ((6, 4), (7, 0), (2, None)):
        place, reaper = workplace(_new(tmp_path / str(reply))), busy(tmp_path)
        reaper.project.time_selection = (1.0, 1.1)
        reaper.replies = [reply]
        send(reaper, place, "time")
        sources = [place.sidecar(one).source for one in place.renders()]
        assert [len(one.mute) for one in sources if one] == ([] if muted is None else [muted])


def test_two_sends_in_one_second_are_two_files(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    for track in reaper.project.tracks:
        track.texts["P_NAME"] = "Same"
        for item in track.items:
            item.takes[0].texts["P_NAME"] = "Same"
    select(reaper, "Same")
    send(reaper, place, "items")
    assert len(place.renders()) == 4


@given(st.text(max_size=60))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_name_of_marker_and_track_makes_a_sidecar_the_daemon_takes(tmp_path: Path, name: str) -> None:
    reaper = Reaper()
    place = Workplace(tmp_path)
    if not place.scripts.exists():
        place = workplace(tmp_path)
    library = place.scripts / "lib" / "stembridge_bridge.lua"
    stored = name.replace("\0", "").encode("utf-8", "replace").decode()
    reaper.ext_state["test", "name"] = stored
    reaper.run_text(
        f"""
        local bridge = assert(loadfile([[{library}]]))({{}})
        local name = reaper.GetExtState("test", "name")
        local words = bridge.words(name, 200)
        local json = bridge.json({{ markers = {{ {{ position_seconds = 0.5, name = words }} }} }})
        reaper.SetExtState("test", "json", json, false)
        reaper.SetExtState("test", "file", bridge.file_name(name), false)
        """
    )
    told = Sidecar.model_validate_json(reaper.ext_state["test", "json"])
    if stored.isascii() and stored.isprintable():
        assert told.markers[0].name == stored
    file = reaper.ext_state["test", "file"]
    assert file
    assert not set(file) & set('<>:"/\\|?*$\0\n')
    assert file == file.strip(" .")
    (tmp_path / f"{file}.txt").touch()


def test_scripts_that_reapack_put_elsewhere_find_what_the_installation_wrote_down(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    elsewhere = tmp_path / "Scripts" / "Some name" / "Some category"
    elsewhere.parent.mkdir()
    place.scripts.rename(elsewhere)
    place.scripts.mkdir()
    (elsewhere / "stembridge_config.lua").rename(place.scripts / "stembridge_config.lua")
    reaper.resource_path = str(tmp_path)
    reaper.ext_state["stembridge", "mode"] = "master"
    reaper.run(elsewhere / "stembridge_Send to bridge.lua")
    assert len(place.renders()) == 1, reaper.messages


def test_a_project_that_got_its_id_asks_to_be_saved_and_one_that_has_it_does_not(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    send(reaper, place, "master")
    assert reaper.asks_to_save
    reaper.asks_to_save = False
    send(reaper, place, "master")
    assert not reaper.asks_to_save


def test_an_inbox_that_was_chosen_and_is_gone_from_the_settings_leaves_the_first_one(tmp_path: Path) -> None:
    place, reaper = workplace(tmp_path), busy(tmp_path)
    reaper.ext_state["stembridge", "inbox"] = "7"
    send(reaper, place, "master")
    assert len(place.renders()) == 1, reaper.messages
