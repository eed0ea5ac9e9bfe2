"""The quicker parts of a network compute what demucs computes, for every kind that a weight file may name."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs

from bridge.separation.forward import narrow, quicken

STEMS = ["drums", "bass", "other", "vocals"]
SMALL: dict[str, Any] = {"sources": STEMS, "channels": 8, "t_layers": 3, "t_heads": 2, "dconv_mode": 3, "segment": 1}
KINDS: dict[str, tuple[type[torch.nn.Module], dict[str, Any]]] = {
    "as published": (HTDemucs, SMALL),
    "with a bottleneck": (HTDemucs, {**SMALL, "bottom_channels": 24}),
    "cross attention first": (HTDemucs, {**SMALL, "t_cross_first": True}),
    "without layer scale, ReLU": (HTDemucs, {**SMALL, "t_layer_scale": False, "t_gelu": False}),
    "norms last": (HTDemucs, {**SMALL, "t_norm_first": False, "t_norm_out": False}),
    "group norms": (HTDemucs, {**SMALL, "t_group_norm": True, "t_norm_in": False, "t_norm_in_group": True}),
    "learnt positions": (HTDemucs, {**SMALL, "t_emb": "scaled"}),
    "no transformer": (HTDemucs, {**SMALL, "t_layers": 0}),
    "norms in every convolution": (HTDemucs, {**SMALL, "norm_starts": 0}),
    "masks": (HTDemucs, {**SMALL, "cac": False}),
    "magnitudes, phases of the mix": (HTDemucs, {**SMALL, "cac": False, "wiener_iters": -1, "end_iters": -1}),
    "bands with their own weights": (HTDemucs, {**SMALL, "multi_freqs": [0.25, 0.5], "multi_freqs_depth": 1}),
    "no residual convolutions": (HTDemucs, {**SMALL, "dconv_mode": 0}),
    "HDemucs": (HDemucs, {"sources": STEMS, "channels": 8, "segment": 1}),
}


def built(kind: str) -> torch.nn.Module:
    torch.manual_seed(len(kind))
    klass, kwargs = KINDS[kind]
    network = klass(**kwargs).eval()
    for name, parameter in network.named_parameters():
        # Fresh scales are so close to 0 that what is behind them would not be heard.
        if "scale" in name or "gamma" in name:
            parameter.data.uniform_(0.2, 0.8)
    return network


def difference_db(made: torch.Tensor, reference: torch.Tensor) -> float:
    return float(20 * torch.log10((made - reference).norm() / reference.norm() + 1e-12))


@pytest.mark.parametrize("kind", KINDS)
def test_a_quickened_network_gives_what_demucs_gives(kind: str) -> None:
    network = built(kind)
    quick = copy.deepcopy(network)
    quicken(quick)
    heard = torch.randn(2, 2, 44100)
    with torch.inference_mode():
        assert difference_db(quick(heard), network(heard)) <= -110


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [[3], [3, 0], [0, 1, 2, 3]])
def test_a_narrowed_network_gives_the_same_stems_and_leaves_the_whole_one_alone(kind: str, rows: list[int]) -> None:
    network = built(kind)
    heard = torch.randn(1, 2, 44100)
    with torch.inference_mode():
        every = network(heard)
        made = narrow(network, rows)(heard)
        assert made.shape == (1, len(rows), 2, 44100)
        assert difference_db(made, every[:, rows]) <= -110
        assert torch.equal(network(heard), every)


def test_long_attention_is_exact_too() -> None:
    torch.manual_seed(0)
    network = HTDemucs(**{**SMALL, "segment": 8}).eval()
    quick = copy.deepcopy(network.crosstransformer)
    quicken(quick)
    # (B, C, Fr, T) and (B, C, T): 1600 and 901 positions, no multiple of what is done at a time
    heard = torch.randn(2, 64, 8, 200), torch.randn(2, 64, 901)
    with torch.inference_mode():
        for made, reference in zip(quick(*heard), network.crosstransformer(*heard), strict=True):
            assert difference_db(made, reference) <= -110
