"""Quicker parts for a demucs network on a CPU: the same arithmetic in an order that suits caches and cores.

Demucs keeps its forward; single modules in it are replaced by equal ones. What makes them quick: oneDNN multiplies
matrices with all that the processor has (the MKL that torch uses otherwise keeps processors of other makers than Intel
at half of it), convolutions over many short rows run on a few rows at a time, which then never leave the cache, and
a normalisation over everything uses every core.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from demucs.demucs import DConv
from demucs.hdemucs import HDecLayer
from demucs.htdemucs import HTDemucs
from demucs.transformer import CrossTransformerEncoderLayer, MyGroupNorm, MyTransformerEncoderLayer
from torch import Tensor, nn

from bridge.separation.bands import Banded, banded
from bridge.separation.hybrid import Hybrid, is_hybrid
from bridge.separation.products import Transposed, frozen, has_onednn
from bridge.separation.residuals import Residuals

__all__ = ["lower", "narrow", "quicken"]

_LOW_DECODERS = 2
"""Decoder layers of the frequency branch, from the deepest, that may multiply in bfloat16."""
_QUERIES = 384
"""Queries that look at all keys at a time: their scores should stay in the cache that cores share."""


def quicken(member: nn.Module, products: torch.dtype = torch.float32) -> None:
    """Replace what is slow on a CPU inside a network by modules that compute the same to rounding.

    With bfloat16 the transformer and the decoder's two deepest layers multiply in it, two thirds of all products;
    statistics, norms, what layers add to, and the layers near the sound, where a rounding is heard, stay float32.
    """
    low = {id(module) for part in _low_parts(member) for module in part.modules()}
    onednn = has_onednn()
    for module in list(member.modules()):
        precision = products if id(module) in low else torch.float32
        if onednn and _is_plain_attention(module):
            _quicken_layer(module, precision)
        for name, child in module.named_children():
            if isinstance(child, DConv):
                setattr(module, name, Residuals(child))
            elif isinstance(child, MyGroupNorm) and child.num_groups == 1:
                setattr(module, name, _WholeNorm(child))
    if not _is_narrowable(member):
        return
    for branch in ("encoder", "tencoder", "decoder", "tdecoder"):
        layers = [banded(layer, products if id(layer) in low else torch.float32) for layer in getattr(member, branch)]
        setattr(member, branch, nn.ModuleList(layers))


def _low_parts(member: nn.Module) -> Sequence[nn.Module]:
    """Return the parts of a network that bfloat16 leaves inaudibly changed; none of a network without transformer."""
    if not _is_narrowable(member) or getattr(member, "crosstransformer", None) is None:
        return ()
    transformer: Any = member.crosstransformer
    decoder: Any = member.decoder
    return (transformer, *decoder[:-1][:_LOW_DECODERS])


def lower(member: nn.Module) -> None:
    """Let the parts that `quicken` would multiply in bfloat16 do so by torch's own rules, on any device."""
    if parts := _low_parts(member):
        transformer, *decoders = (_Lowered(part) for part in parts)
        member.crosstransformer = transformer
        rest: Any = member.decoder
        member.decoder = nn.ModuleList([*decoders, *rest[len(decoders) :]])


