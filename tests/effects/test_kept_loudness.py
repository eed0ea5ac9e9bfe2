"""`target_lufs: dry`: a stem is printed as loud as it was, whatever its chain and however loud it came."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.effects.graph import bind
from bridge.presets.loader import parse
from tests.effects.array_stems import ArrayStems, collect, levels
from tests.songs import multitrack

RATE = 44_100
CHAIN = "[{Compressor: {threshold_db: -40, ratio: 8}}, {Distortion: {drive_db: 30}}, {Gain: {gain_db: -7}}]"


def printed(sound: np.ndarray, more: str = "") -> np.ndarray:
    preset = parse(f"version: 1\nstems: {{vocals: {{target_lufs: dry, {more}chain: {CHAIN}}}}}\n".encode(), name="kept")
    graph = bind(preset, ["vocals"], sample_rate=RATE, channels=2)
    return collect(graph, ArrayStems({"vocals": sound.copy()}, RATE))["vocals"]


@pytest.mark.parametrize("more", ["", "reference_lufs: -20, "])
@pytest.mark.parametrize("gain_db", [-40.0, 0.0, 12.0])
def test_the_loudness_after_is_the_loudness_before(gain_db: float, more: str) -> None:
    sound = multitrack(3.0, RATE, 2, seed=3)["vocals"] * np.float32(10 ** (gain_db / 20))
    assert levels(printed(sound, more)).lufs == pytest.approx(levels(sound).lufs, abs=0.01)


def test_what_has_no_loudness_is_not_silenced_and_silence_stays_silent() -> None:
    faint = np.random.default_rng(1).standard_normal((2, RATE)).astype(np.float32) * np.float32(1e-5)
    assert levels(faint).lufs == -np.inf
    assert np.abs(printed(faint)).max() > 1e-6
    assert not printed(np.zeros((2, RATE), np.float32)).any()


def test_a_bus_and_a_stem_hear_what_was_kept() -> None:
    """Law: a printed bus sums its stems as they are printed, after their loudness was restored."""
    stems = multitrack(2.0, RATE, 2, seed=4)
    text = f"""
version: 1
stems: {{vocals: {{target_lufs: dry, chain: {CHAIN}, bus: ALL}}, "*": {{bus: ALL}}}}
buses: {{ALL: {{print: true}}}}
"""
    made = collect(bind(parse(text, name="x"), list(stems), sample_rate=RATE, channels=2), ArrayStems(stems, RATE))
    frames = stems["vocals"].shape[1]
    total = made["vocals"][:, :frames] + stems["drums"] + stems["bass"] + stems["other"]
    np.testing.assert_allclose(made["bus:ALL"][:, :frames], total, atol=2e-6)
