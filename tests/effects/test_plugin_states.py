"""States of plugins as files: Steinberg's format to the byte, whole or refused, and never more than they say."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.plugins import PluginOptions
from bridge.domain.preset import Plugin, Preset, StemPreset
from bridge.effects.plugins.files import fingerprint
from bridge.effects.plugins.rack import Rack
from bridge.effects.plugins.states import MOST_BYTES, fault_of, read_state
from bridge.errors import PluginError, PresetError
from tests import vst3
from tests.effects.test_plugins_rack import RATE, TRIM, noise, played

OWNER = b"".join(f"{byte:02X}".encode() for byte in b" FPDsalctTbS\0\0\0\0")
"""The class that DPF makes of TestTrim's id."""


def preset_file(chunks: dict[bytes, bytes], owner: bytes = OWNER) -> bytes:
    """Write the format as its definition says, with nothing of the product."""
    places, data = [], b""
    for name, content in chunks.items():
        places.append(struct.pack("<4sqq", name, 48 + len(data), len(content)))
        data += content
    head = struct.pack("<4si32sq", b"VST3", 1, owner, 48 + len(data))
    return head + data + struct.pack("<4si", b"List", len(places)) + b"".join(places)


def own_words(gain_db: float) -> bytes:
    """TestTrim's state as DPF writes it."""
    words = ["__dpf_parameters_begin__", "gain", f"{gain_db}", "mode", "2", "__dpf_parameters_end__"]
    return "\0".join(words).encode() + b"\0\xfe\0"


WHOLE = preset_file({b"Comp": own_words(-6.0), b"Cont": b""})


def options(tmp_path: Path, state: bytes) -> PluginOptions:
    vst3.install(tmp_path / "mine", "TestTrim")
    (tmp_path / "mine" / "a.vstpreset").write_bytes(state)
    return PluginOptions(folders=(tmp_path / "mine",), records=tmp_path / "records")


STEP = Plugin(TRIM, preset="a.vstpreset")


def test_a_state_written_by_the_book_is_loaded_exactly(tmp_path: Path) -> None:
    sound = noise()
    out = played(STEP, sound, options(tmp_path, WHOLE))
    np.testing.assert_array_equal(out, sound[::-1] * np.float32(10 ** (-6 / 20)))


def test_the_state_in_a_drop_is_written_by_the_book(tmp_path: Path) -> None:
    step = Plugin(TRIM, parameters={"gain_db": -6.0, "mode": "Swap"})
    with Rack(options(tmp_path, WHOLE)) as rack:
        rack.fit("vocals", (step,), sample_rate=RATE, channels=2)
        written = rack.inserts[0].state
    head, count = struct.unpack_from("<4si32sq", written), struct.unpack_from("<i", written, len(written) - 44)
    assert head == (b"VST3", 1, OWNER, len(written) - 48), "the class is the bytes of its id, in their order"
    assert (written[head[3] : head[3] + 4], count) == (b"List", (2,)), "the list ends the file"
    chunks = [struct.unpack_from("<4sqq", written, len(written) - 40 + 20 * number) for number in range(2)]
    assert [name for name, _, _ in chunks] == [b"Comp", b"Cont"]
    assert [offset for _, offset, _ in chunks] == [48, 48 + chunks[0][2]], "without gaps, from the header on"
    assert chunks[1][1] + chunks[1][2] == head[3]
    assert b"gain\x00-6" in written[48 : 48 + chunks[0][2]]


@given(st.binary(max_size=200), st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_whatever_the_bytes_the_answer_is_a_word_and_no_exception(junk: bytes, first: int, last: int) -> None:
    for data in (junk, WHOLE[:first] + junk, WHOLE[:first] + junk + WHOLE[last:]):
        assert isinstance(fault_of(data), str)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_state_is_whole_or_it_is_not(length: int) -> None:
    assert fault_of(WHOLE) == ""
    assert fault_of(WHOLE[:length])


def bent(place: int, form: str, number: int) -> bytes:
    data = bytearray(WHOLE)
    struct.pack_into(form, data, place, number)
    return bytes(data)


LIST = len(WHOLE) - 48


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (b"", "is empty"),
        (b"This is text.", "is no .vstpreset"),
        (b"CcnK" + bytes(200), "FXP or FXB"),
        (b"VC2!" + bytes(200), "as another host keeps it"),
        (WHOLE[:-1], "cut short"),
        (bent(40, "<q", 1 << 60), "damaged"),
        (bent(40, "<q", -5), "damaged"),
        (bent(LIST + 4, "<i", 2**31 - 1), "damaged"),
        (bent(LIST + 4, "<i", -1), "damaged"),
        (bent(LIST + 12, "<q", 1 << 40), "damaged"),
        (bent(LIST + 20, "<q", -1), "damaged"),
        (preset_file({b"Comp": own_words(0.0)}, b"0" * 32), "it is another plugin's"),
        (preset_file({b"Comp": b"\xff\0" * 40}), "it cannot read it"),
    ],
)
def test_a_state_that_is_none_costs_its_job_and_no_blame(tmp_path: Path, state: bytes, says: str) -> None:
    chosen = options(tmp_path, state)
    with Rack(chosen) as rack, pytest.raises(PresetError, match=r"a\.vstpreset") as raised:
        rack.fit("vocals", (STEP,), sample_rate=RATE, channels=2)
    assert says in raised.value.message
    assert "Save it again" in raised.value.hint
    assert not (tmp_path / "records").exists()


def test_a_state_of_half_a_gigabyte_is_refused_unread_and_no_plugin_is_blamed(tmp_path: Path) -> None:
    chosen = options(tmp_path, WHOLE)
    state = tmp_path / "mine" / "a.vstpreset"
    with state.open("r+b") as file:
        file.truncate(500 << 20)
    preset = Preset("test", "", {"vocals": StemPreset((STEP,))})
    with pytest.raises(PresetError, match=f"larger than {MOST_BYTES >> 20} MiB"):
        fingerprint(preset, chosen)
    with Rack(chosen) as rack, pytest.raises(PresetError, match="larger than"):
        rack.fit("vocals", (STEP,), sample_rate=RATE, channels=2)
    assert not (tmp_path / "records").exists()


def test_a_folder_is_no_state_and_one_that_goes_away_is_an_error_in_words(tmp_path: Path) -> None:
    chosen = options(tmp_path, WHOLE)
    state = tmp_path / "mine" / "a.vstpreset"
    state.unlink()
    with pytest.raises(PresetError, match="cannot be read: no such file"):
        read_state(state)
    state.mkdir()
    with Rack(chosen) as rack, pytest.raises(PluginError, match="is not there"):
        rack.fit("vocals", (STEP,), sample_rate=RATE, channels=2)
