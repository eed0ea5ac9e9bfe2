"""The convolutions of demucs on a CPU: a band of frequencies at a time, in the precision that is asked for.

A layer of the frequency branch knows only a few rows around each of its own, so that it can run from its first
convolution to its last on a band that never leaves the cache, where whole layers go through memory that the system has
to clear first. A transposed convolution whose kernel is two strides long is an ordinary one of kernel 2 with its
outputs interleaved, which oneDNN computes ten times faster. Products may take bfloat16; what is added up over layers
stays float32.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from demucs.demucs import DConv, LayerScale
from demucs.hdemucs import HDecLayer, HEncLayer
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Banded", "Residuals", "Transposed", "banded", "frozen", "has_onednn"]

_CACHED_VALUES = 2**18
"""Values that a layer handles at a time: 1 MB, about a core's own cache."""


def has_onednn() -> bool:
    """Say whether oneDNN's fused products are here (x86 only)."""
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    names = ("_linear_pointwise", "_convolution_pointwise")
    return x86 and built and all(hasattr(torch.ops.mkldnn, name) for name in names)


def banded(layer: nn.Module, products: torch.dtype) -> nn.Module:
    """Return a layer that computes what an encoder or decoder layer of demucs computes, quicker where there is a way.

    Its residual convolutions are kept as they are: quicken them first.
    """
    if type(layer) is HEncLayer and _is_plain_encoder(layer):
        return (_BandEncoder if layer.freq else _TimeEncoder)(layer, products)
    if type(layer) is HDecLayer and _is_plain_decoder(layer):
        return (_BandDecoder if layer.freq else _TimeDecoder)(layer, products)
    return layer


def _is_plain_encoder(layer: HEncLayer) -> bool:
    if layer.empty or layer.norm or layer.rewrite is None or not has_onednn():
        return False
    return set(layer.rewrite.kernel_size) == {1} and layer.kernel_size == 2 * layer.stride


def _is_plain_decoder(layer: HDecLayer) -> bool:
    if layer.empty or layer.norm or layer.rewrite is None or not has_onednn():
        return False
    return bool(layer.kernel_size == 2 * layer.stride and layer.pad)


class _Convolution(nn.Module):
    """A convolution of stride, dilation and activation over (N, C, H, W), padded in W only; result as its weights."""

    def __init__(self, original: Any, products: torch.dtype, activation: str = "none") -> None:
        super().__init__()
        flat = original.weight.dim() == 3
        self._stride = [1, *original.stride] if flat else list(original.stride)
        self._dilation = [1, *original.dilation] if flat else list(original.dilation)
        self._padding = [0, original.padding[-1]]
        self._activation = activation
        self.weight = frozen(original.weight.unsqueeze(2) if flat else original.weight, products)
        self.bias = frozen(original.bias, products)

    def forward(self, x: Tensor) -> Tensor:
        return _convolve(
            x, self.weight, self.bias, self._padding, self._stride, self._dilation, activation=self._activation
        )


class Transposed(nn.Module):
    """A transposed convolution over H of (N, C, H, 1 or W) with a kernel of two strides, for H in order, in parts.

    Every call takes the rows before its own once more, since each reaches into the stride of the next.
    """

    def __init__(self, original: Any, products: torch.dtype, activation: str) -> None:
        super().__init__()
        stride = original.stride[0]
        weight = original.weight.detach().flatten(2)  # (I, O, 2 * stride)
        inner, outer, _ = weight.shape
        taps = weight.view(inner, outer, 2, stride).flip(2)  # the row before, then its own
        taps = taps.permute(1, 3, 0, 2).reshape(outer * stride, inner, 2, 1)
        self.stride, self.out_channels, self._activation = stride, outer, activation
        self.weight = frozen(taps, products)
        self.bias = frozen(original.bias.detach().repeat_interleave(stride), products)

    def keep(self, channels: list[int]) -> None:
        """Leave out all channels of the result but these."""
        kept = [channel * self.stride + place for channel in channels for place in range(self.stride)]
        self.weight, self.bias = frozen(self.weight[kept], self.weight.dtype), frozen(self.bias[kept], self.bias.dtype)
        self.out_channels = len(channels)

    def forward(self, x: Tensor) -> Tensor:  # (1, I, H + 1, W) to (1, O, stride, H, W)
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


