"""Train the bundled model, and go on where an earlier run stopped.

    python -m training.train POOL CHECKPOINT [--hours 4] [--weights WEIGHTS.safetensors]

    torchrun --nproc-per-node 2 -m training.train POOL CHECKPOINT --bfloat16

Runs on a GPU when torch finds one, else on the CPU; torchrun starts several processes that learn together, one for
each GPU or each core (two processes of one thread are faster than one of two threads). The checkpoint is written
every three minutes: it holds the averaged weights (EMA) that are exported, the raw ones, the optimiser, and what was
learned when (`history`). --hours counts all runs together and shapes the learning rate; a higher number later goes on
from there.

Short crops teach fast, full segments teach what the network will hear: the first three quarters of the time run on
1.6 s, the rest on 3.9 s. The loss is the mean over stems of the log of the squared error, which keeps quiet stems
alive where an L1 loss left them at zero, plus the same on spectral magnitudes; since the product makes `other` from
mix - the rest, that difference is a target too.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import random
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as together
from demucs.htdemucs import HTDemucs
from safetensors.torch import load_file

from training.pool import STEMS, Pool

RATE = 44100
SEGMENT = Fraction(39, 10)
NETWORK: dict[str, Any] = {
    "sources": list(STEMS), "samplerate": RATE, "channels": 24, "dconv_mode": 1, "bottom_channels": 0, "t_layers": 1,
    "t_heads": 4, "t_hidden_scale": 2.0, "t_layer_scale": False, "cac": False, "wiener_iters": -1, "end_iters": -1,
}  # fmt: skip
"""2.89 million parameters: 5.8 MB in half precision. The spectral branch knows magnitudes and leaves the phases to the
mix, as masks do; the other branch makes the waveform: with little computing it learns far sooner (README.md)."""
SHORT_SECONDS = 1.6
LONG_SHARE = 0.25
FLOOR = 1e-3
"""Squared error below which a stem is good enough; the mix has variance 1."""
WARM_UP_STEPS = 200
KEEP_SECONDS = 180.0
AHEAD = 2
"""Batches that are drawn while one is learned."""
OTHER = STEMS.index("other")


def network(**changes: Any) -> HTDemucs:
    """Build the network of the bundled model, or one that differs from it."""
    return HTDemucs(**{**NETWORK, "segment": SEGMENT, **changes})


def main() -> None:
    """Train until the hours are over."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pool", type=Path)
    options.add_argument("checkpoint", type=Path)
    options.add_argument("--hours", type=float, default=4.0)
    options.add_argument("--weights", type=Path, help="weights to begin with, when there is no checkpoint yet")
    options.add_argument("--rate", type=float, default=8e-4, help="highest learning rate")
    options.add_argument("--batch", type=int, help="examples a step; 2 on CPUs, 32 on each GPU")
    options.add_argument("--threads", type=int, default=1, help="CPU threads a process")
    options.add_argument("--bfloat16", action="store_true", help="faster on CPUs that know it; a GPU always does")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    if "RANK" in os.environ:  # torchrun's
        together.init_process_group()
    run = Training(
        given.pool,
        given.checkpoint,
        given.weights,
        given.hours,
        given.rate,
        given.batch,
        bfloat16=given.bfloat16,
    )
    run.run()
    if together.is_initialized():
        together.destroy_process_group()


