"""What bfloat16 may change, who takes it, and what is recorded of it."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from bridge.domain.stems import FloatArray
from bridge.evaluate import score
from bridge.models.config import read_member
from bridge.models.registry import find
from bridge.models.weights import locate
from bridge.separation.device import choose_precision
from bridge.separation.forward import lower, narrow
from bridge.separation.network import Network, build_member
from tests.songs import mix_of, multitrack

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
WANTED = ("drums", "bass", "vocals")
DEMO = Path(__file__).parents[2] / "bridge" / "shipped" / "demo"
BELOW_EACH_STEM_DB = -45.0
SDR_DB = 0.02


def song(name: str) -> dict[str, FloatArray]:
    if name != "demo":
        return multitrack(7.8, seed=int(name))
    stems = ("drums", "bass", "other", "vocals")
    read = (soundfile.read(DEMO / f"{stem}.ogg", frames=343980, start=200000, dtype="float32")[0] for stem in stems)
    return {stem: np.ascontiguousarray(sound.T) for stem, sound in zip(stems, read, strict=True)}


def networks() -> tuple[Network, Network]:
    model = find("htdemucs_mini")
    paths = locate(model)
    return Network(model, paths, CPU), Network(model, paths, CPU, "bfloat16")


def stems_of(network: Network, mix: FloatArray) -> dict[str, FloatArray]:
    windows = mix.reshape(2, 2, -1).transpose(1, 0, 2)  # two windows of the mini model's length
    scale = np.float32(mix.mean(axis=0).std())
    made = network.bind(WANTED)(np.ascontiguousarray(windows / scale)) * scale  # (B, R, 2, T)
    stems = dict(zip(WANTED, np.concatenate(list(made), axis=2), strict=True))
    return {**stems, "other": mix - sum(stems.values())}


@pytest.mark.parametrize("name", ["demo", "1", "3"])
def test_bfloat16_stays_45_db_below_each_stem_and_leaves_its_sdr_alone(name: str) -> None:
    true = song(name)
    mix = mix_of(true)
    exact, rounded = (stems_of(network, mix) for network in networks())
    before, after = score(true, exact), score(true, rounded)
    for stem, sound in exact.items():
        apart = 20 * np.log10(np.linalg.norm(rounded[stem] - sound) / np.linalg.norm(sound))
        assert apart <= BELOW_EACH_STEM_DB, stem
        assert abs(after[stem]["sdr_db"] - before[stem]["sdr_db"]) < SDR_DB, stem


def test_bfloat16_is_at_work_and_gives_the_same_bits_twice() -> None:
    mix = mix_of(song("2"))
    exact, rounded = networks()
    first = stems_of(rounded, mix)
    assert not np.array_equal(first["drums"], stems_of(exact, mix)["drums"])
    again = stems_of(rounded, mix)
    assert all(np.array_equal(first[stem], again[stem]) for stem in first)


def test_torch_own_rules_for_bfloat16_hold_the_same_bound() -> None:
    """The way of a graphics card, run on the CPU."""
    path = locate(find("htdemucs_mini"))[0]
    plain = build_member(read_member(path), load_file(path), path)
    member = copy.deepcopy(plain)
    lower(member)
    heard = torch.from_numpy(mix_of(song("demo"))[None, :, :171990] * 5)
    with torch.inference_mode():
        made, reference = narrow(member, [0, 1, 3])(heard), narrow(plain, [0, 1, 3])(heard)
    assert made.dtype == torch.float32
    loud, apart_loud = (torch.linalg.vector_norm(one, dim=(0, 2, 3)) for one in (reference, made - reference))
    assert not torch.equal(made, reference)
    assert bool((20 * torch.log10(apart_loud / loud) <= BELOW_EACH_STEM_DB).all())


def test_auto_takes_bfloat16_only_where_the_cpu_multiplies_in_it() -> None:
    assert choose_precision("auto", CPU, native=True) == "bfloat16"
    assert choose_precision("auto", CPU, native=False) == "float32"
    assert choose_precision("auto", CUDA, native=True) == "float32"
    assert choose_precision("float32", CPU, native=True) == "float32"
    assert choose_precision("bfloat16", CUDA, native=False) == "bfloat16"


def test_a_network_without_transformer_says_that_it_is_float32(small_models: dict[str, Path]) -> None:
    model = find(str(small_models["mdx_extra"]))
    assert Network(model, locate(model), CPU, "bfloat16").precision == "float32"
