"""The separator of the product: a render of any rate and channel count through a Demucs network and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch

from bridge.audio.read import Scan, Sound
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.models.registry import Model
from bridge.models.weights import checksums, locate
from bridge.separation.buckets import gauge_of
from bridge.separation.device import choose_device, choose_precision, describe_device, give_back
from bridge.separation.ladder import Ladder
from bridge.separation.network import Network
from bridge.separation.store import Store
from bridge.separation.stream import Listener, stream_estimates

__all__ = ["DemucsSeparator"]

_ALL_THREADS = torch.get_num_threads()
"""What torch takes by itself (OMP_NUM_THREADS, else the cores); kept, since a job may ask for fewer."""


class DemucsSeparator:
    """A model on a device, loaded once and used for many renders. Keeps nothing of a render between calls.

    `threads` (0 = all cores) is a setting of torch: in one process, that of the separator made last counts.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "float32",
        threads: int = 0,
        exact_tail: bool = False,
        folders: Sequence[Path] = (),
    ) -> None:
        threads = threads or _ALL_THREADS
        torch.set_num_threads(threads)
        # Fused attention kernels beat the fast path of nn.MultiheadAttention by about 8 % of a forward here.
        torch.backends.mha.set_fastpath_enabled(False)
        # The same bits on every run: cuDNN takes neither the kernel that a trial found fastest nor one that adds
        # in changing order.
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        self.model = model
        self._exact_tail = exact_tail
        signatures = (member.signature for member in model.members)
        self._members = tuple(zip(signatures, checksums(model, folders), strict=True))
        processor = choose_device(device)
        if processor.type == "cuda":
            # What else asks for a card, such as page-locked memory, then asks for this one.
            torch.cuda.set_device(processor)
        self._ladder: Ladder | None = None
        precision = choose_precision(precision, processor)
        self._network = Network(model, locate(model, folders), processor, precision, threads)

    @property
    def stems(self) -> tuple[str, ...]:
        """Every stem of the model, in its order."""
        return self.model.stems

    @property
    def device(self) -> str:
        """The device in words."""
        named, left = describe_device(self._network.device), self._network.left
        return named if left is None else f"{named} ({left})"

    @property
    def left(self) -> str | None:
        """Why the device is another than the one it began on; None = it is not."""
        return self._network.left

    @property
    def batch(self) -> int:
        """Windows that the last render's forwards took at the most."""
        return 1 if self._ladder is None else self._ladder.most

    @property
    def precision(self) -> Literal["float32", "bfloat16"]:
        """Precision of the network's products, float32 or bfloat16."""
        return self._network.precision

    @property
    def members(self) -> tuple[tuple[str, str], ...]:
        """Signature and SHA-256 of every weight file."""
        return self._members

    def estimates(
        self,
        mix: Sound,
        scan: Scan,
        wanted: Sequence[str],
        options: SeparationOptions,
        store: Store | None = None,
    ) -> Iterator[FloatArray]:
        """Yield raw estimates at the render's rate; see `Separator.estimates` and `stream_estimates`."""

        def rows() -> tuple[str, ...]:
            return tuple(self._fingerprint(stem) for stem in wanted)

        gauge = gauge_of(self._network.asked, options.gpu_memory_gb)
        self._ladder = ladder = self._network.bind(wanted, batch=options.batch, gauge=gauge)
        listener = Listener(
            ladder,
            rows(),
            self._network.grid(options.overlap, exact_tail=self._exact_tail),
            self.model.sample_rate,
            beside=self._network.device.type != "cpu",
            rows_now=rows,
            batch=lambda: ladder.most,
        )
        try:
            yield from stream_estimates(listener, mix, scan, options, store)
        finally:
            give_back()

    def _fingerprint(self, stem: str) -> str:
        """Name all that decides a stem's estimate of a window: weights, shares in a bag, processor, arithmetic."""
        row = self.model.stems.index(stem)
        shares = [
            (sha256, weights[row])
            for (_, sha256), weights in zip(self._members, self.model.weights, strict=True)
            if weights[row]
        ]
        network = self._network
        return json.dumps([network.version, network.backend, network.precision, network.device.type, row, shares])
