"""The demucs networks behind one call: loads the members that are needed, runs them, mixes a bag's estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode

from bridge.domain.stems import FloatArray
from bridge.errors import ModelError
from bridge.models.config import MemberConfig, read_member
from bridge.models.registry import Model
from bridge.separation.buckets import Gauge, try_one
from bridge.separation.crossing import cross_without_waiting
from bridge.separation.device import Precision, device_errors, exact_products
from bridge.separation.ferry import Ferry
from bridge.separation.forward import lower, narrow, quicken
from bridge.separation.ladder import Ladder
from bridge.separation.lanes import Lanes, lanes_of
from bridge.separation.overlap import Grid

__all__ = ["Network", "build_member"]

_CLASSES: dict[str, type[torch.nn.Module]] = {
    "demucs.htdemucs.HTDemucs": HTDemucs,
    "demucs.hdemucs.HDemucs": HDemucs,
}
_TRANSFORMERS = {"demucs.htdemucs.HTDemucs"}
"""Networks that only run at their training length."""

_INITIAL_ONLY = {"rescale": 0, "emb_smooth": False}
"""Arguments that only shape initial weights, at a cost."""

_Share = tuple[Callable[[torch.Tensor], torch.Tensor], dict[int, float]]
"""A member narrowed to the stems it has a say in, and the weight of each by its place in the result."""


class _NoInitialWeights(TorchFunctionMode):
    """Spares new networks their random weights while inside: drawing them takes longer than loading the real ones."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.__name__.endswith(("uniform_", "normal_")):
            return None
        return func(*args, **(kwargs or {}))


