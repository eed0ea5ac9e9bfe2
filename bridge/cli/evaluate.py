"""`stem-bridge evaluate`: how good separated stems are, where the true ones are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli import options, output

__all__ = ["evaluate"]


def evaluate(
    estimates: Annotated[
        Path, typer.Argument(metavar="ESTIMATES", parser=options.path, help="A drop, or a folder with one file a stem.")
    ],
    references: Annotated[
        Path, typer.Argument(metavar="REFERENCES", parser=options.path, help="A folder with the true stems.")
    ],
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Score stems against the true ones.

    Prints the SDR of every stem in dB, and how loud each true stem sounds in it.
    """
    from bridge.evaluate import evaluate_folders

    scores = evaluate_folders(estimates, references)
    if json:
        for stem, measures in scores.items():
            output.event("score", stem=stem, **measures)
        return
    gains = [name for name in next(iter(scores.values())) if name != "sdr_db"]
    heads = ["stem", "SDR dB", *(f"{name.removesuffix('_gain_db')} in it, dB" for name in gains)]
    rows = [[stem, *(f"{measures[name]:.1f}" for name in ("sdr_db", *gains))] for stem, measures in scores.items()]
    output.table([heads, *rows])
