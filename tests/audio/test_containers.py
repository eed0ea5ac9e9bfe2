"""Complete, unfinished, truncated, or never right: the verdict on every kind of header."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.containers import riff as riff_container
from bridge.audio.containers.source import Source
from bridge.audio.header import inspect, require_complete
from bridge.audio.read import open_sound, scan
from bridge.errors import ReadError
from tests.audio.raw_files import FLOAT, chunk, fmt, rf64, riff
from tests.signals import pink_noise

SAMPLES = bytes(range(1, 241)) * 5
"""1200 bytes: 300 frames of 16-bit stereo."""
GOOD = riff(fmt(), chunk(b"data", SAMPLES))


def write(folder: Path, content: bytes, name: str = "a.wav") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


ENCODINGS = [
    ("WAV", "PCM_U8", "WAV"),
    ("WAV", "PCM_16", "WAV"),
    ("WAV", "PCM_24", "WAV"),
    ("WAV", "PCM_32", "WAV"),
    ("WAV", "FLOAT", "WAV"),
    ("WAV", "DOUBLE", "WAV"),
    ("WAV", "ULAW", "WAV"),
    ("WAV", "ALAW", "WAV"),
    ("WAVEX", "PCM_24", "WAV"),
    ("WAVEX", "FLOAT", "WAV"),
    ("RF64", "PCM_24", "RF64"),
    ("RF64", "FLOAT", "RF64"),
    ("W64", "PCM_16", "W64"),
    ("W64", "PCM_24", "W64"),
    ("W64", "FLOAT", "W64"),
    ("AIFF", "PCM_S8", "AIFF"),
    ("AIFF", "PCM_U8", "AIFF"),
    ("AIFF", "PCM_16", "AIFF"),
    ("AIFF", "PCM_24", "AIFF"),
    ("AIFF", "PCM_32", "AIFF"),
    ("AIFF", "FLOAT", "AIFF"),
    ("AIFF", "DOUBLE", "AIFF"),
    ("AIFF", "ULAW", "AIFF"),
    ("FLAC", "PCM_16", "FLAC"),
    ("FLAC", "PCM_24", "FLAC"),
    ("OGG", "VORBIS", "OGG"),
    ("OGG", "OPUS", "OGG"),
    ("MP3", "MPEG_LAYER_III", "MP3"),
]


@pytest.mark.parametrize(("container", "subtype", "family"), ENCODINGS)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_libsndfile_writes_is_complete_and_known_by_its_bytes(
    tmp_path: Path, container: str, subtype: str, family: str, channels: int
) -> None:
    sound = pink_noise(sample_rate=48000, channels=channels, seconds=0.5)[:, :23999]
    path = tmp_path / "Ünïcode 絆 'x'.txt"
    soundfile.write(path, sound.T, 48000, format=container, subtype=subtype)
    header = require_complete(path)
    assert header.format is not None
    assert (header.format.sample_rate, header.format.channels) == (48000, channels)
    assert (header.format.container, header.format.subtype) == (family, subtype)
    if family == "MP3":
        assert abs(header.format.frames - 23999) < 4 * 1152
    else:
        assert header.format.frames == soundfile.info(path).frames  # libsndfile counts the pad byte of odd 8-bit AIFF
    assert header.data_offset + header.data_bytes <= path.stat().st_size


VERDICTS = {
    "good": (GOOD, "complete"),
    "rf64": (rf64(SAMPLES), "complete"),
    "bw64": (rf64(SAMPLES, magic=b"BW64"), "complete"),
    "a mask": (riff(fmt(mask=3), chunk(b"data", SAMPLES)), "complete"),
    "chunks after the sound": (riff(fmt(), chunk(b"data", SAMPLES), chunk(b"LIST", b"INFO")), "complete"),
    "an odd chunk without its pad": (
        riff(chunk(b"note", b"abc", pad=False), fmt(), chunk(b"data", SAMPLES)),
        "complete",
    ),
    "an odd chunk with its pad": (riff(chunk(b"note", b"abc"), fmt(), chunk(b"data", SAMPLES)), "complete"),
    "the final pad is missing": (riff(fmt(channels=1, bits=8), chunk(b"data", SAMPLES[:-1], pad=False)), "complete"),
    "trailing bytes": (GOOD + bytes(5000), "complete"),
    "riff=8, sound whole": (riff(fmt(), chunk(b"data", SAMPLES), size=8), "complete"),
    "header says less": (riff(fmt(), chunk(b"data", SAMPLES, 400), size=436), "complete"),
    "empty file": (b"", "unfinished"),
    "blank header": (bytes(44) + SAMPLES, "unfinished"),
    "four bytes": (b"RIFF", "unfinished"),
    "no format yet": (riff(chunk(b"JUNK", bytes(28))), "unfinished"),
    "blank format": (riff(chunk(b"fmt ", bytes(16)), chunk(b"data", SAMPLES)), "unfinished"),
    "format only": (riff(fmt()), "unfinished"),
    "sound chunk not begun": (riff(fmt()) + bytes(100), "unfinished"),
    "riff=data=0": (riff(fmt(), chunk(b"data", SAMPLES, 0), size=0), "unfinished"),
    "riff=36, data=0": (riff(fmt(), chunk(b"data", SAMPLES, 0), size=36), "unfinished"),
    "libsndfile while open": (riff(fmt(), chunk(b"data", SAMPLES, 0), size=8), "unfinished"),
    "juce while open": (riff(chunk(b"JUNK", bytes(52)), fmt(), chunk(b"data", SAMPLES, 0), size=96), "unfinished"),
    "streamed": (riff(fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF), "unfinished"),
    "only riff unknown": (riff(fmt(), chunk(b"data", SAMPLES), size=0xFFFFFFFF), "unfinished"),
    "rf64 without ds64": (
        riff(fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF, magic=b"RF64"),
        "unfinished",
    ),
    "rf64, ds64 zero": (rf64(SAMPLES, data_size=0), "unfinished"),
    "no whole frame": (riff(fmt(), chunk(b"data", b"ab")), "unfinished"),
    "rf64, ds64 huge": (rf64(SAMPLES, data_size=1 << 62), "truncated"),
    "half of the sound": (GOOD[:-600], "truncated"),
    "half of an rf64": (rf64(SAMPLES)[:-600], "truncated"),
    "three bytes short": (GOOD[:-3], "truncated"),
    "chunks after the sound cut": (riff(fmt(), chunk(b"data", SAMPLES), chunk(b"LIST", bytes(90)))[:-60], "truncated"),
}


@pytest.mark.parametrize("case", VERDICTS, ids=str)
def test_the_verdict_on_a_wav(tmp_path: Path, case: str) -> None:
    content, verdict = VERDICTS[case]
    path = write(tmp_path, content)
    header = inspect(path)
    assert header.state == verdict, header.reason
    assert "\n" not in header.reason
    if verdict == "complete":
        assert require_complete(path).format == header.format
        assert header.format is not None
        block_bytes = header.format.channels * {"PCM_16": 2, "PCM_U8": 1}[header.format.subtype]
        assert header.format.frames == header.data_bytes // block_bytes
    else:
        with pytest.raises(ReadError, match=r"is not finished|is cut short") as raised:
            require_complete(path)
        assert raised.value.hint


REFUSALS = {
    "text": b"This is a text file that somebody renamed.\n" * 40,
    "utf-16 text": "\ufeffHello, world, this is text.".encode("utf-16-le"),
    "random bytes": np.random.default_rng(3).bytes(4000),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "an avi": riff(form=b"AVI ") + bytes(100),
    "midi": b"MThd\0\0\0\6\0\1\0\1\0\x60" + bytes(40),
    "big-endian wav": b"RIFX" + bytes(100),
    "ms adpcm": riff(fmt(tag=2, bits=4, align=1024), chunk(b"data", SAMPLES)),
    "ima adpcm": riff(fmt(tag=0x11, bits=4, align=1024), chunk(b"data", SAMPLES)),
    "mp3 in wav": riff(fmt(tag=0x55, bits=0, align=1), chunk(b"data", SAMPLES)),
    "unknown sub-format": riff(
        fmt(mask=3).replace(bytes.fromhex("00aa00389b71"), b"\xff" * 6), chunk(b"data", SAMPLES)
    ),
    "short format": riff(chunk(b"fmt ", b"\1\0\2\0\x44\xac\0\0"), chunk(b"data", SAMPLES)),
    "12 bits": riff(fmt(bits=12), chunk(b"data", SAMPLES)),
    "0 bits": riff(fmt(bits=0), chunk(b"data", SAMPLES)),
    "16-bit float": riff(fmt(tag=FLOAT), chunk(b"data", SAMPLES)),
    "0 channels": riff(fmt(channels=0), chunk(b"data", SAMPLES)),
    "65 channels": riff(fmt(channels=65), chunk(b"data", SAMPLES)),
    "65535 channels": riff(fmt(channels=65535), chunk(b"data", SAMPLES)),
    "0 Hz": riff(fmt(rate=0), chunk(b"data", SAMPLES)),
    "4 GHz": riff(fmt(rate=4_000_000_000), chunk(b"data", SAMPLES)),
    "block of 0": riff(fmt(align=0), chunk(b"data", SAMPLES)),
    "block of 3": riff(fmt(align=3), chunk(b"data", SAMPLES)),
    "sound before format": riff(chunk(b"data", SAMPLES), fmt()),
    "garbage among the chunks": riff(fmt(), b"\x01\x02\x03\x04\x05\0\0\0" + bytes(40)),
    "a hundred thousand chunks": riff(chunk(b"JUNK", b"") * 100_000, fmt(), chunk(b"data", SAMPLES)),
    "flac with 0 Hz": b"fLaC\x80\0\0\x22\x10\0\x10\0" + bytes(6) + b"\0\0\1\xf0" + bytes(40),
}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_what_can_never_be_right_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    path = write(tmp_path, REFUSALS[case])
    with pytest.raises(ReadError) as raised:
        inspect(path)
    assert "a.wav" in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.hint
    assert raised.value.path == path


def test_a_wav_whose_32_bit_size_wrapped_says_how_to_render_it() -> None:
    content = riff(fmt(), chunk(b"data", SAMPLES))
    source = Source(io.BytesIO(content), 5_000_000_000, Path("long.wav"))
    with pytest.raises(ReadError) as raised:
        riff_container.parse(source)
    assert "RF64" in raised.value.hint


def test_more_than_six_hours_is_refused() -> None:
    six_hours = 6 * 3600 * 8000
    for extra, refused in ((0, False), (2, True)):
        content = riff(fmt(channels=1, bits=8, rate=8000), chunk(b"data", b"", six_hours + extra))
        source = Source(io.BytesIO(content), len(content) + six_hours + extra, Path("long.wav"))
        if refused:
            with pytest.raises(ReadError, match="limit"):
                riff_container.parse(source)
        else:
            assert riff_container.parse(source).state == "complete"


PLAIN = [
    ("WAV", "PCM_16"),
    ("WAVEX", "FLOAT"),
    ("RF64", "PCM_24"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_24"),
    ("AIFF", "FLOAT"),
]


@pytest.mark.parametrize(("container", "subtype"), PLAIN)
def test_no_beginning_of_a_file_is_complete_and_none_is_refused(tmp_path: Path, container: str, subtype: str) -> None:
    path = tmp_path / "a.bin"
    soundfile.write(path, pink_noise(seconds=0.0005).T, 44100, format=container, subtype=subtype)
    whole = path.read_bytes()
    for length in range(len(whole)):
        assert inspect(write(tmp_path, whole[:length])).state in ("unfinished", "truncated"), length


def test_half_of_an_ogg_has_no_last_page(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, pink_noise(seconds=3).T, 44100, format="OGG", subtype="VORBIS")
    whole = path.read_bytes()
    last = whole.rfind(b"OggS")
    for length in (len(whole) // 2, len(whole) - 3, last, last + 10):
        with pytest.raises(ReadError, match=r"a\.ogg is (not finished|cut short)"):
            require_complete(write(tmp_path, whole[:length], "a.ogg"))


@pytest.mark.parametrize("container", ["WAV", "RF64", "W64", "AIFF", "FLAC"])
def test_a_file_that_libsndfile_still_writes_is_unfinished(tmp_path: Path, container: str) -> None:
    path = tmp_path / "a.bin"
    with soundfile.SoundFile(path, "w", 44100, 2, format=container, subtype="PCM_16") as file:
        assert inspect(path).state == "unfinished"
        file.write(pink_noise(seconds=1).T)
        file.flush()
        header = inspect(path)
        unknown = header.state == "complete" and header.format is not None and header.format.frames == 0
        assert header.state == "unfinished" or (container == "FLAC" and unknown)
    assert inspect(path).state == "complete"


def test_an_m4a_needs_its_index_and_all_of_its_sound(tmp_path: Path) -> None:
    def atom(name: bytes, *content: bytes) -> bytes:
        body = b"".join(content)
        return struct.pack(">I4s", 8 + len(body), name) + body

    entry = struct.pack(">I4s6xH8xHHHHI", 36, b"mp4a", 1, 2, 16, 0, 0, 48000 << 16)
    index = atom(
        b"moov",
        atom(b"mvhd", bytes(100)),
        atom(
            b"trak",
            atom(
                b"mdia",
                atom(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 48000, 96000, 0)),
                atom(b"hdlr", bytes(8), b"soun", bytes(12)),
                atom(b"minf", atom(b"stbl", atom(b"stsd", struct.pack(">II", 0, 1), entry))),
            ),
        ),
    )
    head, sound = atom(b"ftyp", b"M4A \0\0\0\0"), atom(b"mdat", bytes(4000))
    shape = inspect(write(tmp_path, head + sound + index)).format
    assert shape is not None
    assert (shape.sample_rate, shape.channels, shape.frames, shape.subtype) == (48000, 2, 96000, "AAC")
    assert inspect(write(tmp_path, head + sound)).state == "unfinished"
    assert inspect(write(tmp_path, head + index + sound[:-9])).state == "truncated"
    with pytest.raises(ReadError, match="neither AAC nor ALAC"):
        inspect(write(tmp_path, head + sound + index.replace(b"mp4a", b"ac-3")))
    with pytest.raises(ReadError, match="no sound track"):
        inspect(write(tmp_path, head + sound + index.replace(b"soun", b"vide")))


def test_folders_missing_files_and_pipes_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="is a folder"):
        inspect(tmp_path)
    with pytest.raises(ReadError, match="does not exist"):
        inspect(tmp_path / "nothing.wav")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        with pytest.raises(ReadError, match="no regular file"):
            inspect(tmp_path / "pipe.wav")


def seeds() -> list[bytes]:
    """One small good file of every family."""
    found = [GOOD, rf64(SAMPLES), riff(fmt(tag=FLOAT, bits=32, mask=3), chunk(b"data", SAMPLES))]
    for container, subtype in (
        ("W64", "PCM_16"),
        ("AIFF", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", None),
    ):
        file = io.BytesIO()
        soundfile.write(file, pink_noise(seconds=0.05).T, 44100, format=container, subtype=subtype)
        found.append(file.getvalue())
    return found


SEEDS = seeds()


class Counting(io.BytesIO):
    """Counts the bytes asked for."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0
        self.asked += size
        return super().read(size)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 160), st.binary(min_size=1, max_size=8)), max_size=4),
    cut=st.integers(0, 4000),
)
def test_no_mutation_gives_anything_but_a_verdict_or_a_refusal(
    seed: bytes, changes: list[tuple[int, bytes]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(seed)
    for offset, new in changes:
        content[offset : offset + len(new)] = new
    path = write(tmp_path_factory.getbasetemp(), bytes(content[: len(content) - cut]), "mutated.wav")
    try:
        header = inspect(path)
    except ReadError:
        return
    assert header.state in ("complete", "unfinished", "truncated")
    if header.state == "complete":
        assert header.format is not None
        assert 1 <= header.format.channels <= 64
        assert 8000 <= header.format.sample_rate <= 384000
        assert header.data_offset + header.data_bytes <= path.stat().st_size


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_no_mutation_decodes_to_anything_but_all_its_frames_or_a_refusal(
    seed: bytes, changes: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(seed)
    for offset, new in changes:
        content[offset % len(content) : offset % len(content) + len(new)] = new
    folder = tmp_path_factory.getbasetemp()
    path = write(folder, bytes(content), "mutated.wav")
    done = [0]
    try:
        with open_sound(path, folder) as sound:
            scan(sound, progress=done.append)
            assert done[-1] == sound.format.frames
    except ReadError:
        pass
    assert not list(folder.glob("decoded-*"))


def test_metadata_of_any_size_is_skipped_and_not_read() -> None:
    content = riff(chunk(b"id3 ", bytes(50_000_000)), fmt(), chunk(b"data", SAMPLES))
    file = Counting(content)
    assert riff_container.parse(Source(file, len(content), Path("a.wav"))).state == "complete"
    assert file.asked < 4096


def test_the_parent_process_can_look_at_headers_without_numpy() -> None:
    code = "import sys, bridge.audio.header; print([m for m in ('numpy', 'soundfile', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
