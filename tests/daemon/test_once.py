"""One render, one drop, once: whatever happens to the file, the folder and the daemon."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from bridge.daemon.control import Request, ask
from bridge.daemon.done_folder import put_away
from bridge.delivery.manifest import read, verify
from bridge.domain.drop import MANIFEST
from bridge.errors import ConfigError
from bridge.intake.plain import identity_of
from bridge.journal.journal import open_journal
from tests.daemon.houses import House, sound


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_one_drop_despite_touch_rescan_and_restart(house: House) -> None:
    render = sound(house.inbox / "song.wav")
    content = render.read_bytes()
    assert house.once() == 0
    assert house.drops() == ["song"]
    assert house.staging_is_clean()
    render.touch()
    assert house.once() == 0, "a restart, and a file that looks new"
    assert render.read_bytes() == content
    with house.running():
        ask(house.state, Request(do="rescan"))
        time.sleep(1.0)
        render.touch()
        house.until(lambda: len(house.works()) == 3 and house.works()[-1].state == "done")
    assert house.drops() == ["song"]
    assert {work.drop for work in house.works()} == {house.outbox / "song"}, "every time its drop is announced"
    assert house.told.drops == [house.outbox / "song"] * 3


def test_a_copy_in_chunks_a_rename_in_and_a_hard_link_are_each_taken_once_and_whole(house: House) -> None:
    outside = house.folder / "outside"
    outside.mkdir()
    house.settle_seconds = 0.5
    with house.running():
        content = sound(outside / "chunks.wav", seed=1, seconds=2).read_bytes()
        with (house.inbox / "chunks.wav").open("wb") as file:
            for start in range(0, len(content), 4096):
                file.write(content[start : start + 4096])
                file.flush()
                time.sleep(0.1)
        sound(outside / "renamed.wav", seed=2).rename(house.inbox / "renamed.wav")
        os.link(sound(outside / "linked.wav", seed=3), house.inbox / "linked.wav")
        house.until(lambda: len(house.told.drops) == 3)
    assert house.renders_of_drops() == ["chunks.wav", "linked.wav", "renamed.wav"]
    assert [work.attempts for work in house.works()] == [1, 1, 1]


def test_a_render_that_is_replaced_while_it_is_worked_on_makes_a_drop_of_each_content(house: House) -> None:
    sound(house.inbox / "slow.wav", seed=1)
    with house.running(include_existing=True):
        house.until(lambda: "separate" in house.told.stages())
        sound(house.inbox / "slow.wav", seed=2)
        house.until(lambda: len(house.told.drops) == 2)
    assert house.drops() == ["slow", "slow 2"]
    assert house.told.errors == []


def test_a_second_daemon_refuses_and_names_the_first(house: House) -> None:
    with house.running(), pytest.raises(ConfigError, match=str(os.getpid())):
        house.daemon().run(once=True)


def test_a_drop_the_user_removed_stays_removed_until_asked_for(house: House) -> None:
    render = sound(house.inbox / "song.wav")
    assert house.once() == 0
    shutil.rmtree(house.outbox / "song")
    render.touch()
    assert house.once() == 0
    assert house.drops() == []
    assert any("removed" in text for text in house.told.said)
    ask(house.state, Request(do="retry", work=house.works()[-1].id[:8]))
    assert house.once() == 0
    assert house.drops() == ["song"]


def test_the_same_sound_in_another_file_is_answered_with_the_drop_that_exists(house: House) -> None:
    sound(house.inbox / "song.wav")
    assert house.once() == 0
    shutil.copy(house.inbox / "song.wav", house.inbox / "copy.wav")
    assert house.once() == 0
    assert house.drops() == ["song"]
    assert house.told.drops == [house.outbox / "song"] * 2


def test_the_same_sound_at_another_place_is_another_drop_of_the_same_stems(house: House) -> None:
    sound(house.inbox / "song.wav")
    assert house.once() == 0
    (house.inbox / "again.json").write_text('{"position_seconds": 12.5}')
    shutil.copy(house.inbox / "song.wav", house.inbox / "crash again.wav")
    (house.inbox / "again.json").rename(house.inbox / "crash again.json")
    assert house.once() == 0, "its stems are those of the first: a separator would have crashed"
    assert house.drops() == ["crash again", "song"]


def test_stems_of_before_are_found_again_after_the_journal_was_lost(house: House) -> None:
    sound(house.inbox / "song.wav")
    assert house.once() == 0
    shutil.rmtree(house.state)
    (house.inbox / "crash again.json").write_text('{"position_seconds": 12.5}')
    (house.inbox / "song.wav").rename(house.inbox / "crash again.wav")
    assert house.once() == 0, "its stems are those of the first: a separator would have crashed"
    assert house.drops() == ["crash again", "song"]


def test_stems_that_were_changed_since_are_separated_again_and_that_is_said(house: House) -> None:
    sound(house.inbox / "song.wav")
    assert house.once() == 0
    changed = house.outbox / "song" / "stems" / "song - Vocals.wav"
    with changed.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"abcd")
    (house.inbox / "again.json").write_text('{"position_seconds": 12.5}')
    shutil.copy(house.inbox / "song.wav", house.inbox / "again.wav")
    house.told.events.clear()
    assert house.once() == 0
    assert "separate" in house.told.stages()
    assert verify(house.outbox / "again") == []
    assert any("changed since it was delivered" in text for text in read(house.outbox / "again" / MANIFEST).notices)


def test_what_was_there_before_the_first_watch_is_left_alone_until_asked_for(house: House) -> None:
    sound(house.inbox / "old.wav")
    assert house.once(include_existing=False) == 0
    sound(house.inbox / "new.wav", seed=2)
    assert house.once(include_existing=False) == 0
    assert house.states() == {"old.wav": "recorded", "new.wav": "done"}
    (told,) = (text for text in house.told.said if "--include-existing" in text)
    assert "(1 sound file)" in told
    assert house.once(include_existing=True) == 0
    assert house.states() == {"old.wav": "done", "new.wav": "done"}


def test_a_lost_journal_is_filled_from_the_drops(house: House) -> None:
    sound(house.inbox / "song.wav")
    assert house.once() == 0
    shutil.rmtree(house.state)
    assert house.once() == 0
    assert house.drops() == ["song"]


def test_a_damaged_journal_is_kept_and_filled_from_the_drops(house: House) -> None:
    sound(house.inbox / "song.wav")
    assert house.once() == 0
    (house.state / "journal.sqlite3").write_bytes(b"this was a database" * 1000)
    assert house.once() == 0
    assert house.drops() == ["song"]
    assert list(house.state.glob("journal.sqlite3.corrupt-*"))


def test_a_render_moves_into_done_when_its_inbox_says_so_and_is_not_taken_again(house: House) -> None:
    house.after = "move"
    content = sound(house.inbox / "song.wav").read_bytes()
    assert house.once() == 0
    assert (house.inbox / "done" / "song.wav").read_bytes() == content
    sound(house.inbox / "song.wav", seed=2)
    assert house.once() == 0
    assert sorted(path.name for path in (house.inbox / "done").iterdir()) == ["song 2.wav", "song.wav"]
    assert house.drops() == ["song", "song 2"]
    assert not list(house.inbox.glob("*.wav"))


def test_what_is_watched_is_said_at_the_start_and_what_would_stop_every_render_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(house.folder / "hub"))
    house.model, house.preset = "htdemucs", "cleen"
    assert house.once() == 0, "nothing lies there"
    (line,) = house.told.said
    assert line == (f"Renders in {house.inbox} become drops in {house.outbox}, with preset cleen and model htdemucs.")
    told = [error.message for _, error in house.told.errors]
    assert [message.partition(":")[0] for message in told] == [
        "There is no preset 'cleen'.",
        "The weights of htdemucs are missing",
    ]


def test_an_unfinished_file_is_told_of_by_every_run_that_leaves_it(house: House) -> None:
    whole = sound(house.folder / "whole.wav").read_bytes()
    (house.inbox / "half.wav").write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        house.told.said.clear()
        assert house.once() == 1
        assert [line.partition(":")[0] for line in house.told.said[1:]] == [
            "half.wav is not finished",
            "Not every render is done. What is left, and why",
        ]


def test_what_waited_for_the_user_is_tried_at_once_when_the_daemon_starts_anew(house: House) -> None:
    sound(house.inbox / "song.wav")
    house.preset = "cleen"
    assert house.once() == 1
    assert house.states() == {"song.wav": "retry"}
    assert json.loads((house.state / "status.json").read_text())["held"][0]["state"] == "retry"
    house.preset = "clean"
    assert house.once() == 0
    assert house.drops() == ["song"]


def test_a_render_that_failed_twice_stands_once_among_the_failed_and_not_when_it_is_done(house: House) -> None:
    def failed() -> list[str]:
        status = json.loads((house.state / "status.json").read_text())
        return [Path(one["render"]).name for one in status["failed"]]

    (house.inbox / "song.wav").write_bytes(b"no sound")
    with house.running(include_existing=True):
        for times in (1, 2):
            house.until(lambda times=times: len(house.told.errors) == times and failed())
            assert failed() == ["song.wav"]
            ask(house.state, Request(do="retry", work="all"))
        house.until(lambda: len(house.told.errors) == 3)
        sound(house.inbox / "song.wav")
        house.until(lambda: house.told.drops and not failed())


def test_a_render_that_cannot_be_taken_out_of_its_inbox_stays_there_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = tmp_path / "inbox" / "song.wav"
    render.parent.mkdir()
    render.write_bytes(b"sound")
    said: list[str] = []

    def held(path: Path, missing_ok: bool = False, unlink: Callable[..., None] = Path.unlink) -> None:
        if path == render:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        unlink(path, missing_ok)

    with open_journal(tmp_path / "state") as journal:
        work = journal.see(render, identity_of(render.stat()), render.parent)
    monkeypatch.setattr(Path, "unlink", held)
    for _ in range(2):
        put_away(work, said.append)
    assert [path.relative_to(tmp_path / "inbox").as_posix() for path in render.parent.rglob("*.wav")] == ["song.wav"]
    assert render.read_bytes() == b"sound"
    assert len(said) == 2
    assert all("could not be moved" in sentence for sentence in said)
