"""The store: what was separated once is not separated again, bit for bit, and no disk and no damage costs a job."""

from __future__ import annotations

import errno
import os
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge.audio.read import open_sound, scan
from bridge.domain.job import SeparationOptions, StoreOptions
from bridge.models.registry import find
from bridge.separation import store as store_module
from bridge.separation.demucs import DemucsSeparator
from bridge.separation.segments import SegmentFolder
from bridge.separation.separator import Separator
from bridge.separation.store import Store, clear_store, usage_of_store
from tests.separation.listening import RATE, STEMS, CountingSeparator

KEY = "ab" * 20
BIG = 10**9
OPTIONS = SeparationOptions()


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    return np.float32(0.2) * np.random.default_rng(seed).standard_normal((2, round(seconds * rate)), np.float32)


class House:
    """One store, and renders that are separated through it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.max_bytes = BIG
        self.notices: list[str] = []

    def store(self) -> Store:
        return Store(StoreOptions(self.folder / "store", self.max_bytes), self.notices.append)

    def write(self, samples: np.ndarray, rate: int = RATE) -> Path:
        path = self.folder / "mix.wav"
        soundfile.write(path, samples.T, rate, subtype="FLOAT")
        return path

    def separate(
        self,
        separator: Separator,
        samples: np.ndarray,
        *,
        rate: int = RATE,
        wanted: tuple[str, ...] = STEMS,
        options: SeparationOptions = OPTIONS,
        store: Store | None = None,
    ) -> np.ndarray:
        with open_sound(self.write(samples, rate), self.folder) as mix:
            return np.concatenate(list(separator.estimates(mix, scan(mix), wanted, options, store)), axis=2)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def segment_files(house: House) -> list[Path]:
    return sorted((house.folder / "store").rglob("*.segment"))


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=st.floats(width=32)))
@settings(max_examples=60, deadline=None)
def test_what_is_kept_comes_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> None:
    folder = SegmentFolder(tmp_path_factory.mktemp("segments"), max_bytes=None)
    folder.keep(KEY, samples)
    back = folder.find(KEY)
    assert back is not None
    # Exact silence is kept as such: its sign is the only thing that goes.
    assert np.array_equal(back, samples, equal_nan=True)
    assert not samples.any() or back.tobytes() == samples.tobytes()
    assert folder.find("cd" * 20) is None


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_file_that_is_torn_or_changed_counts_as_none_and_goes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = SegmentFolder(tmp_path_factory.mktemp("segments"), max_bytes=None)
    folder.keep(KEY, noise(0.001))
    (path,) = folder.folder.rglob("*.segment")
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:place])
    else:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :])
    assert folder.find(KEY) is None
    assert not path.exists()


def test_a_segment_under_another_name_is_not_taken_for_it(tmp_path: Path) -> None:
    folder = SegmentFolder(tmp_path, max_bytes=None)
    folder.keep(KEY, noise(0.001))
    (path,) = tmp_path.rglob("*.segment")
    other = "ab" + "cd" * 19
    path.rename(path.with_name(f"{other}.segment"))
    assert folder.find(other) is None


def test_what_was_used_least_recently_goes_first_and_the_budget_holds(tmp_path: Path) -> None:
    now = [1000.0]
    each = 8 * 441 + 56
    folder = SegmentFolder(tmp_path, max_bytes=10 * each, clock=lambda: now[0])
    keys = [f"{number:040x}" for number in range(30)]
    for number, key in enumerate(keys):
        now[0] += 10
        folder.keep(key, noise(0.01, seed=number))
        path = next(tmp_path.rglob(f"{key}.segment"))
        os.utime(path, (now[0], now[0]))
        assert folder.find(keys[0]) is not None, "used in every turn, so never the least used"
    assert folder.usage().bytes <= 10 * each
    assert folder.find(keys[-1]) is not None
    assert folder.find(keys[1]) is None


def test_part_files_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    now = [10_000.0]
    (tmp_path / "ab").mkdir()
    old, young = (tmp_path / "ab" / f".{KEY}.{pid}-0.part" for pid in (1, 2))
    for path, when in ((old, 1000.0), (young, 9990.0)):
        path.write_bytes(b"torn")
        os.utime(path, (when, when))
    SegmentFolder(tmp_path, max_bytes=BIG, clock=lambda: now[0]).make_room()
    assert not old.exists()
    assert young.exists()


def test_clearing_takes_segments_and_nothing_else(house: House) -> None:
    house.separate(CountingSeparator(), noise(3.0), store=house.store())
    mine = house.folder / "store" / "segments" / "ab" / "my song.wav"
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"RIFF")
    usual, _ = usage_of_store(house.folder / "store")
    assert usual.files > 0
    assert clear_store(house.folder / "store") == usual
    assert segment_files(house) == []
    assert mine.read_bytes() == b"RIFF"
    assert clear_store(house.folder / "nowhere").files == 0


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_same_render_again_computes_nothing_and_changes_no_bit(house: House, rate: int, batch: int) -> None:
    options = replace(OPTIONS, batch=batch)
    song = noise(6.3, rate)
    plain, first, again = CountingSeparator(), CountingSeparator(), CountingSeparator()
    without = house.separate(plain, song, rate=rate, options=options)
    filling, reading = house.store(), house.store()
    assert np.array_equal(house.separate(first, song, rate=rate, options=options, store=filling), without)
    assert np.array_equal(house.separate(again, song, rate=rate, options=options, store=reading), without)
    assert first.windows == plain.windows
    assert again.windows == []
    assert (filling.found, filling.computed) == (0, sum(plain.windows))
    assert (reading.found, reading.computed) == (sum(plain.windows), 0)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_render_that_changed_in_places_computes_only_the_segments_that_touch_them(house: House, rate: int) -> None:
    """Ten seconds of four minutes, one tenth as large: 1 s of 24 s with segments of a tenth of 7.8 s."""
    segment = round(0.78 * RATE)
    song = noise(24.0, rate)
    changed = song.copy()
    changed[:, 10 * rate : 11 * rate] = noise(1.0, rate, seed=9)
    house.separate(CountingSeparator(segment), song, rate=rate, store=house.store())
    plain, second = CountingSeparator(segment), CountingSeparator(segment)
    expected = house.separate(plain, changed, rate=rate)
    heard = house.separate(second, changed, rate=rate, store=house.store())
    stride = 0.75 * 0.78
    touched = sum(1 for number in range(60) if number * stride < 11.05 and number * stride + 0.78 > 9.95)
    assert 0 < sum(second.windows) <= touched < sum(plain.windows) / 5
    assert np.array_equal(heard, expected)


def test_segments_of_all_stems_serve_a_job_that_wants_one(house: House) -> None:
    song = noise(5.0)
    every = house.separate(CountingSeparator(), song, store=house.store())
    one = CountingSeparator()
    vocals = house.separate(one, song, wanted=("vocals",), store=house.store())
    assert one.windows == []
    assert np.array_equal(vocals[0], every[3])
    more = CountingSeparator()
    house.separate(CountingSeparator(), noise(5.0, seed=4), wanted=("vocals",), store=house.store())
    house.separate(more, noise(5.0, seed=4), store=house.store())
    assert sum(more.windows) > 0


def test_damage_costs_the_segments_it_hit_and_nothing_else(house: House) -> None:
    song = noise(8.0)
    first = CountingSeparator()
    expected = house.separate(first, song, store=house.store())
    files = segment_files(house)
    files[0].write_bytes(files[0].read_bytes()[:-3])
    second = CountingSeparator()
    assert np.array_equal(house.separate(second, song, store=house.store()), expected)
    assert sum(second.windows) == 1
    assert segment_files(house) == files


def test_a_network_that_is_another_finds_nothing_of_the_first(house: House, small_models: dict[str, Path]) -> None:
    song = noise(4.0)
    small = DemucsSeparator(find(str(small_models["htdemucs"])), device="cpu")
    trial = DemucsSeparator(find("htdemucs_mini"), device="cpu")
    for separator in (small, trial):
        store = house.store()
        plain = house.separate(separator, song, wanted=("vocals",))
        assert np.array_equal(house.separate(separator, song, wanted=("vocals",), store=store), plain)
        assert store.found == 0
        again = house.store()
        assert np.array_equal(house.separate(separator, song, wanted=("vocals",), store=again), plain)
        assert again.computed == 0


def test_silence_is_neither_computed_nor_kept(house: House) -> None:
    store = house.store()
    assert not house.separate(CountingSeparator(), np.zeros((2, 3 * RATE), np.float32), store=store).any()
    assert (store.found, store.computed) == (0, 0)
    assert segment_files(house) == []


def test_values_that_are_no_numbers_are_never_kept(house: House) -> None:
    class Broken(CountingSeparator):
        def forward(self, windows, rows):
            estimates = super().forward(windows, rows)
            estimates[:, 0, 0, 5] = np.nan
            return estimates

    with pytest.raises(Exception, match="not numbers"):
        house.separate(Broken(), noise(3.0), store=house.store())
    assert segment_files(house) == []


def test_a_disk_that_refuses_ends_the_keeping_once_and_not_the_job(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = noise(8.0)
    real = Path.write_bytes
    written: list[Path] = []

    def full(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    separator = CountingSeparator()
    heard = house.separate(separator, song, store=house.store())
    monkeypatch.undo()
    assert np.array_equal(heard, house.separate(CountingSeparator(), song))
    assert len(house.notices) == 1
    assert "no space left" in house.notices[0].lower()
    assert len(written) == 7
    assert not list((house.folder / "store").rglob("*.part"))


def test_a_folder_that_cannot_be_made_costs_nothing_but_a_word(house: House) -> None:
    (house.folder / "store").write_text("a file where the folder should be")
    separator = CountingSeparator()
    song = noise(3.0)
    heard = house.separate(separator, song, store=house.store())
    assert np.array_equal(heard, house.separate(CountingSeparator(), song))
    assert len(house.notices) == 1


def test_what_the_job_still_writes_stays_free(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: usage(0, 0, 5 << 30))
    roomy = house.store()
    roomy.leave_bytes = 3 << 30
    house.separate(CountingSeparator(), noise(3.0), store=roomy)
    assert segment_files(house)
    assert house.notices == []
    tight = house.store()
    tight.leave_bytes = 5 << 30
    house.separate(CountingSeparator(), noise(3.0, seed=5), store=tight)
    assert len(house.notices) == 1


def test_a_job_of_more_than_its_share_keeps_apart_until_it_is_done(house: House) -> None:
    song = noise(8.0)
    small = house.store()
    house.separate(CountingSeparator(), noise(1.0, seed=3), store=small)
    others = segment_files(house)
    house.max_bytes = 4 << 20
    first = house.store()
    expected = house.separate(CountingSeparator(), song, store=first)
    assert set(others) < set(segment_files(house))
    assert usage_of_store(house.folder / "store")[1].files == len(segment_files(house)) - len(others)
    again, resumed = CountingSeparator(), house.store()
    assert np.array_equal(house.separate(again, song, store=resumed), expected)
    assert again.windows == []
    resumed.finish()
    assert segment_files(house) == others


def test_a_large_job_without_room_goes_without_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.max_bytes = 4 << 20
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: usage(0, 0, (1 << 30) + 100))
    separator = CountingSeparator()
    house.separate(separator, noise(8.0), store=house.store())
    assert sum(separator.windows) > 0
    assert segment_files(house) == []
    assert len(house.notices) == 1
    assert "not kept" in house.notices[0]


def test_what_killed_jobs_left_is_forgotten_after_days(house: House) -> None:
    house.max_bytes = 4 << 20
    house.separate(CountingSeparator(), noise(8.0), store=house.store())
    left = segment_files(house)
    for path in left:
        os.utime(path, (1000.0, 1000.0))
    house.separate(CountingSeparator(), noise(8.0, seed=8), store=house.store())
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("rate", [44100, 32000])
def test_reading_and_writing_beside_the_network_change_no_bit(house: House, rate: int) -> None:
    song = noise(9.0, rate)
    alone = house.separate(CountingSeparator(), song, rate=rate)
    assert np.array_equal(house.separate(CountingSeparator(beside=True), song, rate=rate), alone)