class Residuals(nn.Module):
    """Demucs' residual convolutions on a few rows at a time; rows know nothing of each other."""

    def __init__(self, original: DConv, products: torch.dtype) -> None:
        super().__init__()
        plain = has_onednn() and all(_is_plain_residual(layer) for layer in original.layers)
        layers = [_Residual(layer, products) for layer in original.layers] if plain else original.layers
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, T), float32
        out = torch.empty_like(x)
        rows = max(1, _CACHED_VALUES // (x.shape[1] * x.shape[2]))
        for part, target in zip(torch.split(x, rows), torch.split(out, rows), strict=True):
            for layer in self.layers:
                part = torch.add(part, layer(part), out=target)  # (rows, C, T)
        return out


def _is_plain_residual(layer: nn.Sequential) -> bool:
    kinds = [nn.Conv1d, nn.GroupNorm, nn.GELU, nn.Conv1d, nn.GroupNorm, nn.GLU, LayerScale]
    return [type(part) for part in layer] == kinds


class _Residual(nn.Module):
    """What one residual convolution adds."""

    def __init__(self, original: nn.Sequential, products: torch.dtype) -> None:
        super().__init__()
        first, self.norm, _, second, self.norm_out, _, self.scale = original
        self.first, self.second = _Convolution(first, products), _Convolution(second, products)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, T)
        hidden = functional.gelu(self.norm(self.first(x.unsqueeze(2)).squeeze(2)))
        made = self.norm_out(self.second(hidden.unsqueeze(2)).squeeze(2))
        added: Tensor = self.scale(functional.glu(made, 1))
        return added


class Banded(nn.Module):
    """A layer that took the place of one of demucs."""

    empty = False


