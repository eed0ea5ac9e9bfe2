"""Sidecars: what they may say, and that no sidecar can do harm or stop anything."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.render import Marker, Origin, Source
from bridge.errors import ConfigError
from bridge.intake.sidecar import MAX_BYTES, Sidecar, read_sidecar


def write(folder: Path, content: object, name: str = "song.wav.json") -> Path:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / name).write_bytes(data)
    return folder / "song.wav"


def refused(folder: Path, content: object) -> ConfigError:
    render = write(folder, content)
    with pytest.raises(ConfigError) as caught:
        read_sidecar(render)
    error = caught.value
    assert error.path == folder / "song.wav.json"
    assert "song.wav.json" in error.message
    assert error.message.endswith(".")
    assert error.hint
    assert (error.message + error.hint).isprintable()
    assert len(error.message) < 500
    return error


def test_a_render_without_a_sidecar_has_none(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path / "song.wav") is None


def test_a_full_sidecar_is_read(tmp_path: Path) -> None:
    render = write(
        tmp_path,
        {
            "version": 1, "preset": "vocal-air", "model": "htdemucs_ft", "stems": ["vocals", "drums"],
            "position_seconds": 12, "priority": 5, "project": "/home/me/Söng.rpp",
            "markers": [{"position_seconds": 1.5, "name": "Verse"}, {"position_seconds": 2.0, "length_seconds": 0.5}],
            "tempo": [
                {"position_seconds": 0, "bpm": 120.5},
                {"position_seconds": 8, "bpm": 90, "numerator": 7, "denominator": 8},
            ],
            "tags": {"artist": "Nobody"},
        },
    )  # fmt: skip
    found = read_sidecar(render)
    assert found is not None
    assert (found.preset, found.model, found.stems) == ("vocal-air", "htdemucs_ft", ["vocals", "drums"])
    assert found.origin == Origin(12.0, "sidecar")
    assert found.markers_at(48000) == (Marker(72000, "Verse", 0), Marker(96000, "", 24000))
    assert (found.priority, found.project, found.tags) == (5, "/home/me/Söng.rpp", {"artist": "Nobody"})
    assert [(one.bpm, one.numerator, one.denominator) for one in found.tempo] == [(120.5, 4, 4), (90.0, 7, 8)]


def test_an_empty_sidecar_says_nothing(tmp_path: Path) -> None:
    assert read_sidecar(write(tmp_path, {})) == Sidecar()
    assert Sidecar().origin is None


def test_the_nearer_name_wins(tmp_path: Path) -> None:
    render = write(tmp_path, {"preset": "b"}, "song.json")
    found = read_sidecar(render)
    assert found is not None
    assert found.preset == "b"
    write(tmp_path, {"preset": "a"})
    found = read_sidecar(render)
    assert found is not None
    assert found.preset == "a"


@pytest.mark.parametrize("field", ["preset", "model", "two_stems"])
@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "..", ".hidden", "a/b", "a\\b", "C:evil", "~root", "x.yaml\n", "", " a", "a" * 81,
     "\u202ea", "a\0b", 5, True, ["a"]],
)  # fmt: skip
def test_a_sidecar_chooses_names_never_files(tmp_path: Path, field: str, name: object) -> None:
    refused(tmp_path, {field: name})


@pytest.mark.parametrize(
    "content",
    [
        {"position_seconds": "12"}, {"position_seconds": 1e300}, {"position_seconds": True}, {"priority": 1000},
        {"priority": 1.5}, {"priority": "high"}, {"stems": "vocals"}, {"stems": ["../x"]}, {"stems": ["v"] * 17},
        {"markers": {}}, {"markers": [{}]}, {"markers": [{"position_seconds": -1}]},
        {"markers": [{"position_seconds": 0}] * 1001}, {"markers": [{"position_seconds": 0, "name": "a\nb"}]},
        {"tempo": [{"position_seconds": 0, "bpm": 0}]},
        {"tempo": [{"position_seconds": 0, "bpm": 90, "denominator": 3}]},
        {"tags": {"a": 1}}, {"tags": {str(n): "" for n in range(33)}}, {"tags": {"a": "b" * 1001}},
        {"project": "a\x1b[2J"}, {"version": 2}, {"outbox": "/tmp"}, {"__class__": "x"}, {"x" * 5000: 1},
        [], "text", 5, None, True,
    ],
)  # fmt: skip
def test_values_outside_the_rules_are_refused(tmp_path: Path, content: object) -> None:
    refused(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe{\0}\0", b"\0" * 100, b'{"preset": "a", "preset": "b"}', b'{"position_seconds": NaN}',
        b'{"position_seconds": -Infinity}', b'{"priority": ' + b"9" * 10_000 + b"}", b"[" * 100_000,
        b'{"a":' * 30_000, b'{"preset": "a"} trailing', b'{"position_seconds": 1e999}', b'{"preset": "\\ud800"}',
        b" " * (MAX_BYTES + 1),
    ],
)  # fmt: skip
def test_what_is_no_proper_json_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    started = time.perf_counter()
    refused(tmp_path, content)
    assert time.perf_counter() - started < 5.0, "a bomb"


def test_an_unknown_key_is_met_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert "did you mean 'preset'?" in refused(tmp_path, {"presset": "clean"}).hint.lower()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file kinds")
@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
def test_a_sidecar_that_is_no_plain_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "song.wav.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "real").write_text("{}")
        path.symlink_to(tmp_path / "real")
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ConfigError):
        read_sidecar(tmp_path / "song.wav")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    assert read_sidecar(write(tmp_path, b"\xef\xbb\xbf{}")) == Sidecar()


PIECES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*Sidecar.model_fields, "x"]), inner),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from([*Sidecar.model_fields, "?"]), PIECES) | PIECES | st.binary(max_size=200))
def test_any_content_gives_a_sidecar_or_one_error(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    render = write(folder, content)
    try:
        found = read_sidecar(render)
    except ConfigError:
        return
    assert isinstance(found, Sidecar)
    found.markers_at(44100)


GUID = "{0A1B2C3D-0000-4000-8000-00000000ABCD}"


def test_the_tempo_map_counts_from_the_render_once_its_origin_is_known(tmp_path: Path) -> None:
    points = [{"position_seconds": 8, "bpm": 90, "ramp": True}, {"position_seconds": 2, "bpm": 120}]
    found = read_sidecar(write(tmp_path, {"tempo": points}))
    assert found is not None
    tempo = found.tempo_from(Origin(4.0, "bext"))
    assert tempo is not None
    assert [(one.seconds, one.bpm, one.is_ramp) for one in tempo.changes] == [(-2, 120, False), (4, 90, True)]
    later = found.tempo_from(Origin(0.0))
    assert later is not None
    assert [(one.seconds, one.bpm) for one in later.changes] == [(0, 120), (2, 120), (8, 90)], "it holds from the start"
    assert Sidecar().tempo_from(Origin()) is None


def test_what_was_rendered_is_read(tmp_path: Path) -> None:
    said = {"mode": "bus", "project": "p", "mute": [GUID], "parent": GUID.lower()}
    found = read_sidecar(write(tmp_path, {"source": said, "project": "/song.rpp"}))
    assert found is not None
    assert found.rendered == Source("bus", "p", (GUID,), GUID.lower())
    found = read_sidecar(write(tmp_path, {"source": {"mode": "time"}, "project": "/song.rpp"}))
    assert found is not None
    assert found.rendered == Source("time", "/song.rpp")


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"mode": "song"},
        {"mode": "bus", "parent": "x"},
        {"mode": "bus", "mute": [GUID + "\n"]},
        {"mode": "bus", "x": 1},
    ],
)
def test_a_source_of_another_shape_is_refused(tmp_path: Path, source: object) -> None:
    refused(tmp_path, {"source": source})
