"""The layers of demucs on a CPU: a band of frequencies or a stretch of time at a time, in the precision asked for.

A layer of the frequency branch knows only a few rows around each of its own, so that it can run from its first
convolution to its last on a band that never leaves the cache, where whole layers go through memory that the system has
to clear first. Products may take bfloat16; what is added up over layers stays float32.
"""

from __future__ import annotations

import torch
from demucs.hdemucs import HDecLayer, HEncLayer
from torch import Tensor, nn
from torch.nn import functional

from bridge.separation.products import CACHED_VALUES, Convolution, Transposed, has_onednn

__all__ = ["Banded", "banded"]


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


class Banded(nn.Module):
    """A layer that took the place of one of demucs."""

    empty = False


class _BandEncoder(Banded):
    """An encoder layer of the frequency branch."""

    def __init__(self, original: HEncLayer, products: torch.dtype) -> None:
        super().__init__()
        self._stride, self._pad = original.stride, original.pad
        self.conv = Convolution(original.conv, products, "none")
        self.dconv, self.rewrite = original.dconv, Convolution(original.rewrite, products)

    def forward(self, x: Tensor, inject: Tensor | None = None) -> Tensor:  # (B, C, Fr, T)
        batch, _, frequencies, width = x.shape
        rows = (frequencies + 2 * self._pad - 2 * self._stride) // self._stride + 1
        out = x.new_empty(batch, len(self.conv.weight), rows, width)
        step = max(1, CACHED_VALUES // (2 * out.shape[1] * width))
        for sample in range(batch):
            for start in range(0, rows, step):
                stop = min(rows, start + step)
                first, last = self._stride * start - self._pad, self._stride * (stop + 1) - self._pad
                heard = self.conv(_rows(x[sample : sample + 1], first, last))  # (1, C', rows, T)
                if inject is not None:
                    heard = heard + inject[sample : sample + 1].unsqueeze(2)
                heard = functional.gelu(heard)
                if self.dconv is not None:
                    self.dconv.write(heard, heard)
                out[sample : sample + 1, :, start:stop] = functional.glu(self.rewrite(heard), 1)
        return out


class _BandDecoder(Banded):
    """A decoder layer of the frequency branch; the rows of its transposed convolution are made in order."""

    def __init__(self, original: HDecLayer, products: torch.dtype) -> None:
        super().__init__()
        self._pad, self._halo = original.pad, original.rewrite.kernel_size[0] // 2
        self.dconv, self.rewrite = original.dconv, Convolution(original.rewrite, products)
        self.conv_tr = Transposed(original.conv_tr, products, "none" if original.last else "gelu")

    def forward(self, x: Tensor, skip: Tensor, length: int) -> tuple[Tensor, None]:  # (B, C, Fr, T)
        batch, channels, rows, width = x.shape
        out = x.new_empty(batch, self.conv_tr.out_channels, rows + 1, self.conv_tr.stride, width)
        step = max(1, CACHED_VALUES // (2 * channels * width))
        band = x.new_zeros(1, channels, min(step, rows) + 1, width)
        for sample in range(batch):
            band[:, :, :1] = 0
            for start in range(0, rows, step):
                stop = min(rows, start + step)
                made = band[:, :, 1 : stop - start + 1]
                self._rewrite(x[sample : sample + 1], skip[sample : sample + 1], start, stop, made)
                out[sample, :, start:stop] = self.conv_tr(band[:, :, : stop - start + 1])[0].transpose(1, 2)
                band[:, :, :1] = made[:, :, -1:]
            band[:, :, 1:2] = 0
            out[sample, :, rows:] = self.conv_tr(band[:, :, :2])[0].transpose(1, 2)
        return out.flatten(2, 3)[:, :, self._pad : -self._pad], None

    def _rewrite(self, x: Tensor, skip: Tensor, start: int, stop: int, out: Tensor) -> None:  # (1, C, rows, T)
        first, last = start - self._halo, stop + self._halo
        made = functional.glu(self.rewrite(_rows(x, first, last) + _rows(skip, first, last)), 1)
        if self.dconv is None:
            out.copy_(made)
        else:
            self.dconv.write(made.float(), out)


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
        self.conv = Convolution(original.conv, products, "gelu")
        self.dconv, self.rewrite = original.dconv, Convolution(original.rewrite, products)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, T)
        x = functional.pad(x, (0, -x.shape[2] % self._stride))
        made = self.conv(x.unsqueeze(2)).squeeze(2).float()
        if self.dconv is not None:
            made = self.dconv(made)
        return _gated(self.rewrite, made)


class _TimeDecoder(Banded):
    """A decoder layer of the time branch."""

    def __init__(self, original: HDecLayer, products: torch.dtype) -> None:
        super().__init__()
        self._pad, self._halo = original.pad, original.rewrite.padding[0]
        self.dconv, self.rewrite = original.dconv, Convolution(original.rewrite, products, padded=False)
        self.conv_tr = Transposed(original.conv_tr, products, "none" if original.last else "gelu")

    def forward(self, x: Tensor, skip: Tensor, length: int) -> tuple[Tensor, None]:  # (B, C, T)
        made = _gated(self.rewrite, functional.pad(x + skip, (self._halo, self._halo)), 2 * self._halo)
        if self.dconv is not None:
            made = self.dconv(made)
        padded = functional.pad(made, (1, 1)).unsqueeze(2)  # (B, C, 1, T + 2)
        batch, channels, frames = made.shape
        stride = self.conv_tr.stride
        out = made.new_empty(batch, self.conv_tr.out_channels, frames + 1, stride)
        width = max(1, CACHED_VALUES // (2 * channels))
        for sample in range(batch):
            for start in range(0, frames + 1, width):
                part = self.conv_tr(padded[sample : sample + 1, ..., start : start + width + 1])  # (1, O, stride, 1, t)
                out[sample, :, start : start + width] = part[0, :, :, 0].transpose(1, 2)
        return out.flatten(2)[..., self._pad : self._pad + length], None


def _gated(convolution: Convolution, x: Tensor, less: int = 0) -> Tensor:
    """Return a convolution's gated result, (B, C, T - less) float32, a stretch of time at a time."""
    out = x.new_empty(len(x), len(convolution.weight) // 2, x.shape[2] - less)
    width = max(1, CACHED_VALUES // len(convolution.weight))
    for sample in range(len(x)):
        for start in range(0, out.shape[2], width):
            part = convolution(x[sample : sample + 1, :, None, start : start + width + less]).squeeze(2)
            out[sample : sample + 1, :, start : start + width] = functional.glu(part, 1)
    return out
