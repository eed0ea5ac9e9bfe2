"""What a plugin may do to us: nothing. Every fault is an error that names plugin and stem; what was started is gone."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridge.domain.plugins import PluginOptions
from bridge.domain.preset import Plugin, Preset, StemPreset
from bridge.domain.stems import FloatArray
from bridge.effects.plugins.blame import blamed, forget, record_crash
from bridge.effects.plugins.files import find_file, fingerprint
from bridge.effects.plugins.host import Broken, Cage
from bridge.effects.plugins.rack import Rack
from bridge.errors import DestinationError, EffectError, NoSpaceError, PluginError, WorkerError
from tests import vst3
from tests.effects.test_plugin_states import preset_file
from tests.effects.test_plugins_rack import RATE, SIZE, noise

FAULT = "TestFault.vst3"
GB = 10**9


def options(tmp_path: Path, **changes: object) -> PluginOptions:
    return PluginOptions(folders=(vst3.plugins(),), records=tmp_path / "records", **changes)  # type: ignore[arg-type]


def endless(sound: FloatArray | None = None) -> Iterator[FloatArray]:
    return itertools.repeat(noise(frames=SIZE) if sound is None else sound)


def fault(kind: str, after: float = 2.0) -> Plugin:
    """Make a step that misbehaves after so many seconds: the trial, which is shorter, is passed."""
    return Plugin(FAULT, parameters={"fault": kind, "after_s": after})


def play(step: Plugin, chosen: PluginOptions, blocks: int = 12) -> EffectError:
    """Fit and run until it fails, and return the error."""
    with Rack(chosen) as rack:
        assert rack.fit("vocals", (step,), sample_rate=RATE, channels=2) == (step,)
        stream = itertools.islice(rack.run(step, endless(), "vocals", RATE), blocks)
        with pytest.raises(EffectError) as raised:
            list(stream)
    assert "TestFault.vst3 on vocals" in raised.value.message
    assert raised.value.hint
    return raised.value


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No folder of a cage outlives it."""
    place = tmp_path / "temporary"
    place.mkdir()
    vst3.plugins()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("Crash", "signal 11"),
        ("Exit", "exit code 0"),
        ("NaN", "NaN"),
        ("Loud", "louder than full scale"),
    ],
)
def test_a_fault_in_the_middle_is_an_error_that_says_what_and_where(tmp_path: Path, kind: str, says: str) -> None:
    error = play(fault(kind), options(tmp_path))
    assert says in error.message
    assert "near 0:0" in error.message


@pytest.mark.parametrize("name", ["PrintOnLoad", "ThreadOnLoad", "OrphanOnLoad"])
def test_what_a_plugin_does_while_it_is_loaded_and_its_sound_is_right_is_its_own_affair(
    tmp_path: Path, name: str
) -> None:
    step = Plugin(f"{name}.vst3")
    with Rack(options(tmp_path)) as rack:
        rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
        np.testing.assert_array_equal(next(rack.run(step, endless(), "vocals", RATE)), noise(frames=SIZE))


def test_a_plugin_that_hangs_when_it_is_put_away_is_ended_in_time(tmp_path: Path) -> None:
    with Rack(options(tmp_path, seconds_to_load=3.0)) as rack, pytest.raises(EffectError, match="no answer for 3 s"):
        rack.fit("vocals", (Plugin("HangOnUnload.vst3"),), sample_rate=RATE, channels=2)


def test_last_words_move_no_cursor(tmp_path: Path) -> None:
    with Rack(options(tmp_path)) as rack, pytest.raises(EffectError, match=r"\?\[2J\?\]0;owned\? painted, near"):
        rack.fit("vocals", (Plugin("PaintOnLoad.vst3"),), sample_rate=RATE, channels=2)


def test_the_last_words_of_a_plugin_are_told(tmp_path: Path) -> None:
    assert "about to crash" in play(fault("Crash"), options(tmp_path)).message


def test_a_plugin_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    error = play(fault("Hang"), options(tmp_path, seconds_without_progress=1.0))
    assert "gave no answer for 1 s" in error.message


def test_a_plugin_that_is_silent_on_noise_is_found_out_before_the_work(tmp_path: Path) -> None:
    with Rack(options(tmp_path)) as rack, pytest.raises(EffectError, match="only silence"):
        rack.fit("vocals", (fault("Silence", after=0.0),), sample_rate=RATE, channels=2)


@pytest.mark.parametrize("kind", ["Silence", "Denormals"])
def test_a_plugin_that_falls_silent_in_the_middle_is_told_once_by_name_and_goes_on(tmp_path: Path, kind: str) -> None:
    told: list[str] = []
    step = fault(kind)
    with Rack(options(tmp_path), told.append) as rack:
        rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
        for _ in range(2):
            blocks = list(itertools.islice(rack.run(step, endless(), "vocals", RATE), 6))
            assert blocks[0].any()
            assert np.abs(blocks[-1]).max() < 1e-30
        assert told == []
    (doubt,) = told
    assert "TestFault.vst3 on vocals gave only silence for" in doubt
    assert "near 0:02" in doubt