class _BandEncoder(Banded):
    """An encoder layer of the frequency branch."""

    def __init__(self, original: HEncLayer, products: torch.dtype) -> None:
        super().__init__()
        self._stride, self._pad = original.stride, original.pad
        self.conv = _Convolution(original.conv, products, "none")
        self.dconv, self.rewrite = original.dconv, _Convolution(original.rewrite, products)

    def forward(self, x: Tensor, inject: Tensor | None = None) -> Tensor:  # (B, C, Fr, T)
        batch, _, frequencies, width = x.shape
        rows = (frequencies + 2 * self._pad - 2 * self._stride) // self._stride + 1
        out = x.new_empty(batch, len(self.conv.weight), rows, width)
        step = max(1, _CACHED_VALUES // (2 * out.shape[1] * width))
        for sample in range(batch):
            for start in range(0, rows, step):
                stop = min(rows, start + step)
                first, last = self._stride * start - self._pad, self._stride * (stop + 1) - self._pad
                heard = self.conv(_rows(x[sample : sample + 1], first, last))  # (1, C', rows, T)
                if inject is not None:
                    heard = heard + inject[sample : sample + 1].unsqueeze(2)
                heard = functional.gelu(heard)[0].transpose(0, 1).float().contiguous()  # (rows, C', T)
                if self.dconv is not None:
                    heard = self.dconv(heard)
                made = functional.glu(self.rewrite(heard.unsqueeze(2)).squeeze(2), 1)
                out[sample, :, start:stop] = made.transpose(0, 1)
        return out


class _BandDecoder(Banded):
    """A decoder layer of the frequency branch; the rows of its transposed convolution are made in order."""

    def __init__(self, original: HDecLayer, products: torch.dtype) -> None:
        super().__init__()
        self._pad, self._halo = original.pad, original.rewrite.kernel_size[0] // 2
        self.dconv, self.rewrite = original.dconv, _Convolution(original.rewrite, products)
        self.conv_tr = Transposed(original.conv_tr, products, "none" if original.last else "gelu")

    def forward(self, x: Tensor, skip: Tensor, length: int) -> tuple[Tensor, None]:  # (B, C, Fr, T)
        batch, channels, rows, width = x.shape
        stride = self.conv_tr.stride
        out = x.new_empty(batch, self.conv_tr.out_channels, stride * (rows + 1) - 2 * self._pad, width)
        step = max(1, _CACHED_VALUES // (2 * channels * width))
        for sample in range(batch):
            before = x.new_zeros(1, channels, 1, width)
            for start in range(0, rows, step):
                stop = min(rows, start + step)
                made = self._rewritten(x[sample : sample + 1], skip[sample : sample + 1], start, stop)
                self._write(out[sample], torch.cat([before, made], 2), start)
                before = made[:, :, -1:]
            self._write(out[sample], torch.cat([before, torch.zeros_like(before)], 2), rows)
        return out, None

    def _rewritten(self, x: Tensor, skip: Tensor, start: int, stop: int) -> Tensor:
        first, last = start - self._halo, stop + self._halo
        made = functional.glu(self.rewrite(_rows(x, first, last) + _rows(skip, first, last)), 1)  # (1, C, rows, T)
        if self.dconv is not None:
            made = self.dconv(made[0].transpose(0, 1).float().contiguous()).transpose(0, 1)[None]
        return made.float()

    def _write(self, out: Tensor, x: Tensor, start: int) -> None:  # (O, Fr', T) from (1, C, rows + 1, T)
        made = self.conv_tr(x)[0].transpose(1, 2).flatten(1, 2)  # (O, rows * stride, T)
        first = self.conv_tr.stride * start - self._pad
        skipped = max(0, -first)
        target = out[:, first + skipped : first + made.shape[1]]
        target.copy_(made[:, skipped : skipped + target.shape[1]])


def _rows(x: Tensor, first: int, last: int) -> Tensor:
    """Return rows first..last of (1, C, Fr, T), zeros where there are none."""
    here = x[:, :, max(0, first) : min(last, x.shape[2])]
    missing = (max(0, -first), max(0, last - x.shape[2]))
    return functional.pad(here, (0, 0, *missing)) if any(missing) else here


class _TimeEncoder(Banded):
    """An encoder layer of the time branch."""

    def __init__(self, original: HEncLayer, products: torch.dtype) -> None:
        super().__init__()
        self._stride = original.stride
        self.conv = _Convolution(original.conv, products, "gelu")
        self.dconv, self.rewrite = original.dconv, _Convolution(original.rewrite, products)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, T)
        x = functional.pad(x, (0, -x.shape[2] % self._stride))
        made = self.conv(x.unsqueeze(2)).squeeze(2).float()
        if self.dconv is not None:
            made = self.dconv(made)
        return functional.glu(self.rewrite(made.unsqueeze(2)).squeeze(2), 1).float()


class _TimeDecoder(Banded):
    """A decoder layer of the time branch."""

    def __init__(self, original: HDecLayer, products: torch.dtype) -> None:
        super().__init__()
        self._pad = original.pad
        self.dconv, self.rewrite = original.dconv, _Convolution(original.rewrite, products)
        self.conv_tr = Transposed(original.conv_tr, products, "none" if original.last else "gelu")

    def forward(self, x: Tensor, skip: Tensor, length: int) -> tuple[Tensor, None]:  # (B, C, T)
        made = functional.glu(self.rewrite((x + skip).unsqueeze(2)).squeeze(2), 1).float()
        if self.dconv is not None:
            made = self.dconv(made)
        padded = functional.pad(made, (1, 1)).unsqueeze(3)  # (B, C, T + 2, 1)
        parts = [self.conv_tr(one[None]).squeeze(4).transpose(2, 3).flatten(2) for one in padded]
        return torch.cat(parts)[..., self._pad : self._pad + length].float(), None
