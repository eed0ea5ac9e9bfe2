"""What a run will cost is said of what it can do: a file that cannot be done is told before any work, not counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from bridge.batch.estimate import copies, estimate, formats, free_bytes, sizes
from bridge.errors import ConfigError
from tests.signals import pink_noise


def test_only_whole_files_are_counted_and_the_others_are_told(tmp_path: Path) -> None:
    whole, cut, empty, text = (tmp_path / name for name in ("whole.wav", "cut.wav", "empty.wav", "text.wav"))
    soundfile.write(whole, pink_noise(seconds=2.0).T, 44100, subtype="PCM_16")
    cut.write_bytes(whole.read_bytes()[:100_000])
    empty.touch()
    text.write_text("no sound", encoding="utf-8")
    found, refused = formats([whole, cut, empty, text])
    assert list(found) == [whole]
    assert [error.path for error in refused] == [cut, empty, text]
    cost = estimate(found, files=4, container="flac", subtype="PCM_24", sizes={whole: whole.stat().st_size}, speed=None)
    assert cost.audio_seconds == 2.0
    assert cost.work_seconds is None
    assert whole.stat().st_size < cost.disk_bytes < 5 * whole.stat().st_size * 1.5


def test_a_copy_is_told_from_a_file_of_the_same_size_and_beginning(tmp_path: Path) -> None:
    contents = {
        "a": b"x" * 3_000_000,
        "b": b"x" * 2_999_999 + b"y",
        "c": b"x" * 3_000_000,
        "d": b"",
        "e": b"",
        "f": b"z",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    places = [tmp_path / name for name in (*contents, "not there")]
    assert copies(places) == {tmp_path / "c": tmp_path / "a", tmp_path / "e": tmp_path / "d"}
    assert copies([]) == {}


def test_a_file_that_went_away_after_it_was_listed_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sizes([tmp_path / "a", tmp_path / "gone"]) == {tmp_path / "a": 3}


def test_free_space_is_that_of_the_nearest_folder_that_is_there_and_without_a_disk_that_is_said(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet" / "made") > 0
    drive = tmp_path / "Z" / "stems"
    with pytest.raises(ConfigError, match="is not there") as raised:
        free_bytes(drive, there=lambda _: False)
    assert raised.value.hint
