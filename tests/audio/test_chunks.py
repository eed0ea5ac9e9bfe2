"""Time reference, markers and iXML travel from a render to its stems; hostile ones stay behind."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio import wave_file
from bridge.audio.chunks import Broadcast, Chunks, read_chunks
from bridge.audio.read import open_sound
from bridge.audio.write import SoundWriter
from bridge.domain.render import Marker
from bridge.errors import ReadError
from tests.audio.raw_files import chunk, fmt, riff
from tests.signals import pink_noise

SOUND = chunk(b"data", bytes(400))
FULL = Chunks(
    Broadcast(
        "Drums, Straße 絆",
        "REAPER",
        "ref",
        "2026-01-02",
        "03:04:05",
        2**40 + 7,
        1,
        bytes(range(64)),
        "A=PCM,F=48000\r\n",
    ),
    (Marker(0, "Intro"), Marker(12000, "Verse é 🎵"), Marker(24000, "Region", 6000), Marker(24000, "")),
    b'<?xml version="1.0" encoding="UTF-8"?><BWFXML><PROJECT>Song</PROJECT></BWFXML>',
)


def written(path: Path, chunks: Chunks) -> Path:
    with SoundWriter(path, sample_rate=48000, channels=2, subtype="FLOAT", container="WAV", chunks=chunks) as writer:
        writer.write(pink_noise(seconds=0.1))
    return path


def from_bytes(folder: Path, *chunks: bytes) -> Chunks:
    path = folder / "a.wav"
    path.write_bytes(riff(*chunks))
    return read_chunks(path)


@pytest.mark.parametrize("limit", [wave_file.LARGEST_RIFF_BYTES, 1000])
def test_what_is_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(wave_file, "LARGEST_RIFF_BYTES", limit)
    path = written(tmp_path / "a.wav", FULL)
    assert read_chunks(path) == FULL
    assert FULL.time_reference_frames == 2**40 + 7
    with open_sound(path, tmp_path) as sound:
        np.testing.assert_array_equal(sound.read(0, 9999), soundfile.read(path, dtype="float32")[0].T)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    description=TEXT,
    frames=st.integers(0, 2**64 - 1),
    version=st.integers(0, 3),
    history=TEXT,
    markers=st.lists(st.builds(Marker, st.integers(0, 2**32 - 1), TEXT, st.integers(0, 2**32 - 1)), max_size=6),
)
def test_every_value_comes_back(
    description: str,
    frames: int,
    version: int,
    history: str,
    markers: list[Marker],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    broadcast = Broadcast(description, time_reference_frames=frames, version=version, coding_history=history)
    chunks = Chunks(broadcast, tuple(sorted(markers, key=lambda one: one.position_frames)))
    body = [chunk(name, content) for name, content in chunks.encoded()]
    assert from_bytes(tmp_path_factory.getbasetemp(), *body, fmt(), SOUND) == chunks


def test_text_longer_than_its_field_is_cut_between_characters(tmp_path: Path) -> None:
    chunks = Chunks(Broadcast(description="é" * 200, originator="x" * 99))
    found = read_chunks(written(tmp_path / "a.wav", chunks)).broadcast
    assert found is not None
    assert (found.description, found.originator) == ("é" * 128, "x" * 32)


def test_the_loudness_of_the_mix_is_not_claimed_for_a_stem(tmp_path: Path) -> None:
    content = bytearray(Broadcast(version=2).encoded())
    content[412:422] = struct.pack("<5h", -1420, 800, -100, -900, -1000)
    found = from_bytes(tmp_path, chunk(b"bext", bytes(content)), fmt(), SOUND)
    (_, again), *_ = found.encoded()
    assert struct.unpack("<5h", again[412:422]) == (0x7FFF,) * 5


def test_labels_that_are_not_utf8_are_latin1_and_chunks_may_follow_the_sound(tmp_path: Path) -> None:
    cue = struct.pack("<I", 2) + b"".join(struct.pack("<II4sIII", n, 0, b"data", 0, 0, 50 * n) for n in (2, 1))
    labels = b"adtl" + chunk(b"labl", struct.pack("<I", 1) + "Stra\xdfe".encode("latin-1") + b"\0")
    labels += chunk(b"note", struct.pack("<I", 1) + b"other\0") + chunk(b"ltxt", struct.pack("<II", 2, 30) + b"rgn ")
    found = from_bytes(tmp_path, fmt(), SOUND, chunk(b"cue ", cue), chunk(b"LIST", b"INFOjunk"), chunk(b"LIST", labels))
    assert found.markers == (Marker(50, "Straße"), Marker(100, "", 30))


BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'
HOSTILE = {
    "entities": chunk(b"iXML", BOMB),
    "a document type": chunk(b"iXML", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'),
    "no xml": chunk(b"iXML", b"<a><b></a>"),
    "nothing": chunk(b"iXML", b""),
    "an unknown encoding": chunk(b"iXML", b'<?xml version="1.0" encoding="no-such"?><a/>'),
    "too much xml": chunk(b"iXML", b"<a>" + b" " * (1 << 20) + b"</a>"),
    "a short bext": chunk(b"bext", bytes(300)),
    "a cue that says more than it has": chunk(b"cue ", struct.pack("<I", 0xFFFFFFFF) + bytes(10)),
    "an empty cue": chunk(b"cue ", b""),
    "cues into nowhere": chunk(b"cue ", struct.pack("<III4sIII", 1, 1, 0, b"slnt", 0, 0, 7)),
    "lists that promise too much": chunk(b"LIST", b"adtl" + struct.pack("<4sI", b"labl", 0xFFFFFFFF)),
    "labels cut short": chunk(b"LIST", b"adtl" + chunk(b"labl", b"\1") + chunk(b"ltxt", b"\1\0\0\0\2")),
}


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_hostile_and_broken_chunks_are_left_out(tmp_path: Path, case: str) -> None:
    assert from_bytes(tmp_path, HOSTILE[case], fmt(), SOUND) == Chunks()


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from([b"bext", b"cue ", b"LIST", b"iXML"]), content=st.binary(max_size=900), list_type=st.booleans()
)
def test_no_content_breaks_the_reader(
    name: bytes, content: bytes, list_type: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = b"adtl" + content if list_type else content
    found = from_bytes(tmp_path_factory.getbasetemp(), chunk(name, content), fmt(), SOUND)
    again = from_bytes(tmp_path_factory.getbasetemp(), *(chunk(*one) for one in found.encoded()), fmt(), SOUND)
    assert again.markers == found.markers
    assert again.time_reference_frames == found.time_reference_frames
    assert again.ixml == found.ixml


def test_chunks_without_end_are_an_error_and_other_containers_have_none(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="chunks"):
        from_bytes(tmp_path, chunk(b"JUNK", b"") * 5000, fmt(), SOUND)
    with pytest.raises(ReadError, match="cannot be read"):
        read_chunks(tmp_path / "nothing.wav")
    soundfile.write(tmp_path / "a.flac", pink_noise(seconds=0.1).T, 44100)
    assert read_chunks(tmp_path / "a.flac") == Chunks()
