"""Headers of weight files are read without trust."""

from __future__ import annotations

import contextlib
import inspect
import json
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_weights import weights_bytes

from bridge.errors import ModelError
from bridge.models.config import CLASSES, read_member
from bridge.resources import shipped


def file_with(folder: Path, header: object, body: bytes = b"\0" * 8) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def header_with(**changes: Any) -> dict[str, Any]:
    """A good header with some of its metadata changed; None removes."""
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": '{"sources": ["a", "b"]}'} | changes
    kept = {key: value for key, value in metadata.items() if value is not None}
    return {"__metadata__": kept, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def kwargs_with(**kwargs: Any) -> dict[str, Any]:
    return header_with(kwargs=json.dumps({"sources": ["a", "b"], **kwargs}))


def test_the_bundled_model_says_what_it_is() -> None:
    config = read_member(shipped("models") / "htdemucs_mini.safetensors")
    assert config.klass == "demucs.htdemucs.HTDemucs"
    assert config.sources == ("drums", "bass", "other", "vocals")
    assert (config.samplerate, config.segment, config.audio_channels) == (44100, Fraction(39, 10), 2)
    assert config.kwargs["segment"] == Fraction(39, 10)
    assert config.kwargs["t_layer_scale"] is False


def test_the_allowed_parameters_are_those_of_the_installed_networks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from demucs.hdemucs import HDemucs
        from demucs.htdemucs import HTDemucs
    for klass, name in ((HTDemucs, "demucs.htdemucs.HTDemucs"), (HDemucs, "demucs.hdemucs.HDemucs")):
        assert set(inspect.signature(klass).parameters) == CLASSES[name]


def test_parameters_demucs_no_longer_knows_are_dropped(tmp_path: Path) -> None:
    config = read_member(file_with(tmp_path, kwargs_with(norm_groups=4, long_gone=[1], channels=8)))
    assert config.kwargs == {"sources": ["a", "b"], "norm_groups": 4, "channels": 8}


def test_stems_may_come_as_the_first_argument(tmp_path: Path) -> None:
    config = read_member(file_with(tmp_path, header_with(args='[["Drums", "rest"]]', kwargs="{}")))
    assert config.sources == ("drums", "rest")
    assert (config.args, config.kwargs) == ((), {"sources": ["Drums", "rest"]})


HOSTILE = {
    "another class": header_with(klass="os.system"),
    "a class of demucs that is not a network": header_with(klass="demucs.solver.Solver"),
    "no metadata": {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
    "no class": header_with(klass=None),
    "quantised": header_with(structure="{}"),
    "no stems": header_with(kwargs="{}"),
    "stems as paths": kwargs_with(sources=["../../x", "b"]),
    "stems twice": kwargs_with(sources=["A", "a"]),
    "a stem called mix": kwargs_with(sources=["mix", "a"]),
    "a thousand stems": kwargs_with(sources=[f"s{i}" for i in range(1000)]),
    "a network as large as the memory": kwargs_with(channels=10**6),
    "a number of a thousand digits": header_with(kwargs='{"sources": ["a"], "channels": 1' + "0" * 999 + "}"),
    "a number too long to read": header_with(kwargs='{"sources": ["a"], "channels": 1' + "0" * 9999 + "}"),
    "not a number": header_with(kwargs='{"sources": ["a"], "rescale": NaN}'),
    "infinity": header_with(kwargs='{"sources": ["a"], "rescale": 1e999}'),
    "a fraction over nothing": kwargs_with(segment={"_type": "fraction", "numerator": 1, "denominator": 0}),
    "a negative segment": kwargs_with(segment=-1),
    "a segment that is a word": kwargs_with(segment="long"),
    "an object as argument": kwargs_with(channels={"_class": "os.system"}),
    "lists in lists": kwargs_with(multi_freqs=[[1]]),
    "mono": kwargs_with(audio_channels=1),
    "a sample rate of one": kwargs_with(samplerate=1),
    "two arguments": header_with(args='[["a"], 2]'),
    "arguments as text": header_with(args='"x"'),
    "metadata that is no text": header_with(args=3),
    "deep nesting": header_with(args="[" * 100_000),
    "a deep header": b"[" * 100_000,
    "a list": [],
    "offsets as text": {**header_with(), "w": {"data_offsets": ["a", "b"]}},
    "more tensors than bytes": {**header_with(), "w": {"data_offsets": [0, 9]}},
    "fewer tensors than bytes": {**header_with(), "w": {"data_offsets": [0, 7]}},
    "no tensors": {"__metadata__": header_with()["__metadata__"]},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_header_that_asks_for_too_much_is_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(ModelError, match=r"The weights x\.safetensors cannot be used"):
        read_member(file_with(tmp_path, HOSTILE[what]))


LONG = 5_000_000


@pytest.mark.parametrize(
    "data", [b"", b"1234567", (2**63).to_bytes(8, "little") + b"{}", LONG.to_bytes(8, "little") + b"x" * (LONG + 1)]
)
def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_member(tmp_path / "x.safetensors")


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Cannot read .*gone\.safetensors: no such file"):
        read_member(tmp_path / "gone.safetensors")


def test_a_truncated_file_is_seen_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(weights_bytes()[:-1])
    with pytest.raises(ModelError, match="truncated"):
        read_member(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_damaged_header_never_escapes_as_another_error(tmp_path: Path, at: int, other: bytes) -> None:
    data = bytearray(weights_bytes())
    data[at : at + len(other)] = other
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with contextlib.suppress(ModelError):
        assert read_member(path).klass in CLASSES
