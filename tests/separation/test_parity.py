"""Our engine computes what Demucs computes: same windows, same weights, same bags, to rounding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.hdemucs import HDemucs
from demucs.hf import load_safetensors_model
from demucs.htdemucs import HTDemucs

from benchmarks.random_weights import write_model
from bridge.audio.read import open_sound, scan
from bridge.domain.job import SeparationOptions
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.demucs import DemucsSeparator
from bridge.separation.engine import find_normaliser
from bridge.separation.hybrid import Hybrid
from tests.songs import mix_of, multitrack

OPTIONS = SeparationOptions()


def upstream(folder: Path, mix: np.ndarray, mean: float, scale: float, overlap: float) -> np.ndarray:
    """What demucs' own apply_model gives for (mix - mean) / scale, times scale: (S, C, T)."""
    model = find(str(folder))
    members = [load_safetensors_model(path) for path in locate(model)]
    bag = BagOfModels(members, [list(weights) for weights in model.weights], model.segment_seconds)
    heard = torch.tensor((mix - np.float32(mean)) / np.float32(scale))[None]
    with torch.no_grad():
        return apply_model(bag, heard, shifts=0, split=True, overlap=overlap)[0].numpy() * np.float32(scale)


def ours(folder: Path, path: Path, work: Path, options: SeparationOptions, *, exact_tail: bool = True) -> np.ndarray:
    separator = DemucsSeparator(find(str(folder)), device="cpu", exact_tail=exact_tail)
    with open_sound(path, work) as mix:
        return np.concatenate(list(separator.estimates(mix, scan(mix), separator.stems, options)), axis=2)


def worst_difference_db(made: np.ndarray, reference: np.ndarray, mix: np.ndarray) -> float:
    """RMS difference of the worst stem re max(its RMS, RMS of the mix - 40 dB)."""

    def rms(samples: np.ndarray) -> float:
        return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))

    floor = rms(mix) / 100
    return max(20 * np.log10(rms(a - b) / max(rms(b), floor) + 1e-12) for a, b in zip(made, reference, strict=True))


@pytest.mark.parametrize(
    ("name", "overlap", "seconds"),
    [
        ("htdemucs", 0.25, 4.6),
        ("htdemucs", 0.6, 3.5),
        ("htdemucs_ft", 0.25, 3.5),
        ("htdemucs_6s", 0.25, 3.5),
        # A tail of 1.3 s, which HDemucs runs at its own length.
        ("mdx_extra", 0.25, 7.3),
    ],
)
def test_estimates_equal_those_of_demucs(
    name: str, overlap: float, seconds: float, small_models: dict[str, Path], write_sound, tmp_path: Path
) -> None:
    mix = mix_of(multitrack(seconds, 44100, 2, seed=3)) + np.float32(0.2)
    path = write_sound(mix)
    with open_sound(path, tmp_path) as sound:
        scanned = scan(sound)
    level = find_normaliser(scanned.mean, scanned.std, scanned.levels.peak)
    reference = upstream(small_models[name], mix, level.mean, level.scale, overlap)
    for batch in (1, 3):
        made = ours(small_models[name], path, tmp_path, replace(OPTIONS, overlap=overlap, batch=batch))
        assert made.shape == reference.shape
        assert worst_difference_db(made, reference, mix) <= -100


def test_the_published_architecture_has_parity_too(tmp_path: Path, write_sound) -> None:
    folder = write_model("htdemucs", tmp_path, seed=1)
    mix = mix_of(multitrack(9.0, 44100, 2, seed=4))
    path = write_sound(mix)
    with open_sound(path, tmp_path) as sound:
        scanned = scan(sound)
    level = find_normaliser(scanned.mean, scanned.std, scanned.levels.peak)
    reference = upstream(folder, mix, level.mean, level.scale, 0.25)
    assert worst_difference_db(ours(folder, path, tmp_path, OPTIONS), reference, mix) <= -100


def test_skipping_the_redundant_window_changes_only_the_tail(
    small_models: dict[str, Path], write_sound, tmp_path: Path
) -> None:
    segment = int(44100 * 39 / 20)
    stride = int(segment * 0.75)
    mix = mix_of(multitrack((2 * stride + 12000) / 44100, 44100, 2, seed=5))
    path = write_sound(mix)
    with counted_forwards() as exact_count:
        exact = ours(small_models["htdemucs"], path, tmp_path, OPTIONS)
    with counted_forwards() as count:
        made = ours(small_models["htdemucs"], path, tmp_path, OPTIONS, exact_tail=False)
    assert (exact_count["HTDemucs"], count["HTDemucs"]) == (3, 2)
    assert np.array_equal(made[..., : 2 * stride], exact[..., : 2 * stride])
    assert made.shape == exact.shape


@contextmanager
def counted_forwards() -> Iterator[Counter[str]]:
    """Count forwards of whole networks while inside."""
    seen: Counter[str] = Counter()

    def note(module: torch.nn.Module, *_: object) -> None:
        network = module.member if isinstance(module, Hybrid) else module
        if isinstance(network, (HTDemucs, HDemucs)):
            seen[type(network).__name__] += 1

    hook = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


def test_only_members_whose_output_is_wanted_are_run(
    small_models: dict[str, Path], write_sound, tmp_path: Path
) -> None:
    path = write_sound(mix_of(multitrack(1.9, 44100, 2, seed=6)))
    separator = DemucsSeparator(find(str(small_models["htdemucs_ft"])), device="cpu")
    with open_sound(path, tmp_path) as mix:
        scanned = scan(mix)
        for wanted, forwards in ((["vocals"], 1), (["drums", "bass", "vocals"], 3)):
            with counted_forwards() as count:
                list(separator.estimates(mix, scanned, wanted, OPTIONS))
            assert count["HTDemucs"] == forwards


def test_silence_costs_no_forward_and_gives_exact_zeros(
    small_models: dict[str, Path], write_sound, tmp_path: Path
) -> None:
    quiet = np.zeros((2, 44100 * 8), np.float32)
    path = write_sound(quiet)
    with counted_forwards() as count:
        made = ours(small_models["htdemucs"], path, tmp_path, OPTIONS, exact_tail=False)
    assert count["HTDemucs"] == 0
    assert not made.any()
    quiet[:, :44100] = mix_of(multitrack(1.0, 44100, 2, seed=8))[:, :44100]
    path = write_sound(quiet)
    with counted_forwards() as count:
        made = ours(small_models["htdemucs"], path, tmp_path, OPTIONS, exact_tail=False)
    assert count["HTDemucs"] == 1
    assert made[..., :44100].any()
    assert not made[..., 4 * 44100 :].any()
