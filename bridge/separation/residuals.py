"""Demucs' residual convolutions (Defossez et al. 2021) on a part at a time that never leaves the cache.

Each is a convolution into an eighth of the channels, GELU, a convolution of kernel 1 into twice the channels, and a
gate, with a normalisation after both convolutions. What the second normalisation does is known before its convolution
is computed, from the mean and the covariance of the few channels that it hears; so it goes into the weights, and the
wide result is made, gated and added once, while it lies in the cache.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from demucs.demucs import DConv, LayerScale
from torch import Tensor, nn
from torch.nn import functional

from bridge.separation.products import CACHED_VALUES, Convolution, frozen, has_onednn

__all__ = ["Residuals"]


class Residuals(nn.Module):
    """Demucs' residual convolutions; rows know nothing of each other. Always float32: they are few products."""

    def __init__(self, original: DConv) -> None:
        super().__init__()
        plain = has_onednn() and all(_is_plain(layer) for layer in original.layers)
        layers = [_Residual(layer) for layer in original.layers] if plain else [_Added(one) for one in original.layers]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, T), float32
        out = torch.empty_like(x)
        rows = max(1, CACHED_VALUES // (x.shape[1] * x.shape[2]))
        for part, target in zip(torch.split(x, rows), torch.split(out, rows), strict=True):
            self.write(part.unsqueeze(2), target.unsqueeze(2))
        return out

    def write(self, x: Tensor, out: Tensor) -> None:
        """Write the result for (N, C, R, T), R rows that know nothing of each other, into `out`, which may be x."""
        for layer in self.layers:
            layer(x, out)
            x = out


class _Added(nn.Module):
    """A residual convolution as demucs computes it."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.original = original

    def forward(self, x: Tensor, out: Tensor) -> None:
        rows = x.transpose(1, 2)  # (N, R, C, T)
        made = self.original(rows.flatten(0, 1)).view(rows.shape)
        torch.add(x, made.transpose(1, 2), out=out)


def _is_plain(layer: Any) -> bool:
    kinds = [nn.Conv1d, nn.GroupNorm, nn.GELU, nn.Conv1d, nn.GroupNorm, nn.GLU, LayerScale]
    if [type(part) for part in layer] != kinds:
        return False
    return bool(layer[1].num_groups == layer[4].num_groups == 1 and layer[3].kernel_size == (1,))


class _Residual(nn.Module):
    """One residual convolution whose second normalisation and scale are in its weights."""

    centre: Tensor
    of_covariance: Tensor
    of_mean: Tensor

    def __init__(self, original: Any) -> None:
        super().__init__()
        first, self.norm, _, second, norm, _, scale = copy.deepcopy(original)
        self.first = Convolution(first, torch.float32)
        self._epsilon = norm.eps
        plain = torch.cat([second.weight.detach().flatten(1), second.bias.detach()[:, None]], 1).double()  # (2C, H + 1)
        centre = plain.mean(0)
        around = plain - centre
        # What the weights add to the variance: of the channels' covariance, and of their mean and the bias.
        of_covariance = plain[:, :-1].T @ plain[:, :-1] / len(plain)  # (H, H)
        of_mean = around.T @ around / len(plain)  # (H + 1, H + 1)
        scales = torch.cat([scale.scale.detach(), torch.ones_like(scale.scale)]).double()  # only what is gated has one
        gain, shift = norm.weight.detach() * scales, norm.bias.detach() * scales  # (2C,)
        # One more input carries what the normalisation takes away.
        widened = torch.cat([plain, -torch.ones(len(plain), 1, dtype=torch.float64)], 1) * gain[:, None]
        for name, one in (("centre", centre), ("of_covariance", of_covariance), ("of_mean", of_mean)):
            self.register_buffer(name, one.float(), persistent=False)
        second.weight, second.bias = frozen(widened[:, :, None], torch.float32), frozen(shift, torch.float32)
        self.second = Convolution(second, torch.float32)

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Write x and what is added to it, (N, C, R, T), into `out`, which may be x."""
        samples, channels, rows, frames = x.shape
        hidden = self.first(x).transpose(1, 2).flatten(0, 1)  # (N * R, H, T)
        heard = self._levelled(functional.gelu(self.norm(hidden)))
        heard = heard.view(samples, rows, -1, frames).transpose(1, 2)  # (N, H + 2, R, T)
        width = max(1, CACHED_VALUES // (samples * channels * rows))
        for place in range(0, frames, width):
            made = functional.glu(self.second(heard[..., place : place + width]), 1)
            torch.add(x[..., place : place + width], made, out=out[..., place : place + width])

    def _levelled(self, hidden: Tensor) -> Tensor:
        """Return what the second convolution must hear for its result to have mean 0 and variance 1."""
        rows, channels, frames = hidden.shape
        mean = hidden.mean(2, keepdim=True)  # (N, H, 1)
        around = hidden - mean
        covariance = torch.bmm(around, around.transpose(1, 2)) / frames  # (N, H, H)
        means = functional.pad(mean.squeeze(2), (0, 1), value=1.0)  # (N, H + 1)
        variance = (covariance * self.of_covariance).sum((1, 2)) + ((means @ self.of_mean) * means).sum(1)
        scale = torch.rsqrt(variance + self._epsilon)  # (N,)
        heard = hidden.new_empty(rows, channels + 2, frames)
        torch.mul(hidden, scale[:, None, None], out=heard[:, :channels])
        heard[:, channels] = scale[:, None]
        heard[:, channels + 1] = (scale * (means @ self.centre))[:, None]
        return heard