class Training:
    """One run; everything that must survive it is in the checkpoint.

    Processes that learn together have the same weights, clock and learning rate, and draw other examples.
    """

    def __init__(
        self,
        pool: Path,
        checkpoint: Path,
        start: Path | None,
        hours: float,
        rate: float,
        batch: int | None,
        model: HTDemucs | None = None,
        clock: Callable[[], float] = time.monotonic,
        bfloat16: bool = False,
    ) -> None:
        self.rank = together.get_rank() if together.is_initialized() else 0
        self.ranks = together.get_world_size() if together.is_initialized() else 1
        on_gpu = torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if on_gpu else torch.device("cpu")
        self.bfloat16 = bfloat16 or on_gpu
        self.batch = max(1, (batch or (32 * self.ranks if on_gpu else 2)) // self.ranks)
        self.pool, self.checkpoint, self.rate = Pool(pool), checkpoint, rate
        self.total_seconds, self.clock = hours * 3600, clock
        self.model = model or network()
        if start is not None:
            self.model.load_state_dict({name: value.float() for name, value in load_file(start).items()})
        self.model.to(self.device)
        self.average = copy.deepcopy(self.model).eval()
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-4)
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, Any]] = []
        if checkpoint.exists():
            self._resume()
        self.forward: torch.nn.Module = self.model
        if self.ranks > 1:
            self.forward = torch.nn.parallel.DistributedDataParallel(self.model)

    def run(self) -> None:
        """Train until the time is over."""
        print(f"{len(self.pool.songs)} songs, step {self.step}, {self.seconds / 3600:.2f} h so far", flush=True)
        began, before = self.clock(), self.seconds
        kept, ratios = before, []
        with closing(self._examples()) as examples:
            while self.seconds < self.total_seconds:
                ratios.append(self._learn(next(examples)))
                self.seconds = self._agreed(before + self.clock() - began)
                if self.seconds - kept > KEEP_SECONDS or self.seconds >= self.total_seconds:
                    self._keep(torch.cat(ratios).nanmedian(0).values)
                    kept, ratios = self.seconds, []

    def _agreed(self, seconds: float) -> float:
        """Return the time of the process whose clock is ahead: all stop, and save, after the same step."""
        if self.ranks == 1:
            return seconds
        latest = torch.tensor(seconds, dtype=torch.float64, device=self.device)
        together.all_reduce(latest, together.ReduceOp.MAX)
        return float(latest)

    def _examples(self) -> Generator[torch.Tensor]:
        """Yield batches (B, 4, 2, T), drawn while the last one is learned."""
        rng = random.Random(f"{self.step}-{self.rank}")

        def drawn() -> torch.Tensor:
            is_long = self.seconds > (1 - LONG_SHARE) * self.total_seconds
            frames = int(RATE * (float(SEGMENT) if is_long else SHORT_SECONDS))
            count = max(1, self.batch // 2) if is_long else self.batch
            return torch.from_numpy(np.stack([self.pool.example(rng, frames) for _ in range(count)]))

        with ThreadPoolExecutor(1) as hand:
            coming = deque(hand.submit(drawn) for _ in range(AHEAD))
            while True:
                coming.append(hand.submit(drawn))
                yield coming.popleft().result().to(self.device)

    def _learn(self, stems: torch.Tensor) -> torch.Tensor:
        """Take one step; returns SDR per example and stem in dB, (B, 4), nan where a stem is silent."""
        share = min(1.0, self.seconds / self.total_seconds)
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        mix = stems.sum(1)  # (B, 2, T)
        scale = mix.std(dim=(1, 2), keepdim=True) + 1e-4
        mix, stems = mix / scale, stems / scale[:, None]
        self.forward.train()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            made = self.forward(mix)
        made = made.float()  # (B, 4, 2, T)
        rest = mix - made.sum(1) + made[:, OTHER]
        loss = self._loss(torch.cat([made, rest[:, None]], 1), torch.cat([stems, stems[:, OTHER, None]], 1))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self._average()
        self.step += 1
        with torch.no_grad():
            made[:, OTHER] = rest
            power = stems.square().sum((2, 3))
            error = (made - stems).square().sum((2, 3)) + 1e-6
            sounding = power > 1e-3 * stems.shape[-1]
            return torch.where(sounding, 10 * torch.log10(power / error), torch.nan).cpu()

    def _loss(self, made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Both (B, 5, 2, T): the four outputs, and mix - the rest against `other`."""
        weights = torch.tensor([1.0, 1.0, 0.3, 1.0, 1.0], device=made.device)
        wave = torch.log((made - true).square().mean((2, 3)) + FLOOR)  # (B, 5)
        window = torch.hann_window(2048, device=made.device)

        def magnitudes(sound: torch.Tensor) -> torch.Tensor:
            flat = sound.reshape(-1, sound.shape[-1])
            spectrum = torch.stft(flat, 2048, 1024, window=window, return_complex=True).abs() / 32
            return spectrum.reshape(*sound.shape[:3], *spectrum.shape[1:])

        shape = torch.log((magnitudes(made) - magnitudes(true)).square().mean((2, 3, 4)) + FLOOR)
        return ((wave + 0.3 * shape) * weights).mean()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(0.9995, (self.step + 1) / (self.step + 10))
        for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)

    def _keep(self, ratios: torch.Tensor) -> None:
        medians = {stem: round(float(value), 2) for stem, value in zip(STEMS, ratios, strict=True)}
        note = {"step": self.step, "hours": round(self.seconds / 3600, 3), "songs": self.pool.look(), **medians}
        self.history.append(note)
        if self.rank:
            return
        print(json.dumps(note), flush=True)
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "average": self.average.state_dict(),
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "history": self.history,
            },
            part,
        )
        part.replace(self.checkpoint)

    def _resume(self) -> None:
        kept = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.average.load_state_dict(kept["average"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.step, self.seconds, self.history = kept["step"], kept["seconds"], kept["history"]


if __name__ == "__main__":
    main()