def test_silence_in_gives_no_alarm(tmp_path: Path) -> None:
    step = fault("None")
    silence = np.zeros((2, SIZE), np.float32)
    with Rack(options(tmp_path), pytest.fail) as rack:
        rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
        for block in itertools.islice(rack.run(step, endless(silence), "vocals", RATE), 9):
            assert not block.any()


def test_a_plugin_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    error = play(fault("Leak"), options(tmp_path, memory_gb=0.5, seconds_without_progress=60.0))
    assert "memory" in error.message


def test_what_a_plugin_prints_is_neither_kept_nor_taken_for_an_answer(tmp_path: Path) -> None:
    step = fault("Print", after=0.0)
    with Rack(options(tmp_path)) as rack:
        rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
        for block in itertools.islice(rack.run(step, endless(), "vocals", RATE), 2):
            np.testing.assert_array_equal(block, noise(frames=SIZE))


def test_a_plugin_that_forges_answers_is_not_believed(tmp_path: Path) -> None:
    assert "answer" in play(fault("Garbage"), options(tmp_path)).message


def test_what_a_plugin_starts_and_writes_goes_with_its_cage(tmp_path: Path) -> None:
    before = set(children())
    step = fault("Child", after=0.0)
    with Rack(options(tmp_path)) as rack:
        rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
        assert next(rack.run(step, endless(), "vocals", RATE)).any()
    end = time.monotonic() + 10
    while (left := set(children()) - before) and time.monotonic() < end:
        time.sleep(0.02)
    assert not left
    assert not Path("litter.txt").exists()


