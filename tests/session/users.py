"""A project somebody works in, and what must stay of it."""

from __future__ import annotations

from bridge.domain.preset import Bus, Preset, StemPreset
from tests.reaper.standin.state import Item, Project, Take, Tempo, Track
from tests.reaper.standin.text import arrangement, routing

BUSES = Preset("buses", "All through buses.", {"*": StemPreset(bus="ALL")}, {"ALL": Bus("ALL", "#30638e")})


def picture(project: Project) -> str:
    return f"{arrangement(project)}\n{routing(project)}"


def user_project() -> Project:
    """A project somebody works in: a folder, a routed track with an edited item, selections, tempo, a cursor."""
    folder, child, bus = Track(), Track(), Track()
    for track, name in ((folder, "Band"), (child, "Guitar"), (bus, "Vocals")):
        track.texts["P_NAME"] = name
        track.values["I_SELECTED"] = 0.0
    folder.values["I_FOLDERDEPTH"] = 1.0
    child.values |= {"I_FOLDERDEPTH": -1.0, "I_SELECTED": 1.0, "D_VOL": 0.5}
    child.items.append(Item(takes=[Take()], values={"D_POSITION": 3.0, "D_LENGTH": 2.0, "B_UISEL": 1.0, "D_VOL": 1.0}))
    project = Project(tracks=[folder, child, bus], tempo=[Tempo(0.0, 93.5)], cursor=4.5, time_selection=(1.0, 2.0))
    project.view = (1.5, 9.0)
    return project


def part_of_user(project: Project, guids: list[str]) -> object:
    """Everything but the tracks that were not there before."""
    rest = Project(**{**vars(project), "tracks": [track for track in project.tracks if track.guid in guids]})
    return rest.state()
