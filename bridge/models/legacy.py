"""Demucs' old `.th` checkpoints turned into the hub's safetensors format, without torch and without running anything.

A `.th` file is a zip of raw tensor storages and a pickle that describes them (PyTorch's serialization format). The
pickle is read by an unpickler that knows nine kinds of names and makes only inert values of them; any other name is
refused before it is looked up. The pickle's opcodes are checked first, since even a harmless program of them can ask
for endless memory. The result says exactly what the hub's files say, so both take the same way afterwards.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import pickletools
import re
import tempfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.errors import ModelError
from bridge.models.checks import sha256_of
from bridge.models.config import MemberConfig, describe, encode, unreadable

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

_MAX_PICKLE_BYTES = 8 * 1024 * 1024
_KLASSES = {
    "demucs.htdemucs HTDemucs": "demucs.htdemucs.HTDemucs",
    "demucs.hdemucs HDemucs": "demucs.hdemucs.HDemucs",
    "demucs.wdemucs WDemucs": "demucs.hdemucs.HDemucs",
}
_STORAGES = {
    "HalfStorage": "<f2",
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "BFloat16Storage": "<u2",
    "ByteStorage": "|u1",
    "CharStorage": "|i1",
    "BoolStorage": "|b1",
    "ShortStorage": "<i2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
}
_SAFE_DTYPES = {"f2": "F16", "f4": "F32", "f8": "F64", "u1": "U8", "i1": "I8", "b1": "BOOL"} | {
    "i2": "I16",
    "i4": "I32",
    "i8": "I64",
}
_BROKEN = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a damaged or hostile pickle or zip can make the readers raise."""


class _Storage(NamedTuple):
    """A named storage inside the zip; nothing is read yet. A tuple, since pickles can set fields of other objects."""

    key: str
    dtype: str
    length: int
    is_bfloat16: bool


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Name(NamedTuple):
    """Stands for a class; cannot be called."""

    text: str


class _Rebuild:
    """Stands for torch's function that puts a tensor together."""

    __slots__ = ()

    def __call__(self, storage: object, offset: object, shape: object, strides: object, *_: object) -> _Tensor:
        whole = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else (None,)
        if not isinstance(storage, _Storage) or not all(type(one) is int and one >= 0 for one in whole):
            raise pickle.UnpicklingError("a tensor is described wrongly")
        return _Tensor(storage, offset, shape, strides)  # type: ignore[arg-type]


class _RebuildParameter:
    """Stands for torch's function that makes a tensor a parameter."""

    __slots__ = ()

    def __call__(self, tensor: object, *_: object) -> object:
        return tensor


class _MakeFraction:
    """Stands for `fractions.Fraction`, which pickles as text or as two numbers."""

    __slots__ = ()

    def __call__(self, *parts: object) -> Fraction:
        text = "/".join(str(one) for one in parts if isinstance(one, int | str))
        if not re.fullmatch(r"-?[0-9]{1,12}(/[0-9]{1,12})?", text):
            raise pickle.UnpicklingError("a fraction is described wrongly")
        return Fraction(text)


