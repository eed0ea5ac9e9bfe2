"""Other tools that run the same network, each in an environment of its own that sees this one's torch.

python benchmarks/peers.py NETWORKS MODEL_FOLDER TARGET        (run by `make_repository`, inside that environment)
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
    """A tool that runs weights of one's own."""

    name: str
    package: str
    """What is run with -m."""
    networks: str
    """What holds its networks."""
    requirements: tuple[str, ...] = ()
    """What pip installs, all of it; none = it is in this environment."""
    cases: tuple[str, ...] = ()
    """What it is measured in, none = everything: tools that run demucs' own forward take its time there too."""


AUDIO_SEPARATOR = "audio_separator.utils.cli"

PEERS = (
    Peer("demucs 4.1.0", "demucs", "demucs"),
    Peer("demucs-infer 4.4.0", "demucs_infer", "demucs_infer", ("demucs-infer==4.4.0",), ("htdemucs", "htdemucs_6s")),
    Peer(
        "audio-separator 0.47.1",
        AUDIO_SEPARATOR,
        "audio_separator.separator.uvr_lib_v5.demucs",
        (
            *(
                "audio-separator==0.47.1",
                "beartype==0.18.5",
                "samplerate==0.1.0",
                "librosa",
                "audioread",
                "lazy_loader",
            ),
            *("joblib", "scikit-learn", "threadpoolctl", "msgpack", "decorator", "numba", "llvmlite", "pooch", "scipy"),
            *("pydub", "ml_collections", "rotary-embedding-torch", "onnxruntime", "diffq", "six", "onnx", "resampy"),
            *("onnx2torch-py313", "protobuf", "flatbuffers", "absl-py", "requests", "urllib3", "charset_normalizer"),
            *("idna", "certifi", "cloudpickle"),
        ),
        ("htdemucs",),
    ),
)
NOT_MEASURED = {
    "demucs-onnx 0.3.4": "runs the graphs of its hub; to make one of other weights it wants torch 2.4 and demucs 4.0.1",
}
"""Tools of the same kind, and why they are not in the table."""


_KINDS = (
    "vr_download",
    "mdx_download",
    "mdx_download_vip",
    "mdx23c_download",
    "mdx23c_download_vip",
    "roformer_download",
)


def install(peer: Peer, folder: Path) -> Path | None:
    """Return the interpreter that runs a peer; None when pip cannot install it."""
    if not peer.requirements:
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
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", purelib, *peer.requirements]
    return interpreter if subprocess.run(pip, check=False, capture_output=True).returncode == 0 else None


def make_repository(interpreter: Path, peer: Peer, model: Path, target: Path) -> None:
    """Write a folder of weights for a peer, as pickles of its own class."""
    subprocess.run([interpreter, __file__, peer.networks, model, target], check=True, cwd=Path(__file__).parent.parent)
    if peer.package == AUDIO_SEPARATOR:
        # It looks for a model in this list, which it else fetches from GitHub.
        files = {path.name: path.name for path in target.iterdir()}
        lists = {f"{kind}_list": dict[str, str]() for kind in _KINDS}
        (target / "download_checks.json").write_text(
            json.dumps({**lists, "demucs_download_list": {f"Demucs v4: {model.name}": files}}), encoding="utf-8"
        )


def _write(networks: str, model: Path, target: Path) -> None:
    import torch
    from safetensors import safe_open

    target.mkdir(parents=True)
    for weights in sorted(model.glob("*.safetensors")):
        with safe_open(weights, framework="pt") as file:
            facts = file.metadata()
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        kwargs: dict[str, Any] = {name: _decoded(value) for name, value in json.loads(facts["kwargs"]).items()}
        module, _, name = facts["klass"].rpartition(".")
        klass = getattr(importlib.import_module(module.replace("demucs", networks, 1)), name)
        torch.save({"klass": klass, "args": (), "kwargs": kwargs, "state": state}, target / f"{weights.stem}.th")
    for bag in model.glob("*.yaml"):
        (target / bag.name).write_bytes(bag.read_bytes())


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and value.get("_type") == "fraction":
        return Fraction(value["numerator"], value["denominator"])
    return value


if __name__ == "__main__":
    _write(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