def children() -> list[str]:
    """List every process whose command is a cage's."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes()
                mine = process.stat().st_uid == os.getuid() and b"bridge.effects.plugins.cage" in line
                if mine and (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append(process.name)
            except OSError:
                continue
    return found


@pytest.mark.parametrize(("name", "says"), [("CrashOnLoad", "signal 11"), ("ExitOnLoad", "exit code 0")])
def test_a_fault_while_it_is_loaded_costs_no_more_than_its_job(tmp_path: Path, name: str, says: str) -> None:
    with Rack(options(tmp_path)) as rack, pytest.raises(EffectError, match=says):
        rack.fit("vocals", (Plugin(f"{name}.vst3"),), sample_rate=RATE, channels=2)


def test_a_plugin_that_never_finishes_loading_is_ended_and_a_slow_one_is_waited_for(tmp_path: Path) -> None:
    with Rack(options(tmp_path, seconds_to_load=1.0)) as rack, pytest.raises(EffectError, match="no answer for 1 s"):
        rack.fit("vocals", (Plugin("HangOnLoad.vst3"),), sample_rate=RATE, channels=2)
    with Rack(options(tmp_path)) as rack:
        assert rack.fit("vocals", (Plugin("SlowToLoad.vst3"),), sample_rate=RATE, channels=2)


def test_after_two_crashes_a_plugin_is_refused_until_it_changes_or_is_let_in_again(tmp_path: Path) -> None:
    folder = vst3.install(tmp_path / "mine", "TestFault", "TestTrim")
    chosen = PluginOptions(folders=(folder,), records=tmp_path / "records")
    step = fault("Crash", after=0.0)
    for _ in range(2):
        with Rack(chosen) as rack, pytest.raises(EffectError):
            rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
    with Rack(chosen) as rack:
        with pytest.raises(PluginError, match="blocked: it failed 2 times") as raised:
            rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
        assert "plugins scan --retry" in raised.value.hint
        assert rack.fit("vocals", (Plugin("TestTrim.vst3"),), sample_rate=RATE, channels=2)
    with Rack(chosen) as rack:
        assert rack.fit("vocals", (Plugin(FAULT, missing="skip"),), sample_rate=RATE, channels=2) == ()
    assert forget(tmp_path / "records") == 1
    with Rack(chosen) as rack:
        assert rack.fit("vocals", (fault("None"),), sample_rate=RATE, channels=2)
    for _ in range(2):
        file = find_file(FAULT, chosen)
        assert file is not None
        record_crash(chosen.records, file.sha256(), file.path, "crashed")
    with next(folder.joinpath(FAULT).rglob("*.so")).open("ab") as program:
        program.write(b"a newer version")
    with Rack(chosen) as rack:
        assert rack.fit("vocals", (fault("None"),), sample_rate=RATE, channels=2)


def test_another_version_of_a_plugin_or_of_its_state_is_another_key(tmp_path: Path) -> None:
    folder = vst3.install(tmp_path / "mine", "TestTrim")
    chosen = PluginOptions(folders=(folder,))
    state = folder / "mine.vstpreset"
    state.write_bytes(preset_file({b"Comp": b"one"}))
    step = Plugin("TestTrim.vst3", preset="mine.vstpreset")
    preset = Preset("test", "", {"vocals": StemPreset((step, Plugin("Not there.vst3", missing="skip")))})
    prints = [fingerprint(preset, chosen)]
    prints.append(fingerprint(preset, chosen))
    state.write_bytes(preset_file({b"Comp": b"two"}))
    prints.append(fingerprint(preset, chosen))
    with next(folder.rglob("*.so")).open("ab") as program:
        program.write(b"a newer version")
    prints.append(fingerprint(preset, chosen))
    shutil.rmtree(folder / "TestTrim.vst3")
    prints.append(fingerprint(preset, chosen))
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4
    assert len(prints[0]) == 2


def test_crashes_are_counted_by_whoever_runs_and_a_broken_record_is_none(tmp_path: Path) -> None:
    record_crash(tmp_path, "a" * 64, Path("x.vst3"), "hung")
    record_crash(tmp_path, "a" * 64, Path("x.vst3"), "crashed")
    blame = blamed(tmp_path, "a" * 64)
    assert blame is not None
    assert (blame.crashes, blame.reason, blame.blocked) == (2, "crashed", True)
    next(tmp_path.rglob("*.json")).write_text('{"crashes": "many"}')
    assert blamed(tmp_path, "a" * 64) is None
    record_crash(None, "a" * 64, Path("x.vst3"), "hung")
    (tmp_path / "file").write_text("")
    record_crash(tmp_path / "file", "a" * 64, Path("x.vst3"), "hung")


def liar(answer: str) -> tuple[str, ...]:
    """Make a child that answers every question with this expression of Python; `asked` is the question."""
    program = f"""
    import json, sys
    for line in sys.stdin:
        asked = json.loads(line)
        print({answer}, flush=True)
    """
    return (sys.executable, "-c", textwrap.dedent(program))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("'nonsense'", "garbage"),
        ("'[1, 2]'", "garbage"),
        ("'x' * 10_000_000", "garbage"),
        ("'[' * 100_000", "garbage"),
        ("json.dumps({'is': 'done', 'frames': 5})", "nothing that was asked"),
        ("json.dumps({**asked, 'is': 'done', 'number': 99})", "nothing that was asked"),
        ("json.dumps({**asked, 'is': 'great'})", "means nothing"),
        ("json.dumps({**asked, 'is': 'done', 'frames': 5000})", "gave 5000 frames for 100"),
        ("json.dumps({**asked, 'is': 'done', 'frames': -1})", "gave -1 frames for 100"),
        ("json.dumps({**asked, 'is': 'done', 'frames': True})", "gave True frames for 100"),
    ],
)
def test_answers_that_cannot_be_are_the_end_of_a_cage(answer: str, says: str) -> None:
    with Cage(memory_bytes=GB, command=liar(answer)) as cage:
        cage.share_sound(2, 100)
        with pytest.raises(Broken, match=says):
            cage.play(np.zeros((2, 100), np.float32), 20.0)


def test_what_a_plugin_calls_itself_moves_no_cursor() -> None:
    said = r"json.dumps({**asked, 'is': 'done', 'name': '\x1b[2J\u202eA\xa0b\n', 'all': [{'\x07': ['\udcff']}]})"
    with Cage(memory_bytes=GB, command=liar(said)) as cage:
        answer = cage.ask("describe", 20.0)
    assert (answer["name"], answer["all"]) == ("?[2J?A b ", [{"?": ["?"]}])


@pytest.mark.parametrize("most_bytes", [0, 4096])
def test_no_place_for_temporary_files_is_an_error_in_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    resource = pytest.importorskip("resource")
    if not most_bytes:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Rack(options(tmp_path)) as rack:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes or before[0], before[1]))
        try:
            with pytest.raises(DestinationError if not most_bytes else NoSpaceError) as raised:
                rack.fit("vocals", (Plugin("TestTrim.vst3"),), sample_rate=RATE, channels=2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "Cannot " in raised.value.message
    assert not (tmp_path / "records").exists(), "the plugin is not to blame"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def test_no_process_for_a_plugin_is_an_error_in_words_and_leaves_nothing() -> None:
    with pytest.raises(WorkerError, match="No process could be started for a plugin: no such file"):
        Cage(memory_bytes=GB, command=("/no/such/program",))


def test_a_cage_ends_by_itself_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = f"""
    import sys, time
    sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
    from bridge.effects.plugins.host import Cage
    cage = Cage(memory_bytes={GB})
    cage.ask("describe", 60.0, path={str(vst3.plugins() / "TestTrim.vst3")!r}, plugin_name="")
    print(cage._process.pid, flush=True)
    time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": tempfile.gettempdir()}) as one:
        assert one.stdout is not None
        cage = int(one.stdout.readline())
        one.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while (Path(f"/proc/{cage}/cmdline").exists() or list(Path(tempfile.gettempdir()).iterdir())) and (
        time.monotonic() < end
    ):
        time.sleep(0.02)
    assert str(cage) not in children()
