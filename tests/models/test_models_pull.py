"""Fetching weights: what is used is what was pinned, whatever the network does."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hub_stand_in import Hub, sha256
from huggingface_hub import constants
from small_weights import COMMIT, Published, weights_bytes

from bridge.errors import ModelError, NoSpaceError
from bridge.models import checks
from bridge.models.lock import Pin, pin_of, write_pin
from bridge.models.model import HubSource, Model
from bridge.models.places import Places
from bridge.models.weights import PullProgress, checksums, locate, pull, verify


def unpinned(model: Model) -> Model:
    """The same model, as a release that knows no checksums has it."""
    members = tuple(replace(one, size=None, sha256=None) for one in model.members)
    return replace(model, members=members, source=replace(model.source, revision=None))


def leftovers(places: Places) -> list[Path]:
    """Files of the cache that could be mistaken for weights."""
    return [one for one in places.hub.rglob("*") if one.is_file() and one.stat().st_size > 1000]


def test_a_pulled_model_is_found_without_the_network(hub: Hub, published: Published, places: Places) -> None:
    pulled = pull(published.model, places=places)
    hub.asked.clear()
    assert locate(published.model, places=places) == pulled
    assert [one.read_bytes() for one in pulled] == list(published.files.values())
    assert checksums(published.model, places=places) == tuple(one.sha256 for one in published.model.members)
    assert pull(published.model, places=places) == pulled
    assert not hub.asked


def test_progress_counts_every_byte_once_and_ends_at_the_total(published: Published, places: Places) -> None:
    heard: list[PullProgress] = []
    pull(published.model, progress=heard.append, places=places)
    total = sum(map(len, published.files.values()))
    assert [one.done_bytes for one in heard] == sorted(one.done_bytes for one in heard)
    assert (heard[0].done_bytes, heard[-1].done_bytes) == (0, total)
    assert {one.total_bytes for one in heard} == {total}


def test_a_transfer_that_breaks_off_is_resumed_where_it_broke(
    hub: Hub, published: Published, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 8192)  # what is kept of a broken transfer: whole chunks
    hub.break_after_bytes = [40_000]
    pull(published.model, places=places)
    assert [one for one in hub.asked if one.endswith("bytes=32768-")]
    assert {one.state for one in verify(published.model, places=places)} == {"ready"}


def test_the_hubs_client_says_nothing_on_the_terminal(
    hub: Hub, published: Published, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", said.append)
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.break_after_bytes = [10]
    client = logging.getLogger("huggingface_hub")
    client.addHandler(handler)
    pull(published.model, places=places)
    client.removeHandler(handler)
    assert not said


def test_a_transfer_that_never_ends_well_leaves_nothing_behind(
    hub: Hub, published: Published, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.break_after_bytes = [10] * 20
    with pytest.raises(ModelError, match=r"net0.safetensors of pair: the (connection to|transfer from) 127"):
        pull(published.model, places=places)
    assert not list(places.hub.rglob("*.incomplete"))
    assert not leftovers(places)


def test_a_pull_may_be_stopped_and_taken_up_again(hub: Hub, published: Published, places: Places) -> None:
    def stop(progress: PullProgress) -> None:
        if progress.file == "net1.safetensors" and progress.done_bytes > len(published.files["net0.safetensors"]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(published.model, progress=stop, places=places)
    assert [one.state for one in verify(published.model, places=places)] == ["ready", "missing"]
    hub.asked.clear()
    pull(published.model, places=places)
    assert not [one for one in hub.asked if "net0" in one]


def test_other_bytes_than_announced_are_never_used_nor_kept(hub: Hub, published: Published, places: Places) -> None:
    hub.spoil = True
    with pytest.raises(ModelError, match=rf"net0.safetensors.*expected {published.model.members[0].sha256}, found"):
        pull(published.model, places=places)
    assert not leftovers(places)
    with pytest.raises(ModelError, match="missing"):
        locate(published.model, places=places)
    hub.spoil = False
    pull(published.model, places=places)


def test_another_checksum_is_refused_before_a_byte_is_fetched(hub: Hub, published: Published, places: Places) -> None:
    hub.announce_spoilt = True
    with pytest.raises(ModelError, match="checksum"):
        pull(published.model, places=places)
    assert not hub.downloads()


def test_a_damaged_file_is_refused_and_then_replaced(published: Published, places: Places) -> None:
    paths = pull(published.model, places=places)
    paths[0].write_bytes(weights_bytes(7))
    with pytest.raises(ModelError, match=r"checksum of .*net0.safetensors is wrong") as caught:
        locate(published.model, places=places)
    assert caught.value.hint == "To fetch it anew, run: stem-bridge models pull pair"
    assert [one.state for one in verify(published.model, places=places)] == ["wrong", "ready"]
    pull(published.model, places=places)
    assert locate(published.model, places=places) == paths


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 500}, "answered with error 500"),
        ({"status": 503}, "answered with error 503"),
        ({"html": True}, "sign-in page"),
        ({"commits": {}}, "no longer has revision 1{40}"),
        ({"commits": {COMMIT: {}}}, "does not hold this file"),
        ({"status": 401}, "does not show someone/Pair"),
    ],
)
def test_a_hub_that_fails_is_told_in_one_line(
    hub: Hub, published: Published, places: Places, fault: dict[str, object], said: str
) -> None:
    for name, value in fault.items():
        setattr(hub, name, value)
    with pytest.raises(ModelError, match=said) as caught:
        pull(published.model, places=places)
    assert "\n" not in str(caught.value)
    assert published.model.members[0].sha256 in caught.value.hint
    assert str(places.hub) in caught.value.hint
    assert not leftovers(places)


def test_without_a_network_the_error_names_file_folder_and_checksum(published: Published, places: Places) -> None:
    nobody = replace(places, endpoint="http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"net0.safetensors of pair: the connection to 127.0.0.1:9 failed") as caught:
        pull(published.model, places=nobody)
    assert published.model.members[0].sha256 in caught.value.hint
    assert str(places.hub_file("someone/Pair", COMMIT, "x").parent) in caught.value.hint


def test_a_file_put_there_by_hand_needs_no_network(published: Published, places: Places) -> None:
    for name, data in published.files.items():
        path = places.hub_file("someone/Pair", COMMIT, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert len(pull(published.model, places=replace(places, endpoint="http://127.0.0.1:9"))) == 2


def test_the_users_wish_to_stay_offline_is_kept(
    hub: Hub, published: Published, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        pull(published.model, places=places)
    assert not hub.asked


def test_a_full_disk_is_noticed_before_the_transfer(published: Published, places: Places, hub: Hub) -> None:
    huge = shutil.disk_usage(places.hub.parent).total + 1
    members = tuple(replace(one, size=huge) for one in published.model.members)
    with pytest.raises(NoSpaceError, match="are free in"):
        pull(replace(published.model, members=members), places=places)
    assert not hub.asked


def test_the_first_pull_pins_an_unknown_model_for_good(hub: Hub, published: Published, places: Places) -> None:
    model = unpinned(published.model)
    with pytest.raises(ModelError, match="no checksum is pinned yet"):
        locate(model, places=places)
    paths = pull(model, places=places)
    assert json.loads(places.lock.read_text())["models"]["pair"]["revision"] == COMMIT

    hub.publish("2" * 40, {name: weights_bytes(9) for name in published.files})
    hub.asked.clear()
    assert pull(model, places=places) == paths == locate(model, places=places)
    assert not hub.asked

    paths[0].unlink()
    assert pull(model, places=places) == paths
    assert paths[0].read_bytes() == published.files["net0.safetensors"]
    assert not [one for one in hub.asked if "2" * 40 in one or "main" in one]


def test_a_pull_that_fails_pins_nothing(hub: Hub, published: Published, places: Places) -> None:
    hub.spoil = True
    with pytest.raises(ModelError, match="checksum"):
        pull(unpinned(published.model), places=places)
    assert not places.lock.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 2, "models": {}}', "[" * 100_000])
def test_a_damaged_lock_file_is_not_taken_for_an_empty_one(published: Published, places: Places, text: str) -> None:
    places.data.mkdir()
    places.lock.write_text(text)
    for act in (locate, verify, pull):
        with pytest.raises(ModelError, match=r"lock file .* is damaged"):
            act(unpinned(published.model), places=places)


def test_a_pin_holds_only_for_the_repository_it_was_made_for(published: Published, places: Places) -> None:
    model = unpinned(published.model)
    pull(model, places=places)
    assert pin_of(model, places.lock) is not None
    assert pin_of(replace(model, source=HubSource("other/Pair", None)), places.lock) is None


def test_a_pin_is_never_replaced_by_a_later_one(published: Published, places: Places) -> None:
    model = unpinned(published.model)
    files = {one.file: (10, "a" * 64) for one in model.members}
    for revision in ("3" * 40, "4" * 40):
        write_pin(model.name, Pin("someone/Pair", revision, files), places.lock)
    write_pin("another", Pin("someone/Other", "5" * 40, files), places.lock)
    assert pin_of(model, places.lock) == Pin("someone/Pair", "3" * 40, files)


def test_weights_of_another_network_are_refused(hub: Hub, published: Published, places: Places) -> None:
    files = dict(published.files, **{"net1.safetensors": weights_bytes(1, stems=("bass", "piano"))})
    hub.publish(COMMIT, files)
    with pytest.raises(ModelError, match=r"do not belong to pair.*bass, piano"):
        pull(unpinned(published.model), places=places)
    assert not places.lock.exists()


def test_a_folder_of_the_user_comes_before_the_cache(published: Published, places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, data in published.files.items():
        (folder / name).write_bytes(data)
    assert locate(published.model, [folder], places) == tuple(folder / name for name in published.files)
    (folder / "net1.safetensors").write_bytes(weights_bytes(5))
    with pytest.raises(ModelError, match="checksum"):
        locate(published.model, [folder], places)


def test_a_second_start_does_not_read_the_file_again_but_a_change_is_seen(
    published: Published, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    real = checks.sha256_of
    monkeypatch.setattr(checks, "sha256_of", lambda path: read.append(path) or real(path))
    monkeypatch.setattr(checks, "_SETTLED_NS", -1)
    paths = pull(published.model, places=places)
    locate(published.model, places=places)
    read.clear()
    locate(published.model, places=places)
    assert not read
    verify(published.model, places=places)
    assert read == list(paths)
    paths[0].write_bytes(published.files["net0.safetensors"][:-1] + b"!")
    with pytest.raises(ModelError, match="checksum"):
        locate(published.model, places=places)


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"one")
    assert checks.Checks(tmp_path / "cache").sha256(file) == sha256(b"one")
    assert not (tmp_path / "cache").exists()
