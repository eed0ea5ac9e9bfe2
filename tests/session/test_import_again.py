"""A second run of import.lua: it restores what is missing and touches nothing of what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.domain.render import Marker, Origin
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.reaper.standin.state import Item, Project, Source, Take, Track
from tests.reaper.standin.state import Marker as ProjectMarker
from tests.session.small_drops import FRAMES, RATE, ROUTED, SmallDrop, make_drop
from tests.session.users import BUSES, part_of_user, picture


def imported(tmp_path: Path) -> tuple[Reaper, SmallDrop]:
    drop = make_drop(tmp_path, preset=ROUTED, printed=["vocals"])
    reaper = Reaper()
    reaper.run(drop.script)
    return reaper, drop


def delete_stem_track(project: Project) -> None:
    project.delete_track(project.track("Vocals"))


def delete_bus_track(project: Project) -> None:
    project.delete_track(project.track("VOX"))


def delete_item(project: Project) -> None:
    project.track("Vocals").items.clear()


def delete_wet_take(project: Project) -> None:
    item = project.track("Vocals").items[0]
    item.takes.pop(0)
    item.active = 0


def delete_dry_take(project: Project) -> None:
    project.track("Vocals").items[0].takes.pop()


def delete_send(project: Project) -> None:
    project.track("Vocals").sends.clear()


def delete_everything(project: Project) -> None:
    project.tracks.clear()


@pytest.mark.parametrize(
    "delete",
    [
        *(delete_stem_track, delete_bus_track, delete_item, delete_wet_take, delete_dry_take, delete_send),
        delete_everything,
    ],
)
def test_a_rerun_restores_what_was_deleted_and_one_undo_takes_it_back(tmp_path: Path, delete: object) -> None:
    reaper, drop = imported(tmp_path)

    def contents() -> object:
        return sorted(
            (
                track.name,
                sorted(send.target.name for send in track.sends),
                sorted(take.texts["P_NAME"] for item in track.items for take in item.takes),
            )
            for track in reaper.project.tracks
        )

    complete = contents()
    delete(reaper.project)  # type: ignore[operator]
    assert contents() != complete
    harmed = reaper.project.state()
    reaper.run(drop.script)
    assert contents() == complete, picture(reaper.project)
    reaper.undo()
    assert reaper.project.state() == harmed


def test_a_rerun_touches_nothing_of_what_is_there(tmp_path: Path) -> None:
    reaper, drop = imported(tmp_path)
    vocals, vox = reaper.project.track("Vocals"), reaper.project.track("VOX")
    vocals.texts["P_NAME"] = "Lead, mine"
    vocals.values |= {"D_VOL": 0.1, "D_PAN": -0.7, "I_CUSTOMCOLOR": 0.0, "I_SELECTED": 1.0, "D_PANLAW": -1.0}
    vocals.items[0].values |= {"D_POSITION": 7.0, "D_LENGTH": 0.01, "D_FADEINLEN": 0.004}
    vocals.items[0].active = 1
    vocals.sends[0].values["D_VOL"] = 0.3
    vox.fx.clear()
    reaper.project.tracks.reverse()
    kept = {track.guid: track for track in reaper.project.tracks if track.name != "Drums"}
    reaper.project.delete_track(reaper.project.track("Drums"))
    before = part_of_user(reaper.project, list(kept))
    reaper.run(drop.script)
    assert reaper.project.tracks[-1].name == "Drums"
    assert part_of_user(reaper.project, list(kept)) == before


def test_a_restored_take_lines_up_with_the_trimmed_item(tmp_path: Path) -> None:
    reaper, drop = imported(tmp_path)
    item = reaper.project.track("Vocals").items[0]
    for take in item.takes:
        take.values["D_STARTOFFS"] = 0.0125
    del item.takes[1]
    reaper.run(drop.script)
    item = reaper.project.track("Vocals").items[0]
    assert [take.values["D_STARTOFFS"] for take in item.takes] == [0.0125, 0.0125]
    assert item.active == 0


def test_a_stem_that_was_routed_elsewhere_is_not_heard_twice(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, preset=BUSES)
    reaper = Reaper()
    reaper.run(drop.script)
    drums = reaper.project.track("Drums")
    drums.sends.clear()
    drums.values["B_MAINSEND"] = 1.0
    reaper.run(drop.script)
    heard = master(reaper.project, sample_rate=RATE, frames=FRAMES)
    assert np.abs(heard - drop.mix).max() < 1e-12, picture(reaper.project)


def test_an_item_that_was_moved_to_another_track_is_not_doubled(tmp_path: Path) -> None:
    reaper, drop = imported(tmp_path)
    mine = Track(texts={"P_NAME": "Mine"}, items=reaper.project.track("Vocals").items)
    reaper.project.tracks.append(mine)
    reaper.project.delete_track(reaper.project.track("Vocals"))
    before = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == before


def test_an_item_that_was_glued_is_not_covered_by_a_second_one(tmp_path: Path) -> None:
    reaper, drop = imported(tmp_path)
    file = drop.folder / "mix" / "Song.wav"
    source = Source.open(str(file), file)
    glued = Item(takes=[Take(source)], values={"D_POSITION": 0.0, "D_LENGTH": 0.05, "D_VOL": 1.0})
    reaper.project.track("Vocals").items[:] = [glued]
    before = reaper.project.state()
    reaper.run(drop.script)
    assert reaper.project.state() == before
    assert "Vocals: its track holds another item there, so the stem was left out." in reaper.messages[-1]


def test_markers_go_into_a_project_that_has_none(tmp_path: Path) -> None:
    markers = [Marker(80, "Verse"), Marker(160, "Chorus", 80)]
    reaper = Reaper()
    reaper.run(make_drop(tmp_path, markers=markers, origin=Origin(2.0, "bext")).script)
    got = [(one.name, one.start, one.end, one.is_region) for one in reaper.project.markers]
    assert got == [("Verse", 2.01, 2.01, False), ("Chorus", 2.02, pytest.approx(2.03), True)]
    assert not reaper.messages


def test_markers_of_the_project_s_own_are_left_alone_and_said(tmp_path: Path) -> None:
    markers = [Marker(80, "Verse"), Marker(160, "Chorus", 80)]
    drop = make_drop(tmp_path, markers=markers)
    reaper = Reaper()
    reaper.project.markers.append(ProjectMarker("Verse", 0.01, 0.01, False, 1))
    before = reaper.project.state()
    reaper.run(drop.script)
    assert part_of_user(reaper.project, []) == before
    assert reaper.messages == ["The project has its own markers, so 1 of the render were left out."]
    reaper.project.delete_track(reaper.project.track("Drums"))
    reaper.run(drop.script)
    assert len(reaper.messages) == 1, "a rerun does not say it again"
