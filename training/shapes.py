"""Which shape of the network learns most in the same time? Short runs, each with the same CPU seconds.

    python -m training.shapes POOL [--minutes 10] [--songs 6] [--shape NAME ...] [--cache out/heldout]

Every shape starts from nothing, hears the same pool with the same seed, and stops after the same CPU time of its
process (loading examples included); then its averaged weights meet held-out songs as in `training.heldout`. Short
runs favour small networks, and one run of one seed has some tenths of a dB of noise: less than half a dB says nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from bridge.evaluate import score
from training.heldout import made_by, song, summary
from training.train import Training, network

SHAPES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "complex spectra": {"cac": True, "wiener_iters": 0, "end_iters": 0},
    "narrower, transformer of three": {"channels": 16, "t_layers": 3},
    "no transformer": {"t_layers": 0},
    "one residual convolution": {"dconv_depth": 1},
}
"""Name to what differs from the network of the bundled model."""
LIMIT_MB = 8.0
RATE_OF_LEARNING = 8e-4


def main() -> None:
    """Train and measure one shape after the other; print a row for each."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pool", type=Path)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--songs", type=int, default=6)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--shape", choices=list(SHAPES), nargs="+", default=list(SHAPES))
    options.add_argument("--cache", type=Path, default=Path("out/heldout"))
    given = options.parse_args()
    torch.set_num_threads(1)
    songs = [song(given.cache, number, given.seconds) for number in range(given.songs)]
    print("| shape | parameters | half precision | steps | drums | bass | other | vocals | mean SDR, dB |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in given.shape:
        torch.manual_seed(0)
        model = network(**SHAPES[name])
        count = sum(one.numel() for one in model.parameters())
        megabytes = 2 * count / 1e6
        if megabytes > LIMIT_MB:
            print(f"| {name} | {count / 1e6:.2f} M | {megabytes:.1f} MB: too large |", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = Training(
                given.pool,
                Path(folder) / "run.pt",
                None,
                given.minutes / 60,
                RATE_OF_LEARNING,
                None,
                model,
                time.process_time,
            )
            run.run()
        sdr = summary([score(one, made_by(run.average, sum(one.values()))) for one in songs])["mean_sdr_db"]
        values = [float(str(value)) for value in sdr.values()]
        columns = " | ".join(f"{value:.2f}" for value in (*values, fmean(values)))
        print(f"| {name} | {count / 1e6:.2f} M | {megabytes:.1f} MB | {run.step} | {columns} |", flush=True)


if __name__ == "__main__":
    main()
