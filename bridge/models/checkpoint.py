"""A Demucs `.th` checkpoint read without torch and without running anything of it.

A `.th` file is a zip of raw tensor storages and a pickle that describes them (PyTorch's serialization format). The
pickle is read by an unpickler that knows nine kinds of names and makes only inert values of them; any other name is
refused before it is looked up. The pickle's opcodes are checked first, since even a harmless program of them can ask
for endless memory.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
import warnings
import zipfile
from collections import OrderedDict
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["BROKEN", "Checkpoint", "Tensor"]

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
BROKEN = (
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


class Tensor(NamedTuple):
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

    def __call__(self, storage: object, offset: object, shape: object, strides: object, *_: object) -> Tensor:
        whole = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else (None,)
        if not isinstance(storage, _Storage) or not all(type(one) is int and one >= 0 for one in whole):
            raise pickle.UnpicklingError("a tensor is described wrongly")
        return Tensor(storage, offset, shape, strides)  # type: ignore[arg-type]


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


class Checkpoint:
    """What an open `.th` file says; its tensors are read one by one, when asked for.

    Every method, the constructor too, raises one of `BROKEN` for a file that is damaged, hostile or something else.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._package, self._root = _read_package(archive)

    @property
    def klass(self) -> object:
        """Return the full name of the network's class."""
        klass = self._package["klass"]
        return klass.text if isinstance(klass, _Name) else klass

    @property
    def args(self) -> Any:
        """Return the network's positional arguments, as the file has them."""
        return self._package["args"]

    @property
    def kwargs(self) -> Any:
        """Return the network's named arguments, as the file has them."""
        return self._package["kwargs"]

    def tensors(self) -> dict[str, Tensor]:
        """Return where every weight lies, by name, in the order of names."""
        state = self._package["state"]
        for name, tensor in state.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor) or name == "__metadata__":
                raise pickle.UnpicklingError("its state holds something that is not a tensor")
        return dict(sorted(state.items()))

    def load(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Read one tensor in its own dtype, bfloat16 as float32; contiguous, whatever its strides were."""
        # Here and not above: the parent of the worker looks models up, and is spared the memory of numpy.
        import numpy as np

        storage = tensor.storage
        entry = self._archive.getinfo(f"{self._root}/data/{storage.key}")
        dtype = np.dtype(storage.dtype)
        count = math.prod(tensor.shape)
        steps = zip(tensor.shape, tensor.strides, strict=True)
        last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
        if not _is_stored(entry) or entry.file_size != storage.length * dtype.itemsize:
            raise pickle.UnpicklingError("a storage has the wrong size")
        if count > storage.length or (count and last >= storage.length) or tensor.offset > storage.length:
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        if count:
            flat = np.frombuffer(self._archive.read(entry), dtype)[tensor.offset :]
            strides = tuple(one * dtype.itemsize for one in tensor.strides)
            view = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)
            array = np.ascontiguousarray(view).reshape(tensor.shape)
        else:
            array = np.zeros(tensor.shape, dtype)
        if storage.is_bfloat16:  # the upper half of a float32
            array = (array.astype("<u4") << 16).view("<f4")
        return array


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
