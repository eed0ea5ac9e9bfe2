"""Convolutions through oneDNN, the layers' building blocks, in the precision that is asked for.

A transposed convolution whose kernel is two strides long is an ordinary one of kernel 2 with its outputs interleaved,
which oneDNN computes ten times faster.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["CACHED_VALUES", "Convolution", "Transposed", "frozen", "has_onednn"]

CACHED_VALUES = 2**18
"""Values that a layer handles at a time: 1 MB, about a core's own cache."""


def has_onednn() -> bool:
    """Say whether oneDNN's fused products are here (x86 only)."""
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    names = ("_linear_pointwise", "_convolution_pointwise")
    return x86 and built and all(hasattr(torch.ops.mkldnn, name) for name in names)


class Convolution(nn.Module):
    """A convolution of stride, dilation and activation over (N, C, H, W), padded in W only; result as its weights."""

    def __init__(self, original: Any, products: torch.dtype, activation: str = "none", *, padded: bool = True) -> None:
        """Take a convolution over (N, C, W) or (N, C, H, W); `padded` False: the caller gives what lies around."""
        super().__init__()
        flat = original.weight.dim() == 3
        self._stride = [1, *original.stride] if flat else list(original.stride)
        self._dilation = [1, *original.dilation] if flat else list(original.dilation)
        self._padding = [0, original.padding[-1] if padded else 0]
        self._activation = activation
        self.weight = frozen(original.weight.unsqueeze(2) if flat else original.weight, products)
        self.bias = frozen(original.bias, products)

    def forward(self, x: Tensor) -> Tensor:
        return _convolve(
            x, self.weight, self.bias, self._padding, self._stride, self._dilation, activation=self._activation
        )


class Transposed(nn.Module):
    """A transposed convolution along one axis of (N, C, H, W) with a kernel of two strides, in order, in parts.

    Every call takes the place before its own once more, since each reaches into the stride of the next.
    """

    def __init__(self, original: Any, products: torch.dtype, activation: str) -> None:
        """Take a transposed convolution over H of (N, C, H, W), or over (N, C, W)."""
        super().__init__()
        stride = original.stride[0]
        self.along_width = original.weight.dim() == 3
        weight = original.weight.detach().flatten(2)  # (I, O, 2 * stride)
        inner, outer, _ = weight.shape
        taps = weight.view(inner, outer, 2, stride).flip(2)  # the place before, then its own
        taps = taps.permute(1, 3, 0, 2).reshape(outer * stride, inner, 2)
        self.stride, self.out_channels, self._activation = stride, outer, activation
        self.weight = frozen(taps.unsqueeze(2 if self.along_width else 3), products)
        self.bias = frozen(original.bias.detach().repeat_interleave(stride), products)

    def keep(self, channels: list[int]) -> None:
        """Leave out all channels of the result but these."""
        kept = [channel * self.stride + place for channel in channels for place in range(self.stride)]
        self.weight, self.bias = frozen(self.weight[kept], self.weight.dtype), frozen(self.bias[kept], self.bias.dtype)
        self.out_channels = len(channels)

    def forward(self, x: Tensor) -> Tensor:  # (1, I, H + 1, W) to (1, O, stride, H, W), or the same of W
        made = _convolve(x, self.weight, self.bias, [0, 0], [1, 1], [1, 1], activation=self._activation)
        return made.view(1, self.out_channels, self.stride, *made.shape[2:])


def frozen(tensor: Tensor, dtype: torch.dtype) -> nn.Parameter:
    """Return weights in a precision; shared where they have it already."""
    return nn.Parameter(tensor.detach().to(dtype), requires_grad=False)


def _convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: list[int],
    stride: list[int],
    dilation: list[int],
    *,
    activation: str,
) -> Tensor:
    scalars: list[float] = []
    algorithm = "none" if activation == "gelu" else None
    made: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x.to(weight.dtype), weight, bias, padding, stride, dilation, 1, activation, scalars, algorithm
    )
    return made
