"""The learning curve in a checkpoint, as a table for the card, and what more steps would give.

    python -m training.curve CHECKPOINT [--rows 10]

One row is the mean of a stretch of notes (`history`): SDR on the examples just trained on, in dB. They are short
random crops of the pool and no held-out songs, so the slope says more than the level; a jump three quarters through is
the change to longer crops. The last line fits SDR against the logarithm of the steps over the second half: the gain for
twice the steps, if the curve goes on as it did.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.pool import STEMS


def main() -> None:
    """Print the table and the fit."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("checkpoint", type=Path)
    options.add_argument("--rows", type=int, default=10)
    given = options.parse_args()
    history = torch.load(given.checkpoint, map_location="cpu", weights_only=True)["history"]
    print(table(history, given.rows))


def table(history: list[dict[str, Any]], rows: int) -> str:
    """Return the table, and below it the gain for twice the steps when there are notes enough for a fit."""
    lines = ["| step | hours | " + " | ".join(STEMS) + " | mean |", "|---" * (len(STEMS) + 3) + "|"]
    for part in np.array_split(np.arange(len(history)), min(rows, len(history))):
        notes = [history[index] for index in part]
        means = [float(np.nanmean([note[stem] for note in notes])) for stem in STEMS]
        columns = " | ".join(f"{value:.1f}" for value in (*means, float(np.mean(means))))
        lines.append(f"| {notes[-1]['step']} | {notes[-1]['hours']:.1f} | {columns} |")
    late = history[len(history) // 2 :]
    if len(late) >= 4:
        lines.append(f"\nTwice the steps: {gain_of_twice(late):+.1f} dB in the mean of the stems, by the second half.")
    return "\n".join(lines)


def gain_of_twice(history: list[dict[str, Any]]) -> float:
    """Fit the mean SDR of the stems against log2(step); return the slope in dB."""
    steps = np.log2([note["step"] for note in history])
    means = np.array([np.nanmean([note[stem] for stem in STEMS]) for note in history])
    return float(np.polyfit(steps, means, 1)[0])


if __name__ == "__main__":
    main()
