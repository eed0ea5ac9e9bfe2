"""The transformer across both branches of HTDemucs, with the positions of its inputs made once for each shape.

Demucs (`demucs.transformer.CrossTransformerEncoder`) makes them on the CPU and sends them to the device at every call,
which an accelerator waits for.
"""

from __future__ import annotations

from typing import Any

from demucs.transformer import create_2d_sin_embedding, create_sin_embedding
from torch import Tensor, nn

__all__ = ["cross_without_waiting"]


def cross_without_waiting(member: nn.Module) -> None:
    """Let a network keep the positions of its transformer; nothing is done where they are learnt, drawn or absent."""
    crossing: Any = getattr(member, "crosstransformer", None)
    if crossing is not None and crossing.emb == "sin" and crossing.sin_random_shift == 0:
        member.crosstransformer = _Crossing(crossing)


class _Crossing(nn.Module):
    """The layers of a transformer from (B, C, Fr, T) and (B, C, T') to the same shapes."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.norm_in, self.norm_in_t = original.norm_in, original.norm_in_t
        self.layers, self.layers_t = original.layers, original.layers_t
        self._parity = original.classic_parity
        self._period, self._weight = original.max_period, original.weight_pos_embed
        self._made: tuple[object, Tensor, Tensor] | None = None

    def forward(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        places, places_t = self._positions(x, xt)
        shape = x.shape
        x = self.norm_in(x.permute(0, 3, 2, 1).flatten(1, 2)) + places  # (B, T * Fr, C)
        xt = self.norm_in_t(xt.transpose(1, 2)) + places_t  # (B, T', C)
        for number, (layer, layer_t) in enumerate(zip(self.layers, self.layers_t, strict=True)):
            if number % 2 == self._parity:
                x, xt = layer(x), layer_t(xt)
            else:
                x, xt = layer(x, xt), layer_t(xt, x)
        x = x.reshape(shape[0], shape[3], shape[2], shape[1]).permute(0, 3, 2, 1)
        return x, xt.transpose(1, 2)

    def _positions(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        key = (x.device, x.shape[1:], xt.shape[2])
        if self._made is None or self._made[0] != key:
            _, channels, rows, columns = x.shape
            plane = create_2d_sin_embedding(channels, rows, columns, x.device, self._period)  # (1, C, Fr, T)
            line = create_sin_embedding(xt.shape[2], channels, 0, x.device, self._period)  # (T', 1, C)
            plane = plane.permute(0, 3, 2, 1).flatten(1, 2)
            self._made = (key, self._weight * plane, self._weight * line.transpose(0, 1))
        return self._made[1], self._made[2]
