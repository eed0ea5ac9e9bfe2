"""What targets need to be measured is put on tape: no chain runs twice, to the same bits, in little memory."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.domain.preset import Preset
from bridge.domain.stems import FloatArray
from bridge.effects.graph import Graph, bind
from bridge.effects.place import BLOCK
from bridge.effects.tape import Tape, Tapes
from bridge.errors import Cancelled, DestinationError, NoSpaceError
from bridge.presets.loader import parse
from bridge.units import db_to_gain
from tests.effects.array_stems import ArrayStems, collect, levels
from tests.songs import multitrack

RATE = 44_100
SONG = multitrack(4.0, RATE, 2, seed=7)
FRAMES = SONG["drums"].shape[1]
SQUASH = "{Compressor: {threshold_db: -30, ratio: 5}}"
DUCK = "{Ducker: {under: drums, threshold_db: -30}}"
HALL = "{Reverb: {room_size: 0.4}}"
KEPT = f"""
version: 1
stems:
  drums: {{reference_lufs: -18, target_lufs: dry, chain: [{SQUASH}], bus: ALL}}
  bass: {{target_peak_db: -3, chain: [{SQUASH}, {DUCK}], bus: ALL}}
  "*": {{reference_lufs: -20, target_lufs: -16, chain: [{HALL}, {DUCK}], bus: ALL}}
