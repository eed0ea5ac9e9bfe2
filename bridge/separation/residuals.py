"""Demucs' residual convolutions (Defossez et al. 2021) on a part at a time that never leaves the cache.

Each is a convolution into an eighth of the channels, GELU, a convolution of kernel 1 into twice the channels, and a
gate, with a normalisation after both convolutions. What the second normalisation does is known before its convolution
is computed, from the mean and the covariance of the few channels that it hears; so it goes into the weights, and the
wide result is made, gated and added once, while it lies in the cache.
"""

from __future__ import annotations

import torch
from demucs.demucs import DConv, LayerScale
from torch import Tensor, nn
from torch.nn import functional

from bridge.separation.products import CACHED_VALUES, Convolution, has_onednn

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
            for layer in self.layers:
                layer(part, target)
                part = target  # (rows, C, T)
        return out


class _Added(nn.Module):
    """A residual convolution as demucs computes it."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.original = original

    def forward(self, x: Tensor, out: Tensor) -> None:
        torch.add(x, self.original(x), out=out)


def _is_plain(layer: nn.Sequential) -> bool:
    kinds = [nn.Conv1d, nn.GroupNorm, nn.GELU, nn.Conv1d, nn.GroupNorm, nn.GLU, LayerScale]
    if [type(part) for part in layer] != kinds:
        return False
    return layer[1].num_groups == layer[4].num_groups == 1 and layer[3].kernel_size == (1,)


class _Residual(nn.Module):
    """One residual convolution whose second normalisation and scale are in its weights."""

    weight: Tensor
    offset: Tensor

    def __init__(self, original: nn.Sequential) -> None:
        super().__init__()
        first, self.norm, _, second, norm, _, scale = original
        self.first = Convolution(first, torch.float32)
        self._epsilon = norm.eps
        plain = torch.cat([second.weight.detach().flatten(1), second.bias.detach()[:, None]], 1).double()  # (2C, H + 1)
        centre = plain.mean(0)
        around = plain - centre
        # What the weights add to the variance: of the channels' covariance, and of their mean and the bias.
        of_covariance = plain[:, :-1].T @ plain[:, :-1] / len(plain)  # (H, H)
        of_mean = around.T @ around / len(plain)  # (H + 1, H + 1)
        gain = norm.weight.detach().double()
        gain = gain * torch.cat([scale.scale.detach(), torch.ones_like(scale.scale)])
        shift = norm.bias.detach() * torch.cat([scale.scale.detach(), torch.ones_like(scale.scale)])
        # One more input carries what the normalisation takes away.
        widened = torch.cat([plain, -torch.ones(len(plain), 1, dtype=torch.float64)], 1) * gain[:, None]
        for name, one in (("centre", centre), ("of_covariance", of_covariance), ("of_mean", of_mean)):
            self.register_buffer(name, one.float(), persistent=False)
        second_weight = nn.Conv1d(widened.shape[1], len(plain), 1)
        second_weight.weight.data, second_weight.bias.data = widened.float()[:, :, None], shift.float()
        self.second = Convolution(second_weight, torch.float32)

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Write x and what is added to it, (N, C, T), into `out`, which may be x."""
        hidden = functional.gelu(self.norm(self.first(x.unsqueeze(2)).squeeze(2)))  # (N, H, T)
        heard = self._levelled(hidden).unsqueeze(2)  # (N, H + 2, 1, T)
        width = max(1, CACHED_VALUES // (x.shape[0] * x.shape[1]))
        for place in range(0, x.shape[2], width):
            made = functional.glu(self.second(heard[..., place : place + width]).squeeze(2), 1)
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
