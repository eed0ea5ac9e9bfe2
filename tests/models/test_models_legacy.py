"""Old checkpoints become safetensors exactly, and hostile ones become an error before anything of them runs."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import ModelError
from bridge.models import legacy, registry
from bridge.models.checks import sha256_of
from bridge.models.config import read_member
from bridge.models.legacy import convert, describe_old
from bridge.models.places import Places
from bridge.models.weights import locate, verify

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from demucs.hdemucs import HDemucs
    from demucs.hf import load_safetensors_model
    from demucs.htdemucs import HTDemucs
    from demucs.states import get_state, save_with_checksum

STEMS = ["drums", "vocals"]


def transformer() -> Any:
    torch.manual_seed(1)
    return HTDemucs(
        STEMS, channels=8, growth=1, t_layers=1, t_heads=2, dconv_mode=1, segment=Fraction(39, 10), nfft=512
    )


def hybrid() -> Any:
    torch.manual_seed(2)
    return HDemucs(sources=STEMS, channels=8, growth=1, nfft=512, dconv_lstm=9, dconv_attn=9)


def package(model: Any, *, half: bool = True, **changes: Any) -> dict[str, Any]:
    """What demucs saves; its own function for it needs training libraries."""
    args, kwargs = model._init_args_kwargs
    state = get_state(model, None, half)
    whole = {"klass": type(model), "args": args, "kwargs": kwargs, "state": state, "training_args": {"lr": [1e-4]}}
    return whole | changes


def saved(folder: Path, content: object) -> Path:
    """Save as demucs does, with the checksum in the name."""
    save_with_checksum(content, folder / "abcd1234.th")
    (path,) = folder.glob("abcd1234-*.th")
    return path


@pytest.mark.parametrize("make", [transformer, hybrid])
@pytest.mark.parametrize("half", [True, False])
def test_a_converted_checkpoint_is_the_same_network(tmp_path: Path, make: Callable[[], Any], half: bool) -> None:
    model = make()
    out = convert(saved(tmp_path, package(model, half=half)), tmp_path / "out.safetensors", sha256=None)
    again = load_safetensors_model(out)
    assert type(again) is type(model)
    assert (again.sources, again.segment) == (STEMS, model.segment)
    expected = {name: (one.half() if half else one).float() for name, one in model.state_dict().items()}
    assert again.state_dict().keys() == expected.keys()
    assert all(torch.equal(one.float(), expected[name]) for name, one in again.state_dict().items())
    assert read_member(out).klass == f"{type(model).__module__}.{type(model).__name__}"


def test_equal_checkpoints_give_equal_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path, package(transformer()))
    outs = [convert(path, tmp_path / f"{i}.safetensors", sha256=sha256_of(path)) for i in range(2)]
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_tensors_come_out_whole_however_they_were_stored(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32)
    state = OrderedDict(
        turned=base.reshape(4, 6).t(),
        part=base[5:9],
        every_third=base[1::3],
        empty=torch.zeros(0, 3),
        number=torch.tensor(7),
        brain=torch.tensor([1.0, -2.5, 3e38]).bfloat16(),
        yes=torch.tensor([True, False]),
        double=base.double() / 3,
        parameter=torch.nn.Parameter(base[:2], requires_grad=False),
    )
    from safetensors.torch import load_file

    path = saved(tmp_path, package(hybrid(), state=state))
    found = load_file(convert(path, tmp_path / "out.safetensors", sha256=None))
    assert found.keys() == state.keys()
    for name, one in state.items():
        assert torch.equal(found[name], one.float() if name == "brain" else one.detach()), name


def test_the_checksum_of_an_old_file_is_checked_whole_and_by_its_name(tmp_path: Path) -> None:
    path = saved(tmp_path, package(transformer()))
    with pytest.raises(ModelError, match=f"expected {'0' * 64}, found {sha256_of(path)}"):
        convert(path, tmp_path / "out.safetensors", sha256="0" * 64)
    wrong = path.rename(tmp_path / "abcd1234-00000000.th")
    with pytest.raises(ModelError, match=r"expected .*, found"):
        convert(wrong, tmp_path / "out.safetensors", sha256=sha256_of(wrong))
    assert not list(tmp_path.glob("*.safetensors*"))


def test_a_folder_of_old_checkpoints_is_a_model_and_is_converted_once(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    path = saved(folder, package(transformer()))
    places = Places(tmp_path / "data", tmp_path / "cache", tmp_path / "hub")
    model = registry.find(str(folder))
    assert (model.stems, model.members[0].file) == (tuple(STEMS), path.name)
    (out,) = locate(model, places=places)
    made = out.stat().st_mtime_ns
    assert locate(model, places=places) == (out,)
    assert out.stat().st_mtime_ns == made
    assert [one.name for one in folder.iterdir()] == [path.name]

    out.write_bytes(out.read_bytes()[:-1])
    assert verify(model, places=places)[0].state == "ready"
    assert load_safetensors_model(out).sources == STEMS


def test_a_published_old_checkpoint_stands_in_for_the_hubs_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = registry.find("htdemucs")
    whole = package(HTDemucs(list(published.stems), channels=8, growth=1, t_layers=1, t_heads=2, nfft=512))
    path = saved(tmp_path, whole).rename(tmp_path / "955717e8-8726e21a.th")
    places = Places(tmp_path / "data", tmp_path / "cache", tmp_path / "hub")
    with pytest.raises(ModelError, match=r"checksum of .*955717e8-8726e21a.th is wrong"):
        locate(published, [tmp_path], places)

    path = path.rename(tmp_path / f"955717e8-{sha256_of(path)[:8]}.th")
    monkeypatch.setattr(legacy, "LEGACY_SHA256", {"955717e8": sha256_of(path)})
    (out,) = locate(published, [tmp_path], places)
    assert read_member(out).sources == published.stems


class Evil:
    """Runs a command when unpickled."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.function = function
        self.args = args

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, self.args