buses: {{ALL: {{print: true, reference_lufs: -14, chain: [{SQUASH}]}}}}
"""


class Counted(ArrayStems):
    """Stems that remember how often each block of theirs was read."""

    def __init__(self, stems: dict[str, FloatArray]) -> None:
        super().__init__({stem: sound.copy() for stem, sound in stems.items()}, RATE)
        self.reads: Counter[tuple[str, int]] = Counter()

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        self.reads[stem, start] += 1
        return super().read(stem, start, frames)


def preset(text: str) -> Preset:
    return parse(text.encode(), name="taped")


def graph_of(text: str, stems: dict[str, FloatArray] = SONG) -> Graph:
    return bind(preset(text), list(stems), sample_rate=RATE, channels=2)


def test_no_block_of_a_stem_is_computed_twice_whatever_is_measured() -> None:
    dry = Counted(SONG)
    collect(graph_of(KEPT), dry)
    starts = range(0, FRAMES, BLOCK)
    assert dry.reads == Counter(itertools.product(SONG, starts))


def test_a_stem_without_target_that_a_measured_one_hears_runs_once_too() -> None:
    text = f"version: 1\nstems: {{drums: {{chain: [{SQUASH}]}}, bass: {{target_lufs: dry, chain: [{DUCK}]}}}}\n"
    dry = Counted(SONG)
    graph = graph_of(text)
    collect(graph, dry)
    assert set(dry.reads.values()) == {1}
    assert graph.put_aside == 2


@pytest.mark.parametrize("text", ["{target_lufs: dry, chain: []}", "{chain: [{Gain: {gain_db: 3}}]}", "{}"])
def test_what_is_not_measured_through_a_chain_is_not_put_aside(text: str) -> None:
    assert graph_of(f'version: 1\nstems: {{"*": {text}}}\n').put_aside == 0


@pytest.mark.parametrize("target", ["target_lufs: dry", "target_lufs: -12.5", "target_peak_db: -6"])
@pytest.mark.parametrize("chain", [SQUASH, f"{SQUASH}, {HALL}, {DUCK}"])
def test_a_target_is_one_gain_on_what_the_chain_gives_without_it(chain: str, target: str) -> None:
    """Parity: the chain run by itself, measured here, and raised, is what is printed from tape, tail and all."""

    def printed(more: str) -> FloatArray:
        text = f"version: 1\nstems: {{vocals: {{{more}tail: 1.5, chain: [{chain}]}}}}\n"
        return collect(graph_of(text), ArrayStems(dict(SONG), RATE))["vocals"]

    free = printed("")
    if target == "target_peak_db: -6":
        gain = db_to_gain(-6.0) / float(np.abs(free).max())
    elif target == "target_lufs: dry":
        gain = db_to_gain(levels(SONG["vocals"]).lufs - levels(free[:, :FRAMES]).lufs)
    else:
        gain = db_to_gain(-12.5 - levels(free).lufs)
    made = printed(f"{target}, ")
    assert made.shape == free.shape == (2, FRAMES + round(1.5 * RATE))
    np.testing.assert_allclose(made, free * np.float32(gain), rtol=1e-6, atol=1e-9)
    assert not np.allclose(made, free, rtol=1e-3)


def blocks(count: int, pulled: list[int]) -> Iterator[FloatArray]:
    for number in range(count):
        pulled.append(number)
        yield np.full((2, 5), number, np.float32)


def test_players_of_a_tape_need_not_be_in_step_and_nothing_flows_before_they_ask(tmp_path: Path) -> None:
    pulled: list[int] = []
    with Tapes(tmp_path) as tapes:
        tapes.record(("made", "a"), blocks(6, pulled))
        assert tapes.play(("fed", "a")) is None
        players = [tapes.play(("made", "a")) for _ in range(3)]
        assert pulled == []
        heard: list[list[float]] = [[], [], []]
        for who in (0, 0, 1, 0, 2, 1, 1, 1, 2, 0):
            player = players[who]
            assert player is not None
            heard[who].append(float(next(player).max()))
        assert heard == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1]]
        assert pulled == [0, 1, 2, 3]
        assert players[2] is not None
        assert [float(block[1, 4]) for block in players[2]] == [2, 3, 4, 5], "it ends where the stream ends"


@pytest.mark.parametrize("stop_after", [0, 1, None])
def test_nothing_is_left_on_the_disk_however_a_run_ends(tmp_path: Path, stop_after: int | None) -> None:
    running = graph_of(KEPT).run(ArrayStems(dict(SONG), RATE), work=tmp_path)
    for _ in itertools.islice(running, stop_after):
        pass
    running.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_whoever_is_told_how_far_the_measuring_is_may_end_it(tmp_path: Path) -> None:
    told: list[float] = []

    def measured(share: float) -> None:
        told.append(share)
        if share > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(graph_of(KEPT).run(ArrayStems(dict(SONG), RATE), work=tmp_path, measured=measured))
    assert told == sorted(told)
    assert 0.0 <= told[0] < 0.1
    assert 0.5 < told[-1] < 0.7
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(DestinationError, match=r"Cannot write to .*gone") as caught:
        list(graph_of(KEPT).run(ArrayStems(dict(SONG), RATE), work=gone))
    assert caught.value.hint


def test_a_tape_that_was_cut_behind_our_back_is_one_clear_error(tmp_path: Path) -> None:
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        tape = Tape(blocks(3, []), file, tmp_path)
        assert len(list(tape.play())) == 3
        file.truncate(50)
        player = tape.play()
        assert float(next(player).max()) == 0.0
        with pytest.raises(DestinationError, match="is not there any more"):
            next(player)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_runs_full_is_told_as_that_and_every_file_is_closed_without_another_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [Path("/dev/full").open("r+b", buffering=64) for _ in range(2)]  # noqa: SIM115 - the tapes close them
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: files[len(opened)])
    opened: list[str] = []
    with Tapes(tmp_path) as tapes:
        for name in "ab":
            tapes.record(("made", name), blocks(9, []))
            opened.append(name)
            with pytest.raises(NoSpaceError, match=r"Cannot write to .*no space"):
                list(tapes.play(("made", name)) or ())
    assert [file.closed for file in files] == [True, True]


def test_memory_does_not_grow_with_what_is_put_aside() -> None:
    import tracemalloc

    class Long(ArrayStems):
        def read(self, stem: str, start: int, frames: int) -> FloatArray:
            return self.stems[stem][:, :frames]

        def levels(self, stem: str) -> Any:
            return known[stem]

    known = {stem: levels(sound) for stem, sound in SONG.items()}
    most = []
    for seconds in (4, 40):
        dry = Long(dict(SONG), RATE)
        dry.frames = seconds * RATE
        graph = graph_of(KEPT)
        tracemalloc.start()
        for _ in graph.run(dry):
            pass
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < most[0] * 1.1
