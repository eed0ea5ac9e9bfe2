"""What a weight file says about its network, read from the safetensors header without loading a tensor.

Demucs keeps the class of the network and the arguments it was built with as JSON in the header (`demucs/hf.py`), and
builds whatever class that names. Here the class comes from a list, arguments are matched against the parameters of
that class, and their values are plain and bounded, so that a hostile file can neither run code nor ask for a network
that fills the memory. Parameters the installed demucs no longer has are dropped, as demucs does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from bridge.errors import ModelError
from bridge.models.model import Model
from bridge.words import reason_of

__all__ = ["CLASSES", "MemberConfig", "check_fits", "describe", "encode", "read_member", "unreadable"]

_MAX_HEADER_BYTES = 4 * 1024 * 1024
_MAX_STEMS = 32
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,39}")

_SHARED = """sources audio_channels channels channels_time growth nfft wiener_iters end_iters wiener_residual cac depth
rewrite multi_freqs multi_freqs_depth freq_emb emb_scale emb_smooth kernel_size time_stride stride context context_enc
norm_starts norm_groups dconv_mode dconv_depth dconv_comp dconv_init rescale samplerate segment"""
_TRANSFORMER = """bottom_channels t_layers t_emb t_hidden_scale t_heads t_dropout t_max_positions t_norm_in
t_norm_in_group t_group_norm t_norm_first t_norm_out t_max_period t_weight_decay t_lr t_layer_scale t_gelu
t_weight_pos_embed t_sin_random_shift t_cape_mean_normalize t_cape_augment t_cape_glob_loc_scale t_sparse_self_attn
t_sparse_cross_attn t_mask_type t_mask_random_seed t_sparse_attn_window t_global_window t_sparsity t_auto_sparsity
t_cross_first use_train_segment"""

CLASSES: Mapping[str, frozenset[str]] = {
    "demucs.htdemucs.HTDemucs": frozenset(f"{_SHARED} {_TRANSFORMER}".split()),
    "demucs.hdemucs.HDemucs": frozenset(f"{_SHARED} hybrid hybrid_old dconv_attn dconv_lstm".split()),
}
"""Networks that may be built, each with the parameters it takes."""

_DEFAULT_SEGMENT = {"demucs.htdemucs.HTDemucs": 10, "demucs.hdemucs.HDemucs": 40}
_LIMITS = {
    "audio_channels": 2,
    "channels": 1024,
    "channels_time": 1024,
    "growth": 8,
    "depth": 12,
    "nfft": 65_536,
    "kernel_size": 64,
    "dconv_depth": 16,
    "multi_freqs_depth": 12,
    "bottom_channels": 8192,
    "t_layers": 64,
    "t_heads": 64,
    "t_hidden_scale": 32,
    "samplerate": 384_000,
    "segment": 600,
}
"""Largest value of what decides the size of a network or of its input."""
_LARGEST = 1_000_000


@dataclass(frozen=True)
class MemberConfig:
    """How to build one network."""

    klass: str
    """A name of `CLASSES`."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    """Values are bool, int, float, str, Fraction, None, or lists of them."""
    sources: tuple[str, ...]
    """Names of its outputs, in their order, lower case."""
    samplerate: int
    """Hz."""
    segment: Fraction
    """Seconds it was trained on."""
    audio_channels: int


def read_member(path: Path) -> MemberConfig:
    """Read the header of a safetensors file.

    Raises ModelError when the file is not there, not safetensors, truncated, or describes a network not allowed here.
    """
    header = _read_header(path)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not {"klass", "args", "kwargs"} <= metadata.keys():
        _refuse(path, "it does not say which network it belongs to (no klass, args and kwargs in its header)")
    if "structure" in metadata:
        _refuse(path, "quantised weights are not supported")
    _check_layout(path, header)
    args, kwargs = _from_json(path, metadata["args"]), _from_json(path, metadata["kwargs"])
    return describe(path, metadata["klass"], args, kwargs)


def check_fits(model: Model, path: Path) -> None:
    """Refuse weights of another network than the model says, before any work begins; raises ModelError."""
    config = read_member(path)
    if config.sources != model.stems or config.samplerate != model.sample_rate:
        raise ModelError(
            f"The weights {path.name} do not belong to {model.name}: their stems are {', '.join(config.sources)}.",
            hint=f"Fetch them again with: stem-bridge models pull {model.name}",
            path=path,
        )


def describe(path: Path, klass: object, args: object, kwargs: object) -> MemberConfig:
    """Check a network's class and arguments; `path` names the file in errors. Raises ModelError."""
    if not isinstance(klass, str) or klass not in CLASSES:
        _refuse(path, f"it wants the network {str(klass)[:80]!r}; allowed are {', '.join(CLASSES)}")
    if not isinstance(args, list | tuple) or len(args) > 1 or not isinstance(kwargs, dict):
        _refuse(path, "its arguments are not those of a Demucs network")
    given = {name: _decode(path, str(name), value) for name, value in kwargs.items() if name in CLASSES[klass]}
    if args:
        given.setdefault("sources", _decode(path, "sources", args[0]))
    sources = _stems(path, given.get("sources"))
    config = MemberConfig(
        klass=klass,
        args=(),
        kwargs=given,
        sources=sources,
        samplerate=_whole(path, "samplerate", given.get("samplerate", 44100), least=8000),
        segment=_seconds(path, given.get("segment", _DEFAULT_SEGMENT[klass])),
        audio_channels=_whole(path, "audio_channels", given.get("audio_channels", 2), least=1),
    )
    if config.audio_channels != 2:
        _refuse(path, f"it has {config.audio_channels} input channels; only stereo networks are supported")
    return config


