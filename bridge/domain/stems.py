"""Names of stems, and the blocks in which their sound flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    # Not at run time: the parent of the worker knows stems by name, and is spared the memory of numpy.
    import numpy as np
    import numpy.typing as npt

__all__ = ["FloatArray", "StemBlock", "StemChoice", "bus_key", "bus_of", "complement_name", "display_name"]
__all__ += ["instrument_key", "instrument_of", "kind_of"]

FloatArray: TypeAlias = "npt.NDArray[np.float32]"
"""Sound: (channels, frames), float32, full scale +-1.0 but beyond is legal, C-contiguous."""


@dataclass(frozen=True, eq=False, slots=True)
class StemBlock:
    """One stretch of all stems at the render's rate; blocks are consecutive and gapless."""

    start: int
    """First frame."""
    stems: Mapping[str, FloatArray]
    """Stem name to samples, every array (channels, frames) of one length."""

    @property
    def frames(self) -> int:
        """Length of the block, in frames."""
        return int(next(iter(self.stems.values())).shape[1])


@dataclass(frozen=True)
class StemChoice:
    """What the network must give and what the user gets; both in the model's order."""

    computed: tuple[str, ...]
    """Stems whose estimates are needed; no other is computed or stored."""
    delivered: tuple[str, ...]
    """Names of the dry stems that are handed on."""
    complete: bool
    """The delivered stems sum to the mix."""


def complement_name(stem: str) -> str:
    """Name what is left when `stem` is taken out of the mix: 'instrumental' for vocals, else '<stem>-less'."""
    return "instrumental" if stem == "vocals" else f"{stem}-less"


def display_name(key: str) -> str:
    """Write a stem's name for people: 'vocals' -> 'Vocals', 'drums-less' -> 'Drums-less'; keys of buses and
    instruments as the preset names them."""
    name = bus_of(key) or instrument_of(key)
    return name or key[:1].upper() + key[1:]


_BUS = "bus:"
_INSTRUMENT = "instrument:"


def bus_key(name: str) -> str:
    """Name a bus where stems and buses flow together. The reverse of `bus_of`."""
    return _BUS + name


def bus_of(key: str) -> str | None:
    """Return the name of the bus behind a key; None for a stem. The reverse of `bus_key`."""
    return key.removeprefix(_BUS) if key.startswith(_BUS) else None


def instrument_key(name: str) -> str:
    """Name an instrument where stems and buses flow together. The reverse of `instrument_of`."""
    return _INSTRUMENT + name


def instrument_of(key: str) -> str | None:
    """Return the name of the instrument behind a key; None for a stem or a bus. The reverse of `instrument_key`."""
    return key.removeprefix(_INSTRUMENT) if key.startswith(_INSTRUMENT) else None


def kind_of(key: str) -> Literal["stem", "bus", "instrument"]:
    """Return which of the three a key names."""
    return "bus" if key.startswith(_BUS) else "instrument" if key.startswith(_INSTRUMENT) else "stem"
