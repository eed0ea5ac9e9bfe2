"""drop.json says what is true, and believes nothing it reads."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import files_no_larger_than
from small_drops import FORMAT, manifest_of

from bridge.delivery.manifest import as_data, null_depth, read, verify, write
from bridge.domain.render import Levels, Marker, Origin
from bridge.errors import DeliveryError, DestinationError, NoSpaceError

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file kinds")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "song"
    folder.mkdir()
    write(folder, manifest_of(folder))
    return folder


def rewrite(drop: Path, **changes: Any) -> Path:
    """Change the text of drop.json as an editor or an enemy would: 'a__b' means a.b, 'a__0' the first of a list."""
    path = drop / "drop.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = data
        for parent in parents:
            place = place[int(parent) if parent.isdigit() else parent]
        place[last] = value
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_what_is_written_is_read_back_the_same(drop: Path) -> None:
    manifest = read(drop / "drop.json")
    assert manifest == manifest_of(drop)
    assert manifest.render.format.value() == FORMAT
    assert manifest.origin.value() == Origin(12.5, "bext")
    assert manifest.files[0].levels.value() == Levels(0.0, -math.inf, -math.inf)
    assert manifest.markers[1].value() == Marker(2, "", 1)
    assert sorted(path.name for path in drop.iterdir()) == ["drop.json", "mix", "stems"]


def test_the_file_is_plain_json_in_utf_8(drop: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    data = json.loads((drop / "drop.json").read_bytes().decode("utf-8"), parse_constant=refuse)
    assert data == as_data(read(drop / "drop.json"))
    assert data["version"] == 1
    assert data["created"] == "2026-02-03T04:05:06Z"
    assert data["render"]["path"] == "caf\\udce9 \N{HEADPHONE}.wav"
    assert data["null_depth_db"] == "exact"


def test_a_null_depth_is_a_figure_exact_or_not_promised() -> None:
    assert [null_depth(-math.inf), null_depth(-131.5), null_depth(None)] == ["exact", -131.5, None]


@pytest.mark.parametrize(
    "path",
    [
        "../song.wav", "stems/../../song.wav", "/etc/passwd", "stems//a.wav", "./stems/a.wav", "stems/a/b.wav", "a.wav",
        "stems/..", "C:\\song.wav", "stems/C:song.wav", "stems\\a.wav", "\\\\host\\share\\a.wav", "stems/NUL.wav",
        "stems/a.wav.", "stems/a.wav ", "stems/a\0.wav", "stems/a\n.wav", "stems/.hidden", "stems/a.wav:stream",
        "stems/\u202ea.wav", "mix/a.wav", "", "stems/", "stems/" + "x" * 300,
    ],
)  # fmt: skip
def test_a_path_that_could_lead_out_of_the_drop_is_refused(drop: Path, path: str) -> None:
    with pytest.raises(DeliveryError, match=r"files\.0"):
        read(rewrite(drop, files__0__path=path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("surprise", 1),
        ("drop_id", "../x"),
        ("created", "yesterday"),
        ("created", "2026-02-03T04:05:06"),
        ("files__0__bytes", -1),
        ("files__0__bytes", "400"),
        ("files__0__sha256", "A" * 64),
        ("files__0__kind", "other"),
        ("files__1__path", "stems/SONG - vocals.wav"),
        ("files__0__levels__peak", 1e999),
        ("origin__seconds", math.nan),
        ("render__format__channels", 65535),
        ("render__format__sample_rate", 0),
        ("model__residual", "guess"),
        ("model__members", {"a": 1}),
        ("null_depth_db", "deep"),
        ("timings__seconds", {"read": -1.0}),
    ],
)
def test_a_value_that_cannot_be_is_refused(drop: Path, key: str, value: object) -> None:
    with pytest.raises(DeliveryError) as raised:
        read(rewrite(drop, **{key: value}))
    assert raised.value.path == drop / "drop.json"
    assert raised.value.hint


def test_a_number_beyond_all_numbers_is_refused(drop: Path) -> None:
    path = drop / "drop.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"times_real_time": 1.7', '"times_real_time": 1e999'), encoding="utf-8")
    with pytest.raises(DeliveryError, match="times_real_time"):
        read(path)


@pytest.mark.parametrize("version", [0, 2, "1", 1.5, None, True, [1]])
def test_another_version_is_named(drop: Path, version: object) -> None:
    with pytest.raises(DeliveryError, match="version"):
        read(rewrite(drop, version=version))


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b"\xff\xfe{\x00}\x00", b"[" * 200_000, b'{"version": 1}', b"{}" + b" " * (9 << 20)],
    ids=["empty", "null", "list", "cut", "utf-16", "deep", "version only", "huge"],
)
def test_what_is_no_manifest_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "drop.json").write_bytes(content)
    with pytest.raises(DeliveryError) as raised:
        read(tmp_path / "drop.json")
    assert raised.value.hint
    assert len(raised.value.message) < 500


@posix_only
def test_a_manifest_is_a_plain_file_and_reading_never_waits(tmp_path: Path, drop: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(drop / "drop.json")
    for path in (tmp_path / "gone", tmp_path, tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(DeliveryError):
            read(path)


def test_verify_says_what_is_wrong_with_a_drop(drop: Path) -> None:
    assert verify(drop) == []
    vocals, other, mix = (drop / file.path for file in read(drop / "drop.json").files)
    vocals.write_bytes(b"x" * vocals.stat().st_size)
    with other.open("ab") as file:
        file.write(b"more")
    mix.unlink()
    problems = verify(drop)
    assert [problem.split(".wav")[0] for problem in problems] == [
        "stems/song - Vocals",
        "stems/song - Other",
        "mix/song",
    ]
    assert ["content" in problems[0], "bytes" in problems[1], "read" in problems[2]] == [True] * 3
    assert len(verify(drop, hashes=False)) == 2, "without hashes, other content of the same size is not seen"
    (drop / "drop.json").unlink()
    assert len(verify(drop)) == 1


@posix_only
def test_verify_does_not_take_links_for_files(drop: Path, tmp_path: Path) -> None:
    (drop / "stems").rename(tmp_path / "elsewhere")
    (drop / "stems").symlink_to(tmp_path / "elsewhere")
    assert len(verify(drop)) == 2


@posix_only
def test_a_manifest_is_there_whole_or_not_at_all(drop: Path) -> None:
    before = (drop / "drop.json").read_bytes()
    manifest = manifest_of(drop).model_copy(update={"notices": ("changed",)})
    with files_no_larger_than(500), pytest.raises(NoSpaceError):
        write(drop, manifest)
    assert (drop / "drop.json").read_bytes() == before
    assert sorted(path.name for path in drop.iterdir()) == ["drop.json", "mix", "stems"]


def test_a_folder_that_is_gone_is_one_clear_error(drop: Path, tmp_path: Path) -> None:
    manifest = read(drop / "drop.json")
    with pytest.raises(DestinationError):
        write(tmp_path / "gone", manifest)
