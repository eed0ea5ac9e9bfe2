"""The registry says what demucs itself says, and folders of own weights become models."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml
from small_weights import weights_bytes

from bridge.errors import ModelError
from bridge.models import registry
from bridge.models.checks import sha256_of
from bridge.models.legacy import LEGACY_SHA256
from bridge.models.model import FolderSource, HubSource
from bridge.models.places import Places
from bridge.models.weights import checksums, locate, pull, verify

REMOTE = Path(str(importlib.util.find_spec("demucs").origin)).parent / "remote"  # type: ignore[union-attr]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "data", tmp_path / "cache", tmp_path / "hub", "http://127.0.0.1:9")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Eigene Gewichte"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", [one for one in registry.names() if one != "htdemucs_mini"])
def test_bags_are_those_of_demucs(name: str) -> None:
    bag = yaml.safe_load((REMOTE / f"{name}.yaml").read_text())
    model = registry.find(name)
    ones = [[1.0] * len(model.stems)] * len(bag["models"])
    assert [one.signature for one in model.members] == bag["models"]
    assert [list(row) for row in model.weights] == bag.get("weights", ones)
    assert model.segment_seconds == bag.get("segment")


@pytest.mark.parametrize("name", registry.names())
def test_a_model_is_pinned_whole_or_not_at_all(name: str) -> None:
    model = registry.find(name)
    known = [one.sha256 is not None and one.size is not None for one in model.members]
    if isinstance(model.source, HubSource):
        assert known == [model.source.revision is not None] * len(known)
    else:
        assert all(known)


def test_checksums_of_old_files_begin_as_demucs_names_them() -> None:
    files = [one for one in (REMOTE / "files.txt").read_text().split() if one.endswith(".th")]
    listed = dict(one.removesuffix(".th").split("-") for one in files)
    assert {one.signature for name in registry.names() for one in registry.find(name).members} - {
        "htdemucs_mini"
    } == LEGACY_SHA256.keys()
    assert all(sha256.startswith(listed[one]) and len(sha256) == 64 for one, sha256 in LEGACY_SHA256.items())


def test_the_bundled_model_is_there_right_and_marked_as_trial(places: Places) -> None:
    model = registry.find("htdemucs_mini")
    (path,) = locate(model, places=places)
    assert sha256_of(path) == model.members[0].sha256
    assert path.stat().st_size == model.members[0].size
    assert model.members[0].sha256 in path.with_suffix(".md").read_text(encoding="utf-8")
    assert model.is_trial
    assert pull(model, places=places) == (path,)


@pytest.mark.parametrize("name", ["htdemux", "HTDEMUCS", "htdemucs-ft"])
def test_a_typing_error_gets_a_guess(name: str) -> None:
    with pytest.raises(ModelError, match="There is no model") as caught:
        registry.find(name)
    assert "Did you mean 'htdemucs" in caught.value.hint


@pytest.mark.parametrize("name", ["", " ", "\0", "~nobody-has-this-name/x", "x" * 5000, "a\nb", "/", "."])
def test_odd_names_are_no_models(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        registry.find(name)
    assert "\n" not in str(caught.value)


def test_one_network_in_a_folder_is_a_model(folder: Path, places: Places) -> None:
    (folder / "mine.safetensors").write_bytes(weights_bytes(stems=("Vocals", "rest"), samplerate=48000))
    for model in (registry.find(str(folder)), registry.find(folder.name, [folder.parent])):
        assert (model.name, model.stems, model.sample_rate) == ("Eigene Gewichte", ("vocals", "rest"), 48000)
        assert model.source == FolderSource(folder.resolve())
        assert locate(model, places=places) == (folder.resolve() / "mine.safetensors",)
        assert checksums(model, places=places) == (sha256_of(folder / "mine.safetensors"),)
        assert verify(model, places=places)[0].state == "ready"


def test_a_bag_file_makes_one_model_of_several_networks(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.safetensors").write_bytes(weights_bytes())
    (folder / "both.yaml").write_text("models: ['b', 'a']\nweights: [\n  [1., 0.],\n  [.5, 1.],\n]\nsegment: 44")
    model = registry.find(str(folder))
    assert (model.name, model.segment_seconds) == ("both", 44.0)
    assert [one.file for one in model.members] == ["b.safetensors", "a.safetensors"]
    assert model.weights == ((1.0, 0.0), (0.5, 1.0))


@pytest.mark.parametrize(
    ("bag", "said"),
    [
        (None, "holds 2 networks"),
        ("models: []", "bag.yaml:1: 'models' must list signatures"),
        ("models: ['../a']", "'models' must list signatures"),
        ("models: ['*']", "'models' must list signatures"),
        ("models: a", "'models' must list signatures"),
        ("[]", "'models' must list signatures"),
        ("models: ['c']", "'c' is missing"),
        ("models: ['a', 'b']\nweight: 1", "bag.yaml:2: unknown key 'weight'"),
        ("models: ['a', 'b']\nweights: [[1, 1]]", "bag.yaml:2: 'weights' does not fit"),
        ("models: ['a', 'b']\nweights: [[1, 1], [1, -1]]", "'weights' does not fit"),
        ("models: ['a', 'b']\nweights: [[1, 0], [1, 0]]", "gets no weight"),
        ("models: ['a', 'b']\nsegment: 0", "'segment' is out of range"),
        ("models: ['a', 'b']\nsegment: true", "'segment' is out of range"),
        ("models: &x ['a']", "anchor"),
        ("models: !!python/object/apply:os.getcwd []", "tag"),
    ],
)
def test_a_bag_that_makes_no_sense_is_refused_with_its_line(folder: Path, bag: str | None, said: str) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.safetensors").write_bytes(weights_bytes())
    if bag is not None:
        (folder / "bag.yaml").write_text(bag)
    with pytest.raises(ModelError) as caught:
        registry.find(str(folder))
    assert said in str(caught.value)


def test_networks_of_different_kinds_make_no_bag(folder: Path) -> None:
    (folder / "a.safetensors").write_bytes(weights_bytes())
    (folder / "b.safetensors").write_bytes(weights_bytes(stems=("drums", "bass")))
    (folder / "bag.yaml").write_text("models: [a, b]")
    with pytest.raises(ModelError, match="different stems"):
        registry.find(str(folder))


def test_an_empty_folder_is_no_model(folder: Path) -> None:
    with pytest.raises(ModelError, match="holds no weights"):
        registry.find(str(folder))


def test_a_network_that_went_away_is_missing(folder: Path, places: Places) -> None:
    (folder / "mine.safetensors").write_bytes(weights_bytes())
    model = registry.find(str(folder))
    (folder / "mine.safetensors").unlink()
    with pytest.raises(ModelError, match=r"Eigene Gewichte.mine\.safetensors is not there") as caught:
        locate(model, places=places)
    assert caught.value.hint == "Put the file back."


def test_our_folders_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEM_BRIDGE_DATA", str(tmp_path))
    assert Places.usual().lock == tmp_path / "models.lock.json"
    monkeypatch.delenv("STEM_BRIDGE_DATA")
    assert "stem-bridge" in str(Places.usual().lock)
