"""Quicker parts for a demucs network on a CPU: the same arithmetic in an order that suits caches and cores.

Demucs keeps its forward; single modules in it are replaced by equal ones. What makes them quick: oneDNN multiplies
matrices with all that the processor has (the MKL that torch uses otherwise keeps processors of other makers than Intel
at half of it), convolutions over many short rows run on a few rows at a time, which then never leave the cache, and
a normalisation over everything uses every core.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Sequence
from typing import Any

import torch
from demucs.demucs import DConv
from demucs.hdemucs import HDecLayer
from demucs.htdemucs import HTDemucs
from demucs.transformer import CrossTransformerEncoderLayer, MyGroupNorm, MyTransformerEncoderLayer
from torch import Tensor, nn

__all__ = ["narrow", "quicken"]

_CACHED_VALUES = 2**18
"""Values that a convolution over rows handles at a time: 1 MB, about a core's own cache."""
_QUERIES = 384
"""Queries that look at all keys at a time: their scores should stay in the cache that cores share."""


def quicken(member: nn.Module) -> None:
    """Replace what is slow on a CPU inside a network by modules that compute the same to rounding."""
    onednn = _has_onednn()
    for module in list(member.modules()):
        if onednn and _is_plain_attention(module):
            _quicken_layer(module)
        for name, child in module.named_children():
            if isinstance(child, DConv):
                setattr(module, name, _RowwiseConvolutions(child))
            elif isinstance(child, MyGroupNorm) and child.num_groups == 1:
                setattr(module, name, _WholeNorm(child))


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
    narrowed: Callable[[Tensor], Tensor] = part
    return narrowed


def _is_narrowable(member: nn.Module) -> bool:
    if not (isinstance(member, HTDemucs) and member.cac):
        return False
    last = (member.decoder[-1], member.tdecoder[-1])
    return all(isinstance(layer, HDecLayer) and not layer.norm for layer in last)


def _narrow_layer(layer: nn.Module, rows: Sequence[int], stems: int) -> Any:
    narrowed = _shallow(layer)
    narrowed.conv_tr = conv = _shallow(narrowed.conv_tr)
    each = conv.out_channels // stems
    kept = [row * each + channel for row in rows for channel in range(each)]
    conv.weight, conv.bias = nn.Parameter(conv.weight.detach()[:, kept]), nn.Parameter(conv.bias.detach()[kept])
    conv.out_channels = len(kept)
    return narrowed


def _shallow(module: nn.Module) -> Any:
    """Copy a module so that giving the copy other parts leaves the original alone."""
    twin = copy.copy(module)
    twin._parameters, twin._modules = dict(module._parameters), dict(module._modules)
    return twin


class _RowwiseConvolutions(nn.Module):
    """Demucs' residual convolutions on a few rows at a time; rows know nothing of each other."""

    def __init__(self, original: DConv) -> None:
        super().__init__()
        self.layers = original.layers

    def forward(self, x: Tensor) -> Tensor:  # (N, C, T)
        out = torch.empty_like(x)
        rows = max(1, _CACHED_VALUES // (x.shape[1] * x.shape[2]))
        for part, target in zip(torch.split(x, rows), torch.split(out, rows), strict=True):
            for layer in self.layers:
                part = torch.add(part, layer(part), out=target)  # (rows, C, T)
        return out


class _WholeNorm(nn.Module):
    """Normalisation over time and channels at once, on every core (GroupNorm gives each sample one core)."""

    def __init__(self, original: MyGroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = original.weight, original.bias, original.eps

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C)
        variance, mean = torch.var_mean(x, (1, 2), correction=0, keepdim=True)  # (B, 1, 1)
        scale = self.weight * torch.rsqrt(variance + self.eps)  # (B, 1, C)
        return torch.addcmul(self.bias - mean * scale, x, scale)


def _has_onednn() -> bool:
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return x86 and built and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _is_plain_attention(module: nn.Module) -> bool:
    kinds = (MyTransformerEncoderLayer, CrossTransformerEncoderLayer)
    return isinstance(module, kinds) and not module.sparse and module.linear1.bias is not None


def _quicken_layer(layer: Any) -> None:
    """Give a transformer layer quick products; its layer scales go into the weights before them."""
    name = "self_attn" if hasattr(layer, "self_attn") else "cross_attn"
    attention = getattr(layer, name)
    _fold(layer, "gamma_1", attention.out_proj)
    _fold(layer, "gamma_2", layer.linear2)
    setattr(layer, name, _Attention(attention))
    if layer.activation is nn.functional.gelu:
        layer.activation = nn.Identity()
        layer.linear1 = _Linear(layer.linear1, "gelu")
    else:
        layer.linear1 = _Linear(layer.linear1)
    layer.linear2 = _Linear(layer.linear2)


def _fold(layer: Any, name: str, linear: nn.Linear) -> None:
    scale = getattr(layer, name)
    if isinstance(scale, nn.Identity):
        return
    linear.weight.data *= scale.scale.data[:, None]
    linear.bias.data *= scale.scale.data
    setattr(layer, name, nn.Identity())


class _Linear(nn.Module):
    """A linear layer through oneDNN."""

    def __init__(self, original: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        self.weight, self.bias, self._activation = original.weight, original.bias, activation

    def forward(self, x: Tensor) -> Tensor:
        return _product(x, self.weight, self.bias, self._activation)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str = "none") -> Tensor:
    """Return activation(x @ weight.T + bias)."""
    done: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "none")
    return done


class _Attention(nn.Module):
    """Multi-head attention as `nn.MultiheadAttention` with its batch first, for calls that want no weights or masks."""

    def __init__(self, original: nn.MultiheadAttention) -> None:
        super().__init__()
        self._heads = original.num_heads
        self.weight, self.bias = original.in_proj_weight, original.in_proj_bias
        self.out = _Linear(original.out_proj)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **_: object) -> tuple[Tensor, None]:  # (B, T, C)
        width = query.shape[2]
        if query is key:
            q, k, v = _product(query, self.weight, self.bias).chunk(3, 2)
        else:
            q = _product(query, self.weight[:width], self.bias[:width])
            k, v = _product(key, self.weight[width:], self.bias[width:]).chunk(2, 2)
        q, k, v = (self._split(one) for one in (q * (width // self._heads) ** -0.5, k, v))  # (B, H, T, C / H)
        mixed = torch.empty_like(query)
        for sample in range(len(query)):
            for head, target in enumerate(mixed[sample].chunk(self._heads, 1)):
                _attend(q[sample, head], k[sample, head], v[sample, head], target)
        return self.out(mixed), None

    def _split(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        return x.reshape(batch, length, self._heads, width // self._heads).transpose(1, 2)


def _attend(query: Tensor, key: Tensor, value: Tensor, out: Tensor) -> None:
    """Write softmax(query @ key.T) @ value into `out`; everything is (T, C)."""
    key, value = key.contiguous(), value.t().contiguous()
    for some, target in zip(torch.split(query, _QUERIES), torch.split(out, _QUERIES), strict=True):
        shares = torch.softmax(_product(some, key), 1)
        target.copy_(_product(shares, value))
