"""Demucs' old `.th` checkpoints turned into the hub's safetensors format.

The result says exactly what the hub's files say, so both take the same way afterwards.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.disk import rename
from bridge.errors import ModelError
from bridge.models.checkpoint import BROKEN, Checkpoint, Tensor
from bridge.models.checks import sha256_of
from bridge.models.config import MemberConfig, describe, encode, unreadable
from bridge.words import reason_of

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LEGACY_SHA256", "convert", "describe_old"]

LEGACY_SHA256: Mapping[str, str] = {
    "955717e8": "8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
    "f7e0c4bc": "ba3fe64ae8ef66ac9a4857222ce48efbdc5eb3ad375cb79dd13debee5aaa4066",
    "d12395a8": "e57c48e6b0e38af4f7118d7bd08c49f0a0c0edf7d09143bdd902ea0d237303e6",
    "92cfc3b6": "ef3bcb9c8b40d14ae5d51b6db2587339cc12c6b77c0be151ce6d69002e087bf2",
    "04573f0d": "f3cf25b222c4eed7cd49dd8b2c9597d50c18bd154090f7b919cfa5f93cf22c49",
    "5c90dfd2": "34c22ccb381c6f9fdbf324f04e1e2fe21aaaf293f5ded163a162697ff9a02ddd",
    "75fc33f5": "1941ce654b11df4132b9f4eae408556b4c83fad6fe26b4bc0dbcb36b975befb3",
    "e51eebcc": "c1b80bdd6de58274abf359e66822a76f49ce2b9f086fc5dc917ac14598e6bebf",
    "a1d90b5c": "ae9d245283bf24b552913ee233a1101dcd0aeaed59b1c0a2da0e1f6eda15101b",
    "5d2d6c55": "db83574e05b2308f76e2764819da673f2d16d437b9e619f5fcb72f275fc0e24f",
    "cfa93e08": "61801ae1567d606c97a9c3469e943ae306d0a873eeb60d623ae7cfc7042b3f68",
}
"""SHA-256 of the published `.th` files by signature. Their names carry the first eight digits (demucs' own
`remote/files.txt`, which a test compares); the rest is as independent public projects record it, all agreeing."""

_SAFE_DTYPES = {"f2": "F16", "f4": "F32", "f8": "F64", "u1": "U8", "i1": "I8", "b1": "BOOL"} | {
    "i2": "I16",
    "i4": "I32",
    "i8": "I64",
}


def describe_old(path: Path) -> MemberConfig:
    """Read which network a `.th` file belongs to, without its tensors; raises ModelError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _config(path, Checkpoint(archive))
    except OSError as exc:
        raise unreadable(path, exc) from exc
    except BROKEN as exc:
        raise _refusal(path, str(exc)) from exc


def convert(path_th: Path, out: Path, *, sha256: str | None) -> Path:
    """Write the weights of a `.th` file as safetensors with the hub's metadata, and return `out`.

    `sha256` is that of the whole `.th` file; None leaves only the eight digits in its name, if it has them, to check.
    Equal input gives equal bytes. Raises ModelError when the checksum differs, when the file is not a checkpoint of a
    Demucs network, or names anything else than such a checkpoint needs: then nothing of it has run.
    """
    try:
        _check_sum(path_th, sha256)
        with zipfile.ZipFile(path_th) as archive:
            checkpoint = Checkpoint(archive)
            config = _config(path_th, checkpoint)
            tensors = checkpoint.tensors()
            _check_total(tensors.values(), path_th.stat().st_size)
            metadata = {
                "args": json.dumps([encode(one) for one in config.args]),
                "klass": config.klass,
                "kwargs": json.dumps(encode(dict(config.kwargs))),
            }
            _write(out, metadata, {name: checkpoint.load(one) for name, one in tensors.items()})
    except OSError as exc:
        raise ModelError(
            f"Cannot convert {path_th.name}: {reason_of(exc)}.",
            hint=f"Check that it may be read, and {out.parent} written to.",
            path=path_th,
        ) from exc
    except BROKEN as exc:
        raise _refusal(path_th, str(exc)) from exc
    return out


def _check_sum(path: Path, sha256: str | None) -> None:
    short = path.stem.split("-")[1] if "-" in path.stem else ""
    expected = [sha256 or "", short if re.fullmatch(r"[0-9a-f]{8}", short) else ""]
    actual = sha256_of(path)
    if not all(actual.startswith(one) for one in expected):
        raise ModelError(
            f"The checksum of {path.name} is wrong: expected {max(expected, key=len)}, found {actual}.",
            hint="It is damaged or not the published one; get it again.",
            path=path,
        )


def _config(path: Path, checkpoint: Checkpoint) -> MemberConfig:
    return describe(path, checkpoint.klass, checkpoint.args, checkpoint.kwargs)


def _check_total(tensors: Iterable[Tensor], size: int) -> None:
    """Many tensors may name one storage; together they may not be much more than the file holds."""
    total = sum(math.prod(one.shape) * int(one.storage.dtype[-1]) for one in tensors)
    if total > 4 * size:
        raise ValueError("its tensors are larger than the file")


def _write(out: Path, metadata: Mapping[str, str], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write safetensors ourselves: the library orders metadata at random, and equal weights shall be equal bytes."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name, array in tensors.items():
        start, end = end, end + array.nbytes
        dtype = _SAFE_DTYPES[array.dtype.str[1:]]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=out.name, suffix=".new", delete=False) as file:
        try:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in tensors.values():
                file.write(array.tobytes())
        except BaseException:
            file.close()
            Path(file.name).unlink(missing_ok=True)
            raise
    rename(Path(file.name), out)


def _refusal(path: Path, reason: str) -> ModelError:
    reason = "".join(one if one.isprintable() else " " for one in reason[:200])
    return ModelError(
        f"The checkpoint {path.name} cannot be used: {reason or 'it is damaged'}.",
        hint="Only checkpoints of Demucs networks are read; nothing in the file was run.",
        path=path,
    )