@pytest.mark.parametrize("place", ["klass", "args", "kwargs", "state", "training_args"])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, __import__, torch.load, pickle.loads, open])
def test_a_hostile_pickle_is_refused_and_nothing_runs(
    tmp_path: Path, place: str, function: Callable[..., object]
) -> None:
    marker = tmp_path / "ran"
    argument = str(marker) if function is open else f"__import__('pathlib').Path({str(marker)!r}).touch()"
    evil = Evil(function, argument, "w") if function is open else Evil(function, argument)
    path = saved(tmp_path, package(hybrid(), **{place: {"x": evil}}))
    for read in (describe_old, lambda one: convert(one, tmp_path / "out.safetensors", sha256=None)):
        with pytest.raises(ModelError, match="it refers to"):
            read(path)
    assert not marker.exists()
    assert not (tmp_path / "out.safetensors").exists()


class Tensor:
    """A tensor as its pickle describes it, and what the pickle does to it afterwards."""

    def __init__(self, offset: int, shape: object, strides: object, state: object = None) -> None:
        self.described = (PERSISTENT, offset, shape, strides, False, OrderedDict())
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        return torch._utils._rebuild_tensor_v2, self.described, self.state


PERSISTENT = type("Persistent", (), {})()


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> tuple[object, ...] | None:
        return ("storage", torch.FloatStorage, "0", "cpu", 4) if obj is PERSISTENT else None


def with_tensor(folder: Path, tensor: object) -> Path:
    path = saved(folder, package(hybrid(), state={"w": torch.ones(4)}, training_args=None))
    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(package(hybrid(), state={"w": tensor}, training_args=None))
    return rezipped(path, lambda name, data: buffer.getvalue() if name.endswith("data.pkl") else data)


@pytest.mark.parametrize("state", [{"offset": -1000}, (None, {"offset": -1000}), [None, -1000, (4,), (1,)]])
def test_a_checked_tensor_cannot_be_changed_by_the_pickle(tmp_path: Path, state: object) -> None:
    good = with_tensor(tmp_path, Tensor(0, (4,), (1,)))
    assert convert(good, tmp_path / "good.safetensors", sha256=None).is_file()
    bad = with_tensor(tmp_path, Tensor(0, (4,), (1,), state))
    with pytest.raises(ModelError):
        convert(bad, tmp_path / "out.safetensors", sha256=None)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (1, (4,), (1,)),
        (9, (0,), (1,)),
        (-1, (4,), (1,)),
        (True, (4,), (1,)),
        (0, (2, 2), (3, 1)),
        (0, (2, 2), (1,)),
        (0, (4,), (-1,)),
        (0, (9,), (0,)),
        (0, (2.0,), (1,)),
        (0, (2**62,), (1,)),
        (0, [4], [1]),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(
    tmp_path: Path, offset: int, shape: object, strides: object
) -> None:
    with pytest.raises(ModelError, match="cannot be used"):
        convert(with_tensor(tmp_path, Tensor(offset, shape, strides)), tmp_path / "out.safetensors", sha256=None)
    assert not list(tmp_path.glob("out*"))


