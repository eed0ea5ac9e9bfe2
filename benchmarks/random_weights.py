"""Write models of the published architectures with seeded random weights, for parity and speed without a download.

    python benchmarks/random_weights.py htdemucs /tmp/models      ->  /tmp/models/htdemucs/
    stem-bridge process song.wav -m /tmp/models/htdemucs

A random network costs exactly what a trained one costs; what it separates is noise.
"""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
import yaml
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file

FOUR = ["drums", "bass", "other", "vocals"]
SIX = [*FOUR, "guitar", "piano"]
_HT: dict[str, Any] = {"dconv_mode": 3, "segment": Fraction(39, 5)}

ARCHITECTURES: dict[str, tuple[type[torch.nn.Module], dict[str, Any], int, dict[str, Any]]] = {
    "htdemucs": (HTDemucs, {"sources": FOUR, "bottom_channels": 512, **_HT}, 1, {}),
    "htdemucs_ft": (
        HTDemucs,
        {"sources": FOUR, "bottom_channels": 512, **_HT},
        4,
        {"weights": [[float(row == column) for column in range(4)] for row in range(4)]},
    ),
    "htdemucs_6s": (HTDemucs, {"sources": SIX, **_HT}, 1, {}),
    "hdemucs_mmi": (HDemucs, {"sources": FOUR, "segment": 44}, 1, {"segment": 44}),
    "mdx_extra": (HDemucs, {"sources": FOUR, "segment": 44}, 4, {"segment": 44}),
}
"""Class, arguments, members of the bag, and what the bag's YAML file says besides."""


def encoded(value: Any) -> Any:
    """Write constructor arguments as the hub's JSON; fractions keep their exact value."""
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    return value


def save_member(member: torch.nn.Module, klass: type, kwargs: dict[str, Any], path: Path) -> None:
    """Write one network in the hub's safetensors format, half precision like the published ones."""
    tensors = {name: tensor.half().contiguous() for name, tensor in member.state_dict().items()}
    metadata = {
        "klass": f"{klass.__module__}.{klass.__qualname__}",
        "args": "[]",
        "kwargs": json.dumps({key: encoded(value) for key, value in kwargs.items()}),
    }
    save_file(tensors, path, metadata=metadata)


def write_model(name: str, folder: Path, *, seed: int = 0, **overrides: Any) -> Path:
    """Write the model `name` into `folder/name`; `overrides` change constructor arguments (smaller networks)."""
    klass, kwargs, members, bag = ARCHITECTURES[name]
    arguments = {**kwargs, **overrides}
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    signatures = []
    for number in range(members):
        torch.manual_seed(seed + number)
        signatures.append(f"random{seed + number:02d}")
        save_member(klass(**arguments), klass, arguments, target / f"{signatures[-1]}.safetensors")
    if "segment" in bag and "segment" in overrides:
        bag = {**bag, "segment": float(overrides["segment"])}
    (target / f"{name}.yaml").write_text(yaml.safe_dump({"models": signatures, **bag}), encoding="utf-8")
    return target


def main() -> None:
    """Write the models named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(ARCHITECTURES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(write_model(given.name, given.folder, seed=given.seed))


if __name__ == "__main__":
    main()