def encode(value: Any) -> Any:
    """Turn an argument into JSON as demucs writes it: fractions as {"_type": "fraction", ...}."""
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return [encode(item) for item in value] if isinstance(value, list | tuple) else value


def _read_header(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 10 or not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
                _refuse(path, "it is not a safetensors file")
            text = file.read(length)
    except OSError as exc:
        raise unreadable(path, exc) from exc
    header = _from_json(path, text)
    if not isinstance(header, dict):
        _refuse(path, "it is not a safetensors file")
    return header


def _check_layout(path: Path, tensors: Mapping[str, Any]) -> None:
    """Tensors must fill the rest of the file exactly: that finds truncation without reading it."""
    start = 8 + int.from_bytes(_first_bytes(path), "little")
    end = 0
    for entry in tensors.values():
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(one) is int for one in offsets):
            _refuse(path, "its header is damaged")
        end = max(end, offsets[1])
    if not tensors or start + end != path.stat().st_size:
        _refuse(path, "it is truncated or damaged")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _from_json(path: Path, text: object) -> Any:
    if not isinstance(text, str | bytes):
        _refuse(path, "its header is damaged")
    try:
        return json.loads(text, parse_constant=lambda _: _refuse(path, "its header holds numbers that are not finite"))
    except (ValueError, RecursionError) as exc:
        raise _refusal(path, "its header is damaged") from exc


def _decode(path: Path, name: str, value: object, *, inside: bool = False) -> Any:
    """Accept plain bounded values only."""
    if isinstance(value, dict) and value.get("_type") == "fraction":
        top, bottom = value.get("numerator"), value.get("denominator")
        if type(top) is not int or type(bottom) is not int or bottom <= 0:
            _refuse(path, f"its argument '{name}' is no fraction")
        value = Fraction(top, bottom)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 64:
        return value
    if isinstance(value, int | float | Fraction):
        limit = _LIMITS.get(name, _LARGEST)
        if (not isinstance(value, float) or math.isfinite(value)) and -_LARGEST <= value <= limit:
            return value
        _refuse(path, f"its argument '{name}' is out of range")
    if isinstance(value, list | tuple) and len(value) <= _MAX_STEMS and not inside:
        return [_decode(path, name, item, inside=True) for item in value]
    raise _refusal(path, f"its argument '{name}' is not a plain value")


def _stems(path: Path, sources: object) -> tuple[str, ...]:
    if not isinstance(sources, list) or not sources:
        _refuse(path, "it does not name its stems")
    stems = tuple(one.lower() for one in sources if isinstance(one, str) and _STEM.fullmatch(one))
    if len(stems) != len(sources) or len(set(stems)) != len(stems) or "mix" in stems:
        _refuse(path, "the names of its stems are not usable")
    return stems


def _whole(path: Path, name: str, value: object, *, least: int) -> int:
    if type(value) is not int or value < least:
        _refuse(path, f"its argument '{name}' is out of range")
    return value


def _seconds(path: Path, value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction) or value <= 0:
        _refuse(path, "its argument 'segment' is out of range")
    return Fraction(value)


def unreadable(path: Path, exc: OSError) -> ModelError:
    """Make the error for a file or folder of weights that the disk does not give."""
    reason = reason_of(exc)
    return ModelError(f"Cannot read {path}: {reason}.", hint="Check that it is there and may be read.", path=path)


def _refusal(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"The weights {path.name} cannot be used: {reason}.",
        hint="Fetch them again, or look for the wrong file with: stem-bridge models verify",
        path=path,
    )


def _refuse(path: Path, reason: str) -> NoReturn:
    raise _refusal(path, reason)