def test_a_memo_of_gigabytes_is_refused_before_it_is_made(tmp_path: Path) -> None:
    bomb = b"\x80\x02Kar\xff\xff\xff\x7f."
    path = rezipped(saved(tmp_path, package(hybrid())), lambda name, data: bomb if name.endswith("data.pkl") else data)
    with pytest.raises(ModelError, match="memo is not plausible"):
        describe_old(path)


def test_many_names_for_one_storage_do_not_fill_the_memory(tmp_path: Path) -> None:
    one = torch.zeros(10_000)
    path = saved(tmp_path, package(hybrid(), state={f"w{i}": one for i in range(1000)}))
    with pytest.raises(ModelError, match="larger than the file"):
        convert(path, tmp_path / "out.safetensors", sha256=None)


def rezipped(path: Path, change: Callable[[str, bytes], bytes], *, compress: bool = False) -> Path:
    """Write the zip anew with its entries changed."""
    out = path.with_name("changed.th")
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out


def pickled(content: object) -> Callable[[str, bytes], bytes]:
    return lambda name, data: pickle.dumps(content) if name.endswith("data.pkl") else data


WRONG: dict[str, Callable[[str, bytes], bytes]] = {
    "a storage too short": lambda name, data: data[:-1] if "/data/" in name else data,
    "big-endian": lambda name, data: b"big" if name.endswith("byteorder") else data,
    "an empty pickle": lambda name, data: b"" if name.endswith("data.pkl") else data,
    "a list": pickled([1]),
    "another dict": pickled({"state_dict": {}}),
    "quantised": pickled({"klass": "x", "args": (), "kwargs": {}, "state": {"__quantized": True}}),
    "a class as text": pickled({"klass": "os.system", "args": (), "kwargs": {}, "state": {}}),
    "no class": pickled({"klass": None, "args": (), "kwargs": {}, "state": {}}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_checkpoint_that_makes_no_sense_is_refused(tmp_path: Path, what: str) -> None:
    path = rezipped(saved(tmp_path, package(hybrid())), WRONG[what])
    with pytest.raises(ModelError, match=r"changed\.th cannot be used"):
        convert(path, tmp_path / "out.safetensors", sha256=None)
    assert not list(tmp_path.glob("out*"))


def test_compressed_entries_are_refused(tmp_path: Path) -> None:
    path = rezipped(saved(tmp_path, package(hybrid())), lambda _, data: data, compress=True)
    with pytest.raises(ModelError, match="not a checkpoint written by PyTorch"):
        convert(path, tmp_path / "out.safetensors", sha256=None)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x02cos\nsystem\n."])
def test_a_file_that_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.th"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"x\.th cannot be used"):
        convert(path, tmp_path / "out.safetensors", sha256=None)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The pickle of a small honest checkpoint."""
    state = {"w": torch.arange(6.0).reshape(2, 3).t(), "v": torch.ones(4).half()}
    path = saved(tmp_path_factory.mktemp("plain"), package(hybrid(), state=state, training_args=None))
    return path.read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_pickle_never_escapes_as_another_error(tmp_path: Path, plain: bytes, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        size = archive.getinfo("archive/data.pkl").file_size
    at = data.draw(st.integers(0, size - 1))
    other = data.draw(st.binary(min_size=1, max_size=5))
    whole = tmp_path / "whole.th"
    whole.write_bytes(plain)
    path = rezipped(whole, lambda name, old: old[:at] + other + old[at + len(other) :] if name.endswith("pkl") else old)
    with contextlib.suppress(ModelError):
        out = convert(path, tmp_path / "out.safetensors", sha256=None)
        assert read_member(out).klass == "demucs.hdemucs.HDemucs"