def build_member(config: MemberConfig, tensors: dict[str, torch.Tensor], path: Path) -> torch.nn.Module:
    """Build one network from its stored arguments and weights; raises ModelError when they do not fit together."""
    try:
        with _NoInitialWeights():
            member = _CLASSES[config.klass](*config.args, **{**config.kwargs, **_INITIAL_ONLY})
        member.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    except (KeyError, TypeError, ValueError, AssertionError, RuntimeError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise ModelError(
            f"The weights in {path.name} do not fit their network: {reason.rstrip('.')}.",
            hint="Fetch them again with: stem-bridge models pull",
            path=path,
        ) from exc
    cross_without_waiting(member)
    return member.eval()


class Network:
    """A single model or a bag on one device; members are loaded when first needed and stay."""

    version = 3
    """Goes up when the same weights give other estimates than before, by more than rounding."""
    backend = "torch"

    def __init__(
        self,
        model: Model,
        paths: Sequence[Path],
        device: torch.device,
        precision: Precision = "float32",
        threads: int = 1,
    ) -> None:
        """Take the precision of products, float32 or bfloat16; only networks with a transformer know the latter.

        They also are the ones that share CPU `threads` window by window: without, a window takes much more memory.
        """
        self.model = model
        self.device = self.asked = device
        """Where it is now, and where it was asked to be."""
        self.left: str | None = None
        """Why the device is another than was asked for."""
        self._paths = tuple(paths)
        self._configs = tuple(read_member(path) for path in paths)
        self._members: dict[int, torch.nn.Module] = {}
        self._segment_frames = self._agree_on_segment()
        attends = all(config.klass in _TRANSFORMERS for config in self._configs)
        self.precision: Precision = precision if attends else "float32"
        lanes = lanes_of(threads) if attends and device.type == "cpu" else 1
        self._lanes = Lanes(lanes, threads) if lanes > 1 else None

    def _agree_on_segment(self) -> int:
        lengths = set()
        for config in self._configs:
            seconds: Any = config.segment
            override = self.model.segment_seconds
            if override is not None and (config.klass not in _TRANSFORMERS or override <= seconds):
                seconds = override
            lengths.add(int(self.model.sample_rate * Fraction(seconds)))
        if len(lengths) != 1:
            raise ModelError(
                f"The members of {self.model.name} have different segment lengths.",
                hint="Give the bag one 'segment' in its YAML file.",
            )
        return lengths.pop()

    def grid(self, overlap: float, *, exact_tail: bool = False) -> Grid:
        """Return where segments lie for an overlap in 0..0.95."""
        stride = max(1, int((1 - overlap) * self._segment_frames))
        pads = any(config.klass in _TRANSFORMERS for config in self._configs)
        return Grid(self._segment_frames, stride, pads, exact_tail)

    def bind(self, wanted: Sequence[str], *, batch: int = 1, gauge: Gauge | None = None) -> Ladder:
        """Return the forward that gives `wanted` stems; only members that have a say in one of them run.

        It takes `batch` windows at a time at the most; 0: as many as the gauge finds room for, or a CPU has lanes; 1
        leaves every thread to one window.
        A card without memory is left for the CPU until the next call, and `left` then says so.
        """
        if self.left is not None:
            self.left, self.device = None, self.asked
            self._members.clear()

        def on_cpu() -> _Bound:
            self.left, self.device = f"{self.device} ran out of memory", torch.device("cpu")
            self._members.clear()
            return self._bound(wanted)

        forward = self._bound(wanted, None if batch == 1 else self._lanes)
        if not batch and self._lanes is not None:
            batch = self._lanes.count
        elif not batch and gauge is not None:
            batch = try_one(lambda: forward(np.zeros((1, 2, self._segment_frames), np.float32)), gauge)
        return Ladder(forward, None if self.device.type == "cpu" else on_cpu, batch or 1)

    def _bound(self, wanted: Sequence[str], lanes: Lanes | None = None) -> _Bound:
        rows = [self.model.stems.index(stem) for stem in wanted]
        totals = [sum(weights[row] for weights in self.model.weights) for row in rows]
        shares: list[_Share] = []
        for index, weights in enumerate(self.model.weights):
            part = {place: weights[row] / totals[place] for place, row in enumerate(rows) if weights[row]}
            if part:
                shares.append((narrow(self._member(index), [rows[place] for place in part]), part))
        return _Bound(shares, len(rows), self.device, lanes)

    def _member(self, index: int) -> torch.nn.Module:
        if index not in self._members:
            path = self._paths[index]
            try:
                tensors = load_file(path)
            except (OSError, SafetensorError) as exc:
                raise ModelError(
                    f"The weights {path.name} cannot be read: {str(exc).rstrip('.')}.",
                    hint="Check them with: stem-bridge models verify",
                    path=path,
                ) from exc
            member = build_member(self._configs[index], tensors, path)
            if self.device.type == "cpu":
                quicken(member, getattr(torch, self.precision))
            elif self.precision == "bfloat16":
                lower(member)
            with device_errors(self.device):
                self._members[index] = member.to(self.device)
        return self._members[index]


class _Bound:
    """The forward of a network for a fixed list of stems."""

    def __init__(self, shares: Sequence[_Share], rows: int, device: torch.device, lanes: Lanes | None = None) -> None:
        self._shares = shares
        self._rows = rows
        self._device = device
        self._lanes = lanes
        self._ferry = Ferry(device)

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Turn windows (B, 2, T) into estimates (B, R, 2, T); raises DeviceError when the device fails."""
        # An accelerator computes later than it is asked: its errors come when the result is fetched.
        with exact_products(), device_errors(self._device):
            return self._computed(windows) if self._lanes is None else self._lanes.run(self._computed, windows)

    def _computed(self, windows: FloatArray) -> FloatArray:
        # Fading stems reach denormal numbers, which cost some processors a hundredfold; elsewhere they must stay.
        torch.set_flush_denormal(True)
        try:
            with torch.inference_mode():
                return self._ferry.back(self._forward(self._ferry.over(windows)))
        finally:
            torch.set_flush_denormal(False)

    def _forward(self, windows: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(windows.shape[0], self._rows, *windows.shape[1:], device=self._device)
        for forward, part in self._shares:
            estimates = forward(windows)  # (B, stems of this member, 2, T)
            for (place, weight), estimate in zip(part.items(), estimates.unbind(1), strict=True):
                total[:, place] += weight * estimate  # (B, 2, T)
        return total
