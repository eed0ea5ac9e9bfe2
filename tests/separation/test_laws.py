"""What separation promises whatever the network says: sums, shapes, determinism, and sense for odd input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.read import open_sound, scan
from bridge.domain.job import SeparationOptions
from bridge.errors import ConfigError
from bridge.models.registry import find
from bridge.separation.choice import choose_stems
from bridge.separation.demucs import DemucsSeparator
from bridge.separation.engine import find_normaliser
from bridge.separation.layout import Pass, plan_layout
from bridge.separation.overlap import Grid, Lane
from bridge.separation.separate import separate
from bridge.separation.separator import FakeSeparator, Separator
from tests.songs import mix_of, multitrack

FOUR = ("drums", "bass", "other", "vocals")
OPTIONS = SeparationOptions()


@pytest.fixture(scope="module")
def mini() -> DemucsSeparator:
    return DemucsSeparator(find("htdemucs_mini"), device="cpu")


@pytest.fixture(scope="module")
def small(small_models: dict[str, Path]) -> DemucsSeparator:
    """A network too small to cost much, for laws that hold whatever a network says."""
    return DemucsSeparator(find(str(small_models["htdemucs"])), device="cpu")


def stems_of(separator: Separator, path: Path, work: Path, options: SeparationOptions) -> dict[str, np.ndarray]:
    with open_sound(path, work) as mix:
        parts: dict[str, list[np.ndarray]] = {}
        position = 0
        for block in separate(separator, mix, scan(mix), options):
            assert block.start == position
            position += block.frames
            for stem, samples in block.stems.items():
                assert samples.dtype == np.float32
                assert samples.flags.c_contiguous
                parts.setdefault(stem, []).append(samples)
        return {stem: np.concatenate(made, axis=1) for stem, made in parts.items()}


def left_over_db(mix: np.ndarray, stems: dict[str, np.ndarray]) -> float:
    total = sum(samples.astype(np.float64) for samples in stems.values())
    loudest = max(1.0, *(float(np.abs(samples).max()) for samples in stems.values()))
    return 20 * np.log10(float(np.abs(mix - total).max()) / loudest + 1e-30)


@pytest.mark.parametrize("residual", ["other", "stem", "share"])
@pytest.mark.parametrize(("sample_rate", "channels"), [(44100, 2), (48000, 2), (96000, 1), (22050, 2)])
def test_all_stems_sum_to_the_mix_at_its_own_shape(
    small: DemucsSeparator, residual: str, sample_rate: int, channels: int, write_sound, tmp_path: Path
) -> None:
    mix = mix_of(multitrack(5.0, sample_rate, channels, seed=1))
    stems = stems_of(small, write_sound(mix, sample_rate), tmp_path, replace(OPTIONS, residual=residual))
    assert set(stems) == set(FOUR) | ({"residual"} if residual == "stem" else set())
    assert all(samples.shape == mix.shape for samples in stems.values())
    assert left_over_db(mix, stems) <= -120


def test_two_stems_are_the_stem_and_the_rest_of_the_mix(small: DemucsSeparator, write_sound, tmp_path: Path) -> None:
    mix = mix_of(multitrack(5.0, 44100, 2, seed=2))
    path = write_sound(mix)
    pair = stems_of(small, path, tmp_path, replace(OPTIONS, two_stems="vocals"))
    assert list(pair) == ["vocals", "instrumental"]
    assert left_over_db(mix, pair) <= -120
    alone = stems_of(small, path, tmp_path, replace(OPTIONS, stems=("vocals",)))
    assert np.array_equal(alone["vocals"], pair["vocals"])
    assert list(alone) == ["vocals"]


def test_what_the_network_cannot_hear_ends_up_in_other(small: DemucsSeparator, write_sound, tmp_path: Path) -> None:
    t = np.arange(5 * 96000) / 96000
    mix = mix_of(multitrack(5.0, 96000, 2, seed=3)) + (0.05 * np.sin(2 * np.pi * 30000 * t)).astype(np.float32)
    stems = stems_of(small, write_sound(mix, 96000), tmp_path, OPTIONS)
    spectrum = {stem: np.abs(np.fft.rfft(samples[0]))[30000 * 5] for stem, samples in stems.items()}
    assert spectrum["other"] > 1000 * max(value for stem, value in spectrum.items() if stem != "other")


def test_the_same_render_gives_the_same_bits_and_shifts_are_seeded_by_it(
    mini: DemucsSeparator, write_sound, tmp_path: Path
) -> None:
    path = write_sound(mix_of(multitrack(3.8, 44100, 2, seed=4)))
    plain = stems_of(mini, path, tmp_path, OPTIONS)
    again = stems_of(DemucsSeparator(find("htdemucs_mini"), device="cpu"), path, tmp_path, OPTIONS)
    assert all(np.array_equal(plain[stem], again[stem]) for stem in FOUR)
    shifted = [stems_of(mini, path, tmp_path, replace(OPTIONS, shifts=2)) for _ in range(2)]
    assert all(np.array_equal(shifted[0][stem], shifted[1][stem]) for stem in FOUR)
    assert not np.array_equal(plain["vocals"], shifted[0]["vocals"])
    # Averaging shifted runs refines an estimate, it does not move it.
    assert np.corrcoef(plain["vocals"][0], shifted[0]["vocals"][0])[0, 1] > 0.6


def test_dc_never_reaches_a_stem_but_through_the_residual(mini: DemucsSeparator, write_sound, tmp_path: Path) -> None:
    mix = mix_of(multitrack(3.8, 44100, 2, seed=5)) + np.float32(0.25)
    stems = stems_of(mini, write_sound(mix), tmp_path, OPTIONS)
    assert left_over_db(mix, stems) <= -120
    offsets = {stem: abs(float(samples.mean(dtype=np.float64))) for stem, samples in stems.items()}
    assert max(value for stem, value in offsets.items() if stem != "other") < 0.01
    assert offsets["other"] == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((2, 1), np.float32),
        np.full((2, 1), 0.5, np.float32),
        np.full((1, 2), -0.5, np.float32),
        np.zeros((2, 30000), np.float32),
        np.full((2, 30000), 0.7, np.float32),
        np.stack([np.sin(np.arange(30000)), -np.sin(np.arange(30000))]).astype(np.float32),
        np.full((2, 5000), 1e-30, np.float32),
        np.stack([np.full(5000, 1e-45), np.full(5000, -1e-45)]).astype(np.float32),
        np.sign(np.sin(np.arange(60000) / 50)).astype(np.float32).reshape(2, -1) * 4,
    ],
    ids=[
        "one-silent-frame",
        "one-frame",
        "two-mono-frames",
        "silence",
        "dc",
        "side-only",
        "next-to-nothing",
        "denormal-side-only",
        "square-over-0dBFS",
    ],
)
def test_odd_input_gives_finite_stems_that_sum(
    small: DemucsSeparator, samples: np.ndarray, write_sound, tmp_path: Path
) -> None:
    stems = stems_of(small, write_sound(samples), tmp_path, OPTIONS)
    assert all(made.shape == samples.shape and np.isfinite(made).all() for made in stems.values())
    assert left_over_db(samples, stems) <= -120


def test_one_frame_goes_through_a_network_without_a_fixed_window(
    small_models: dict[str, Path], write_sound, tmp_path: Path
) -> None:
    separator = DemucsSeparator(find(str(small_models["mdx_extra"])), device="cpu")
    for frames in (1, 2, 777):
        mix = np.full((2, frames), 0.25, np.float32)
        stems = stems_of(separator, write_sound(mix), tmp_path, OPTIONS)
        assert left_over_db(mix, stems) <= -120


def test_six_stems_sum_too(small_models: dict[str, Path], write_sound, tmp_path: Path) -> None:
    mix = mix_of(multitrack(3.0, 44100, 2, seed=6))
    separator = DemucsSeparator(find(str(small_models["htdemucs_6s"])), device="cpu")
    stems = stems_of(separator, write_sound(mix), tmp_path, OPTIONS)
    assert list(stems) == [*FOUR, "guitar", "piano"]
    assert left_over_db(mix, stems) <= -120


def test_surround_runs_in_pairs_and_the_lfe_goes_to_other(small: DemucsSeparator, write_sound, tmp_path: Path) -> None:
    stereo = mix_of(multitrack(4.5, 44100, 2, seed=7))
    rumble = (0.3 * np.sin(2 * np.pi * 40 * np.arange(stereo.shape[1]) / 44100)).astype(np.float32)
    mix = np.stack([stereo[0], stereo[1], stereo.mean(0), rumble, stereo[1] * 0.3, stereo[0] * 0.3])
    path = write_surround(mix, tmp_path)
    stems = stems_of(small, path, tmp_path, OPTIONS)
    assert left_over_db(mix, stems) <= -120
    assert all(samples.shape == mix.shape for samples in stems.values())
    assert not any(stems[stem][3].any() for stem in ("drums", "bass", "vocals"))
    assert np.array_equal(stems["other"][3], rumble)
    raw = stems_of(small, path, tmp_path, replace(OPTIONS, residual="drop"))
    assert np.array_equal(raw["other"][3], rumble)


def write_surround(mix: np.ndarray, folder: Path) -> Path:
    """Write six channels with the 5.1 speaker mask, as a WAV of 32-bit float."""
    import struct

    data = np.ascontiguousarray(mix.T, dtype="<f4").tobytes()
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 6, 44100, 44100 * 24, 24, 32, 22, 32, 0x3F)
    fmt += bytes.fromhex("0300000000001000800000aa00389b71")
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    path = folder / "surround.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def test_channels_are_paired_by_speaker_where_the_file_says_so() -> None:
    assert plan_layout(1).passes == (Pass(0, 0),)
    assert plan_layout(2).passes == (Pass(0, 1),)
    assert plan_layout(3).passes == (Pass(0, 1), Pass(2, 2))
    surround = plan_layout(6, 0x3F)
    assert (surround.passes, surround.untouched) == ((Pass(0, 1), Pass(2, 2), Pass(4, 5)), (3,))
    assert plan_layout(6, 0x60F).passes == (Pass(0, 1), Pass(2, 2), Pass(4, 5))
    assert plan_layout(8, 0x63F).passes == (Pass(0, 1), Pass(2, 2), Pass(4, 5), Pass(6, 7))
    # A mask that does not name every channel says nothing.
    assert plan_layout(6, 0x3).passes == (Pass(0, 1), Pass(2, 3), Pass(4, 5))


def test_only_what_is_needed_is_computed() -> None:
    def computed(**chosen: object) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        choice = choose_stems(FOUR, replace(OPTIONS, **chosen))
        return choice.computed, choice.delivered, choice.complete

    assert computed() == (("drums", "bass", "vocals"), FOUR, True)
    assert computed(stems=("vocals",)) == (("vocals",), ("vocals",), False)
    assert computed(stems=("vocals", "other", "vocals")) == (("drums", "bass", "vocals"), ("other", "vocals"), False)
    assert computed(stems=("other",), residual="drop") == (("other",), ("other",), False)
    assert computed(two_stems="vocals") == (("vocals",), ("vocals", "instrumental"), True)
    assert computed(two_stems="drums", residual="share") == (FOUR, ("drums", "drums-less"), True)
    assert computed(residual="drop") == (FOUR, FOUR, False)
    with pytest.raises(ConfigError, match="no stem 'guitar'"):
        computed(stems=("guitar",))
    with pytest.raises(ConfigError, match="no stem 'other'"):
        choose_stems(("vocals", "music"), OPTIONS)


def test_the_fake_sums_exactly(write_sound, tmp_path: Path) -> None:
    mix = mix_of(multitrack(2.0, 48000, 2, seed=9))
    stems = stems_of(FakeSeparator(), write_sound(mix, 48000), tmp_path, OPTIONS)
    assert np.array_equal(sum(samples.astype(np.float64) for samples in stems.values()), mix.astype(np.float64))
    assert all(samples.any() for samples in stems.values())


@given(
    length=st.integers(1, 3000),
    segment=st.integers(2, 700),
    overlap=st.floats(0, 0.95),
    pads=st.booleans(),
    exact=st.booleans(),
    lead=st.integers(0, 300),
    cuts=st.lists(st.integers(1, 900), min_size=1, max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_overlap_add_of_an_identity_network_is_the_identity(
    length: int, segment: int, overlap: float, pads: bool, exact: bool, lead: int, cuts: list[int]
) -> None:
    stride = max(1, int((1 - overlap) * segment))
    lane = Lane(Grid(segment, stride, pads, exact), length=length, rows=1, lead_frames=lead)
    signal = np.random.default_rng(length).standard_normal((2, length)).astype(np.float32)
    out, start = [], 0
    for turn in range(length):
        if start >= length:
            break
        block = signal[:, start : start + cuts[turn % len(cuts)]]
        start += block.shape[1]
        for window in lane.feed(block):
            own = window.samples[:, window.skip : window.skip + window.frames]
            lane.accept(window, own[None])
            out.append(lane.ready()[0])
    made = np.concatenate(out, axis=1)
    assert made.shape == signal.shape
    np.testing.assert_allclose(made, signal, rtol=2e-5, atol=2e-6)


@given(st.floats(-1, 1), st.floats(0, 2), st.floats(0, 4))
def test_the_normaliser_is_finite_and_blind_to_small_edits(mean: float, std: float, peak: float) -> None:
    level = find_normaliser(mean, std, max(peak, std))
    assert level.scale > 0
    assert np.isfinite([level.mean, level.scale]).all()
    if level.mean == 0 and std > 0.01:
        assert level.scale == find_normaliser(mean / 2, std, max(peak, std)).scale
