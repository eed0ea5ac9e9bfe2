"""The separator of the product: a render of any rate and channel count through a Demucs network and back."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from bridge.audio.read import Scan, Sound
from bridge.audio.resample import resample, resampled_frames
from bridge.domain.job import SeparationOptions
from bridge.domain.stems import FloatArray
from bridge.models.registry import Model
from bridge.models.weights import checksums, locate
from bridge.separation.device import choose_device, describe_device
from bridge.separation.engine import estimate_stream, find_normaliser
from bridge.separation.layout import plan_layout
from bridge.separation.network import Network

__all__ = ["DemucsSeparator"]

_BLOCK_FRAMES = 65536
_LARGEST_SHIFT_SECONDS = 0.5
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
        threads: int = 0,
        exact_tail: bool = False,
        folders: Sequence[Path] = (),
    ) -> None:
        torch.set_num_threads(threads or _ALL_THREADS)
        # Fused attention kernels beat the fast path of nn.MultiheadAttention by about 8 % of a forward here.
        torch.backends.mha.set_fastpath_enabled(False)
        # IEEE float32 everywhere: TF32 would cost the parity with Demucs.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        # The same bits on every run: cuDNN takes neither the kernel that a trial found fastest nor one that adds
        # in changing order.
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        self.model = model
        self._exact_tail = exact_tail
        signatures = (member.signature for member in model.members)
        self._members = tuple(zip(signatures, checksums(model, folders), strict=True))
        self._network = Network(model, locate(model, folders), choose_device(device))

    @property
    def stems(self) -> tuple[str, ...]:
        """Every stem of the model, in its order."""
        return self.model.stems

    @property
    def device(self) -> str:
        """The device in words."""
        return describe_device(self._network.device)

    @property
    def members(self) -> tuple[tuple[str, str], ...]:
        """Signature and SHA-256 of every weight file."""
        return self._members

    def estimates(
        self, mix: Sound, scan: Scan, wanted: Sequence[str], options: SeparationOptions
    ) -> Iterator[FloatArray]:
        """Yield raw estimates at the render's rate; see `Separator.estimates`.

        The network hears the render at its own rate; what lies above that rate's half stays out of every estimate.
        """
        source, rate = mix.format, self.model.sample_rate
        length = resampled_frames(source.frames, source.sample_rate, rate)
        forward = self._network.bind(wanted)
        heard = estimate_stream(
            resample(mix.blocks(_BLOCK_FRAMES), source.sample_rate, rate, frames=source.frames),
            forward,
            rows=len(wanted),
            length=length,
            channels=source.channels,
            layout=plan_layout(source.channels, source.channel_mask),
            grid=self._network.grid(options.overlap, exact_tail=self._exact_tail),
            normaliser=find_normaliser(scan.mean, scan.std, scan.levels.peak),
            leads_frames=_leads(options.shifts, scan.audio_key, rate),
            batch=options.batch,
        )
        if rate == source.sample_rate:
            yield from heard
            return
        flat = (block.reshape(-1, block.shape[2]) for block in heard)  # (R * C, T)
        back = resample(flat, rate, source.sample_rate, frames=length, target_frames=source.frames)
        for block in back:
            yield np.ascontiguousarray(block.reshape(len(wanted), source.channels, -1))  # (R, C, T)


def _leads(shifts: int, audio_key: str, sample_rate: int) -> tuple[int, ...]:
    """Draw the delays of the shift trick from the audio itself: the same render always gets the same ones."""
    draw = random.Random(audio_key)
    return tuple(draw.randint(0, int(_LARGEST_SHIFT_SECONDS * sample_rate)) for _ in range(shifts)) or (0,)
