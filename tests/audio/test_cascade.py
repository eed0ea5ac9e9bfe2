"""Sections in cascade give the digits of scipy.signal, and do not load it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from bridge.audio import cascade as module
from bridge.audio.cascade import cascade


@pytest.mark.parametrize("loop", [module._loop, module._public])
def test_every_digit_is_that_of_scipy_however_the_stream_is_cut(loop: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_loop", loop)
    sections = butter(5, 900.0, "highpass", fs=44100, output="sos")
    sound = np.random.default_rng(1).normal(0, 0.3, (3, 5000)).astype(np.float32)
    wanted, end = sosfilt(sections, sound.astype(np.float64), axis=1, zi=np.zeros((3, 3, 2)))
    state = np.zeros((3, 3, 2))
    kept = sound.copy()
    cut = [cascade(sections, block, state) for block in np.split(sound, [0, 1, 17, 4096], axis=1)]
    assert np.array_equal(np.concatenate(cut, axis=1), wanted)
    assert np.array_equal(state, end)
    assert np.array_equal(sound, kept), "the caller's array is left as it is"


def test_a_state_that_has_died_away_is_silence() -> None:
    sections, state = butter(2, 900.0, fs=44100, output="sos"), np.full((1, 2, 2), 1e-31)
    cascade(sections, np.zeros((2, 1)), state)
    assert not state.any()


def test_a_worker_loads_no_more_of_scipy_than_it_needs() -> None:
    code = "import sys, bridge.worker.child; print('scipy.signal' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