class _Reader(pickle.Unpickler):
    """Knows a short list of names; nothing it makes can be changed or run."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module} {name}"
        if full in _KLASSES:
            return _Name(_KLASSES[full])
        if module == "torch" and name in _STORAGES:
            return _Name(name)
        if full == "collections OrderedDict":
            return OrderedDict
        if full == "torch._utils _rebuild_tensor_v2":
            return _Rebuild()
        if full == "torch._utils _rebuild_parameter":
            return _RebuildParameter()
        if full == "fractions Fraction":
            return _MakeFraction()
        raise pickle.UnpicklingError(f"it refers to {module}.{name}"[:160])

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", _Name(text=kind), str(key), _, int(count)) if kind in _STORAGES and key.isalnum():
                return _Storage(key, _STORAGES[kind], count, kind == "BFloat16Storage")
        raise pickle.UnpicklingError("a storage is described wrongly")


def describe_old(path: Path) -> MemberConfig:
    """Read which network a `.th` file belongs to, without its tensors; raises ModelError."""
    try:
        with zipfile.ZipFile(path) as archive:
            package, _ = _read_package(archive)
    except OSError as exc:
        raise unreadable(path, exc) from exc
    except _BROKEN as exc:
        raise _refusal(path, str(exc)) from exc
    return _config(path, package)


def convert(path_th: Path, out: Path, *, sha256: str | None) -> Path:
    """Write the weights of a `.th` file as safetensors with the hub's metadata, and return `out`.

    `sha256` is that of the whole `.th` file; None leaves only the eight digits in its name, if it has them, to check.
    Equal input gives equal bytes. Raises ModelError when the checksum differs, when the file is not a checkpoint of a
    Demucs network, or names anything else than such a checkpoint needs: then nothing of it has run.
    """
    try:
        _check_sum(path_th, sha256)
        with zipfile.ZipFile(path_th) as archive:
            package, root = _read_package(archive)
            config = _config(path_th, package)
            tensors = dict(sorted(_tensors_of(package["state"])))
            _check_total(tensors.values(), path_th.stat().st_size)
            metadata = {
                "args": json.dumps([encode(one) for one in config.args]),
                "klass": config.klass,
                "kwargs": json.dumps(encode(dict(config.kwargs))),
            }
            _write(out, metadata, {name: _load(archive, root, one) for name, one in tensors.items()})
    except OSError as exc:
        raise ModelError(
            f"Cannot convert {path_th.name}: {(exc.strerror or str(exc)).lower()}.",
            hint=f"Check that it may be read, and {out.parent} written to.",
            path=path_th,
        ) from exc
    except _BROKEN as exc:
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


def _read_package(archive: zipfile.ZipFile) -> tuple[dict[str, Any], str]:
    """Return the pickled dict and the folder inside the zip."""
    pickles = [one for one in archive.infolist() if re.fullmatch(r"[^/]+/data\.pkl", one.filename)]
    if len(pickles) != 1 or pickles[0].file_size > _MAX_PICKLE_BYTES or not _is_stored(pickles[0]):
        raise pickle.UnpicklingError("it is not a checkpoint written by PyTorch 1.6 or later")
    root = pickles[0].filename.split("/")[0]
    orders = [one for one in archive.infolist() if one.filename == f"{root}/byteorder"]
    if any(one.file_size != 6 or not _is_stored(one) or archive.read(one) != b"little" for one in orders):
        raise pickle.UnpicklingError("it was written on a big-endian computer")
    data = archive.read(pickles[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a damaged pickle can make the readers warn of odd escapes
        _check_opcodes(data)
        package = _Reader(io.BytesIO(data)).load()
    if not isinstance(package, dict) or not {"klass", "args", "kwargs", "state"} <= package.keys():
        raise pickle.UnpicklingError("it holds no Demucs network")
    if not isinstance(package["state"], dict) or package["state"].get("__quantized"):
        raise pickle.UnpicklingError("quantised weights are not supported")
    return package, root


def _is_stored(entry: zipfile.ZipInfo) -> bool:
    """PyTorch never compresses; a compressed entry could be a bomb."""
    return entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size


def _check_opcodes(data: bytes) -> None:
    """Memo numbers must be small: the unpickler allocates a table as large as the largest."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise pickle.UnpicklingError("its memo is not plausible")


def _config(path: Path, package: Mapping[str, Any]) -> MemberConfig:
    klass = package["klass"]
    return describe(path, klass.text if isinstance(klass, _Name) else klass, package["args"], package["kwargs"])


def _tensors_of(state: Mapping[Any, Any]) -> Iterable[tuple[str, _Tensor]]:
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor) or name == "__metadata__":
            raise pickle.UnpicklingError("its state holds something that is not a tensor")
        yield name, tensor


def _check_total(tensors: Iterable[_Tensor], size: int) -> None:
    """Many tensors may name one storage; together they may not be much more than the file holds."""
    total = sum(math.prod(one.shape) * int(one.storage.dtype[-1]) for one in tensors)
    if total > 4 * size:
        raise pickle.UnpicklingError("its tensors are larger than the file")


def _load(archive: zipfile.ZipFile, root: str, tensor: _Tensor) -> npt.NDArray[Any]:
    """Read one tensor, contiguous, whatever its strides were."""
    # Here and not above: the parent of the worker looks models up, and is spared the memory of numpy.
    import numpy as np

    storage = tensor.storage
    entry = archive.getinfo(f"{root}/data/{storage.key}")
    dtype = np.dtype(storage.dtype)
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if not _is_stored(entry) or entry.file_size != storage.length * dtype.itemsize:
        raise pickle.UnpicklingError("a storage has the wrong size")
    if count > storage.length or (count and last >= storage.length) or tensor.offset > storage.length:
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    if count:
        flat = np.frombuffer(archive.read(entry), dtype)[tensor.offset :]
        strides = tuple(one * dtype.itemsize for one in tensor.strides)
        view = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)
        array = np.ascontiguousarray(view).reshape(tensor.shape)
    else:
        array = np.zeros(tensor.shape, dtype)
    if storage.is_bfloat16:  # the upper half of a float32
        array = (array.astype("<u4") << 16).view("<f4")
    return array


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
    Path(file.name).replace(out)


def _refusal(path: Path, reason: str) -> ModelError:
    reason = "".join(one if one.isprintable() else " " for one in reason[:200])
    return ModelError(
        f"The checkpoint {path.name} cannot be used: {reason or 'it is damaged'}.",
        hint="Only checkpoints of Demucs networks are read; nothing in the file was run.",
        path=path,
    )
