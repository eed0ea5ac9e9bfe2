"""Whatever call of whatever script fails as documented: the project is as before or all is done, and it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.domain.render import Source
from tests.reaper.standin.machine import FAILURES, Reaper
from tests.reaper.workplace import Workplace, workplace
from tests.session.small_drops import ROUTED, make_drop

Scene = Callable[[Workplace, Reaper], None]


def settings(place: Workplace, reaper: Reaper) -> None:
    reaper.gfx.choices = [1, 3, 5, 2]
    reaper.run(place.script("Settings"))


def null_check(place: Workplace, reaper: Reaper) -> None:
    reaper.run(place.script("Null check"))


def update(place: Workplace, reaper: Reaper) -> None:
    reaper.answers = [str(place.folder.parent / "new" / "import.lua")]
    reaper.run(place.script("Update stems"))


def bring_in_with_media(place: Workplace, reaper: Reaper) -> None:
    reaper.ext_state["stembridge", "media"] = "project"
    reaper.answers = [str(place.folder.parent / "new" / "import.lua")]
    reaper.run(place.script("Bring stems in"))


def auto_import(place: Workplace, reaper: Reaper) -> None:
    drop = place.outbox / "Song"
    make_drop(drop, drop_id="newer", stems=("vocals", "other"), source=Source("tracks", "{p}", ()))
    (drop / "drop.lua").write_text("return {}\n", encoding="utf-8")
    reaper.start(place.script("Auto-import"))
    for _ in range(20):
        reaper.turn(1.0)
    reaper.end()


def add_actions(place: Workplace, reaper: Reaper) -> None:
    reaper.run(place.script("Add to action list"))


def self_test(place: Workplace, reaper: Reaper) -> None:
    reaper.run(place.script("Self test"))


def opened(folder: Path) -> tuple[Workplace, Reaper]:
    """A saved project with the stems of one drop, and another drop to come."""
    folder.mkdir()
    place, reaper = workplace(folder), Reaper()
    reaper.resource_path = str(folder)
    reaper.project.ext["stembridge/project"] = "{p}"
    reaper.project.file = str(folder / "song" / "song.rpp")
    old, new = folder.parent / "old", folder.parent / "new"
    if not old.exists():
        make_drop(old, drop_id="older", preset=ROUTED, stems=("vocals", "other"))
        make_drop(new, drop_id="newer", preset=ROUTED, stems=("vocals", "other"))
    reaper.run(old / "import.lua")
    reaper.messages.clear()
    reaper.calls.clear()
    return place, reaper


@pytest.mark.parametrize(
    "scene", [settings, null_check, update, bring_in_with_media, auto_import, add_actions, self_test]
)
def test_a_call_that_fails_leaves_all_or_nothing(tmp_path: Path, scene: Scene) -> None:
    place, whole = opened(tmp_path / "whole")
    scene(place, whole)
    for number, (name, skip) in enumerate(some_of(whole.calls)):
        place, reaper = opened(tmp_path / str(number))
        mine, before = reaper.project, reaper.project.state()
        settings_before = reaper.project.render, reaper.project.render_texts
        reaper.fail_next(name, skip=skip)
        scene(place, reaper)
        story = f"{name} {skip}: {reaper.messages}"
        if scene is self_test:
            assert mine.state() == before, story
            assert reaper.messages, story
        elif outline(reaper) != outline(whole):
            assert reaper.project.state() == before, story
            assert reaper.messages or scene is auto_import, story  # which tells it in its window
        assert (reaper.project.render, reaper.project.render_texts) == settings_before, story
        assert not any("traceback" in text for text in reaper.messages), story


def some_of(calls: Counter[str]) -> list[tuple[str, int]]:
    """The first and the last call of every function that can fail."""
    return [(name, skip) for name in sorted(FAILURES) if calls[name] for skip in sorted({0, calls[name] - 1})]


def outline(reaper: Reaper) -> list[object]:
    """What is there, without the GUIDs that differ from run to run."""
    return [
        (track.name, track.values.get("B_MUTE"), track.values.get("B_PHASE"), [len(item.takes) for item in track.items])
        for track in reaper.project.tracks
    ]
