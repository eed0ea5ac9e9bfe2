"""Other tools that run the same network, each in an environment of its own that sees this one's torch.

python benchmarks/peers.py PACKAGE MODEL_FOLDER TARGET        (run by `make_repository`, inside that environment)
"""

from __future__ import annotations

import importlib
import json
import site
import subprocess
import sys
import venv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

__all__ = ["NOT_MEASURED", "PEERS", "Peer", "install", "make_repository"]


@dataclass(frozen=True)
class Peer:
    """A tool with the command line of demucs."""

    name: str
    package: str
    """What holds its networks; also what runs with -m."""
    requirement: str | None
    """What pip installs; None = it is in this environment."""


PEERS = (
    Peer("demucs 4.1.0", "demucs", None),
    Peer("demucs-infer 4.4.0", "demucs_infer", "demucs-infer==4.4.0"),
)
NOT_MEASURED = {
    "audio-separator 0.47.1": "fetches its list of models from GitHub before any file of the user's is opened",
    "demucs-onnx 0.3.4": "takes only graphs that its hub holds; weights of your own cannot be given to it",
}
"""Tools of the same kind, and why they are not in the table."""


def install(peer: Peer, folder: Path) -> Path | None:
    """Return the interpreter that runs a peer; None when pip cannot install it."""
    if peer.requirement is None:
        return Path(sys.executable)
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    interpreter = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    purelib = subprocess.run(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (Path(purelib) / "beside.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", purelib, peer.requirement]
    return interpreter if subprocess.run(pip, check=False, capture_output=True).returncode == 0 else None


def make_repository(interpreter: Path, peer: Peer, model: Path, target: Path) -> None:
    """Write a folder of weights for a peer, as pickles of its own class."""
    subprocess.run([interpreter, __file__, peer.package, model, target], check=True, cwd=Path(__file__).parent.parent)


def _write(package: str, model: Path, target: Path) -> None:
    import torch
    from safetensors import safe_open

    target.mkdir(parents=True)
    for weights in sorted(model.glob("*.safetensors")):
        with safe_open(weights, framework="pt") as file:
            facts = file.metadata()
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        kwargs: dict[str, Any] = {name: _decoded(value) for name, value in json.loads(facts["kwargs"]).items()}
        module, _, name = facts["klass"].rpartition(".")
        klass = getattr(importlib.import_module(module.replace("demucs", package, 1)), name)
        torch.save({"klass": klass, "args": (), "kwargs": kwargs, "state": state}, target / f"{weights.stem}.th")
    for bag in model.glob("*.yaml"):
        (target / bag.name).write_bytes(bag.read_bytes())


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and value.get("_type") == "fraction":
        return Fraction(value["numerator"], value["denominator"])
    return value


if __name__ == "__main__":
    _write(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