def narrow(member: nn.Module, rows: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """Return the network for these stems only, in this order: (B, 2, T) to (B, rows, 2, T). Weights are shared.

    Of HTDemucs the last convolutions and the inverse Fourier transform of other stems are then not computed.
    """
    if not _is_narrowable(member):
        return lambda windows: member(windows)[:, rows]  # (B, rows, 2, T)
    part = _shallow(member)
    stems: int = len(part.sources)
    part.sources = [part.sources[row] for row in rows]
    for branch in ("decoder", "tdecoder"):
        *layers, last = getattr(part, branch)
        setattr(part, branch, nn.ModuleList([*layers, _narrow_layer(last, rows, stems)]))
    forward: Callable[[Tensor], Tensor] = Hybrid(part) if is_hybrid(part) else part
    return forward


def _is_narrowable(member: nn.Module) -> bool:
    if not (isinstance(member, HTDemucs) and (member.cac or member.wiener_iters < 0)):
        return False
    last = (member.decoder[-1], member.tdecoder[-1])
    return all(isinstance(layer, Banded) or (isinstance(layer, HDecLayer) and not layer.norm) for layer in last)


def _narrow_layer(layer: nn.Module, rows: Sequence[int], stems: int) -> Any:
    narrowed = _shallow(layer)
    narrowed.conv_tr = conv = _shallow(narrowed.conv_tr)
    each = conv.out_channels // stems
    kept = [row * each + channel for row in rows for channel in range(each)]
    if isinstance(conv, Transposed):
        conv.keep(kept)
        return narrowed
    conv.weight, conv.bias = nn.Parameter(conv.weight.detach()[:, kept]), nn.Parameter(conv.bias.detach()[kept])
    conv.out_channels = len(kept)
    return narrowed


def _shallow(module: nn.Module) -> Any:
    """Copy a module so that giving the copy other parts leaves the original alone."""
    twin = copy.copy(module)
    twin._parameters, twin._modules = dict(module._parameters), dict(module._modules)
    return twin


class _Lowered(nn.Module):
    """A part of a network (two results, or one and None) under torch's rules for bfloat16; its results are float32."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, *others: Any) -> tuple[Tensor | None, ...]:
        with torch.autocast(x.device.type, torch.bfloat16):
            made = self.part(x, *others)
        return tuple(one if one is None else one.float() for one in made)


class _WholeNorm(nn.Module):
    """Normalisation over time and channels at once, on every core (GroupNorm gives each sample one core)."""

    def __init__(self, original: MyGroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = original.weight, original.bias, original.eps

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C)
        around = x - x.mean((1, 2), keepdim=True)
        # torch's own variance takes five times as long, and its norm adds up with too little precision.
        variance = around.square().mean((1, 2), keepdim=True)  # (B, 1, 1)
        return torch.addcmul(self.bias, around, self.weight * torch.rsqrt(variance + self.eps))


def _is_plain_attention(module: nn.Module) -> bool:
    kinds = (MyTransformerEncoderLayer, CrossTransformerEncoderLayer)
    return isinstance(module, kinds) and not module.sparse and module.linear1.bias is not None


def _quicken_layer(layer: Any, products: torch.dtype) -> None:
    """Give a transformer layer quick products; its layer scales go into the weights before them."""
    name = "self_attn" if hasattr(layer, "self_attn") else "cross_attn"
    attention = getattr(layer, name)
    _fold(layer, "gamma_1", attention.out_proj)
    _fold(layer, "gamma_2", layer.linear2)
    setattr(layer, name, _Attention(attention, products))
    if layer.activation is nn.functional.gelu:
        layer.activation = nn.Identity()
        layer.linear1 = _Linear(layer.linear1, products, "gelu")
    else:
        layer.linear1 = _Linear(layer.linear1, products)
    layer.linear2 = _Linear(layer.linear2, products)


def _fold(layer: Any, name: str, linear: nn.Linear) -> None:
    scale = getattr(layer, name)
    if isinstance(scale, nn.Identity):
        return
    linear.weight.data *= scale.scale.data[:, None]
    linear.bias.data *= scale.scale.data
    setattr(layer, name, nn.Identity())


class _Linear(nn.Module):
    """A linear layer through oneDNN."""

    def __init__(self, original: nn.Linear, products: torch.dtype, activation: str = "none") -> None:
        super().__init__()
        self.weight, self.bias = frozen(original.weight, products), frozen(original.bias, products)
        self._activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return _product(x, self.weight, self.bias, self._activation)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str = "none") -> Tensor:
    """Return activation(x @ weight.T + bias), as precise as the weight."""
    x = x.to(weight.dtype)
    done: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "none")
    return done


class _Attention(nn.Module):
    """Multi-head attention as `nn.MultiheadAttention` with its batch first, for calls that want no weights or masks."""

    def __init__(self, original: nn.MultiheadAttention, products: torch.dtype) -> None:
        super().__init__()
        self._heads = original.num_heads
        self._width = width = original.embed_dim
        weight, bias = original.in_proj_weight.detach().clone(), original.in_proj_bias.detach().clone()
        for one in (weight, bias):  # the scale of the scores
            one[:width] *= (width // self._heads) ** -0.5
        self.weight, self.bias = frozen(weight[: 2 * width], products), frozen(bias[: 2 * width], products)
        self.value = frozen(weight[2 * width :], products)
        # Shares add up to 1, so that the bias of the values passes them as it is.
        original.out_proj.bias.data += original.out_proj.weight.data @ bias[2 * width :]
        self.out = _Linear(original.out_proj, products)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **_: object) -> tuple[Tensor, None]:  # (B, T, C)
        width = self._width
        if query is key:
            q, k = _product(query, self.weight, self.bias).chunk(2, 2)
        else:
            q = _product(query, self.weight[:width], self.bias[:width])
            k = _product(key, self.weight[width:], self.bias[width:])
        mixed = torch.empty_like(q, memory_format=torch.contiguous_format)
        for sample in range(len(query)):
            v = _product(self.value, value[sample].to(self.value.dtype))  # (C, T)
            heads = [one[sample].chunk(self._heads, 1) for one in (q, k, mixed)]
            for one_q, one_k, one_v, out in zip(*heads[:2], v.chunk(self._heads), heads[2], strict=True):
                _attend(one_q, one_k, one_v, out)
        return self.out(mixed), None


def _attend(query: Tensor, key: Tensor, value: Tensor, out: Tensor) -> None:
    """Write softmax(query @ key.T) @ value.T into `out`; everything is (T, C), but values are (C, T)."""
    key = key.contiguous()
    for some, target in zip(torch.split(query, _QUERIES), torch.split(out, _QUERIES), strict=True):
        shares = torch.softmax(_product(some, key), 1)
        target.copy_(_product(shares, value))
