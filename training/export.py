"""Write the averaged weights of a checkpoint as the package ships them: safetensors, half precision.

python -m training.export CHECKPOINT OUT.safetensors
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from training.train import NETWORK, SEGMENT


def export(checkpoint: Path, out: Path) -> None:
    """Write `out` in the format of demucs' hub: the network's class and arguments travel in the metadata."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    segment = {"_type": "fraction", "numerator": SEGMENT.numerator, "denominator": SEGMENT.denominator}
    kwargs = {**NETWORK, "segment": segment}
    halves = {name: value.half().contiguous() for name, value in kept["average"].items()}
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(kwargs)}
    save_file(halves, out, metadata=metadata)


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
