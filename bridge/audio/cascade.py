"""Second-order sections in cascade, over the blocks of a stream: SciPy's compiled loop without the rest of its package.

`import scipy.signal` takes 0.7 s of a core, more than all else that a worker loads before its first job.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["cascade"]

Array = npt.NDArray[np.float64]
_Loop = Callable[[Array, Array, Array], None]
_STILL = 1e-30
"""Filter state below this is set to zero: denormals are slow and 600 dB down."""


def cascade(sections: Array, sound: npt.NDArray[Any], state: Array) -> Array:
    """Filter the next block, (C, T), and bring the `state`, (sections, C, 2), up to its end; returns (C, T), float64.

    The same digits as scipy.signal.sosfilt, however the stream is cut. `sections`: (sections, 6).
    """
    heard = np.array(sound, np.float64, order="C")  # (C, T)
    by_channel = np.ascontiguousarray(state.swapaxes(0, 1))  # (C, sections, 2)
    _loop(sections, heard, by_channel)
    by_channel[np.abs(by_channel) < _STILL] = 0.0
    state[:] = by_channel.swapaxes(0, 1)  # (sections, C, 2)
    return heard


def _load() -> _Loop:
    """Load the one compiled module alone; where a version of SciPy has no such module, its public function."""
    package = find_spec("scipy")
    for place in (package.submodule_search_locations or ()) if package is not None else ():
        spec = PathFinder.find_spec("scipy.signal._sosfilt", [str(Path(place, "signal"))])
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            if callable(loop := getattr(module, "_sosfilt", None)):
                return loop  # type: ignore[no-any-return]
    return _public


def _public(sections: Array, sound: Array, state: Array) -> None:
    from scipy.signal import sosfilt

    if sound.size:
        sound[:], after = sosfilt(sections, sound, axis=1, zi=state.swapaxes(0, 1))
        state[:] = after.swapaxes(0, 1)


_loop = _load()
