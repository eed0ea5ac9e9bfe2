"""Frame ranges are exact, every encoding is read, and what breaks says where."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.read import open_sound, scan
from bridge.errors import ReadError
from tests.assertions import error_db
from tests.audio.raw_files import FLOAT, chunk, fmt, riff
from tests.signals import pink_noise, silence, sine

NEEDS_FFMPEG = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def integers(frames: int, bits: int, channels: int = 2) -> np.ndarray:
    """Left-justified integers with both extremes, (channels, frames) int32."""
    values = np.random.default_rng(7).integers(-(1 << (bits - 1)), 1 << (bits - 1), (channels, frames))
    values[:, :4] = [-(1 << (bits - 1)), (1 << (bits - 1)) - 1, 1, -1]
    return (values << (32 - bits)).astype(np.int32)


INTEGER_FILES = [
    ("WAV", "PCM_U8", 8),
    ("WAV", "PCM_16", 16),
    ("WAV", "PCM_24", 24),
    ("WAV", "PCM_32", 32),
    ("RF64", "PCM_24", 24),
    ("W64", "PCM_24", 24),
    ("AIFF", "PCM_S8", 8),
    ("AIFF", "PCM_16", 16),
    ("AIFF", "PCM_24", 24),
    ("FLAC", "PCM_16", 16),
    ("FLAC", "PCM_24", 24),
]


@pytest.mark.parametrize(("container", "subtype", "bits"), INTEGER_FILES)
def test_integer_files_are_read_bit_for_bit(tmp_path: Path, container: str, subtype: str, bits: int) -> None:
    values = integers(5000, bits)
    path = tmp_path / "ä 絆.bin"
    soundfile.write(path, values.T, 48000, format=container, subtype=subtype)
    with open_sound(path, tmp_path) as sound:
        assert sound.format.frames == 5000
        np.testing.assert_array_equal(sound.read_integers(0, 5000), values)
        whole = sound.read(0, 5000)
        np.testing.assert_array_equal(whole, (values / 2.0**31).astype(np.float32))
        assert whole.flags["C_CONTIGUOUS"]
        assert whole.dtype == np.float32


@pytest.mark.parametrize(("tag", "bits", "dtype"), [(FLOAT, 32, "<f4"), (FLOAT, 64, "<f8")])
def test_float_files_keep_what_lies_over_full_scale(tmp_path: Path, tag: int, bits: int, dtype: str) -> None:
    values = np.array([[0.5, -1.75, 3.0, 1e-30], [0.1, -0.0, 1.0, -1.0]])
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(tag=tag, bits=bits), chunk(b"data", values.T.astype(dtype).tobytes())))
    with open_sound(path, tmp_path) as sound:
        np.testing.assert_array_equal(sound.read(0, 4), values.astype(np.float32))


@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)]
)
def test_ranges_in_any_order_are_what_the_whole_says(tmp_path: Path, container: str, subtype: str | None) -> None:
    path = tmp_path / "a.bin"
    soundfile.write(path, pink_noise(seconds=2).T, 44100, format=container, subtype=subtype)
    with open_sound(path, tmp_path) as sound:
        frames = sound.format.frames
        whole = sound.read(0, frames + 1000)
        assert whole.shape == (2, frames)
        for start, count in ((70000, 1), (0, 4096), (4096, 4096), (frames - 5, 100), (123, 0), (33333, 9999), (5, 7)):
            np.testing.assert_array_equal(sound.read(start, count), whole[:, start : start + count])
        assert sound.read(frames, 10).shape == (2, 0)
        assert sound.read(frames + 99, 10).shape == (2, 0)
        np.testing.assert_array_equal(np.concatenate(list(sound.blocks(777)), axis=1), whole)
        with pytest.raises(ValueError, match="no such frames"):
            sound.read(-1, 10)


@pytest.mark.parametrize(
    ("container", "subtype", "below_db"), [("OGG", "VORBIS", -15.0), ("OGG", "OPUS", -10.0), ("MP3", None, -10.0)]
)
def test_lossy_files_are_decoded_once_and_leave_nothing_behind(
    tmp_path: Path, container: str, subtype: str | None, below_db: float
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    tone = sine(sample_rate=48000, seconds=2)
    path = tmp_path / "a.bin"
    soundfile.write(path, tone.T, 48000, format=container, subtype=subtype)
    with open_sound(path, work) as sound:
        assert len(list(work.iterdir())) == 1
        assert sound.format.container == container
        assert sound.format.frames == soundfile.info(path).frames
        heard = sound.read(0, tone.shape[1])
        assert error_db(heard, tone[:, : heard.shape[1]]) < below_db
    assert not list(work.iterdir())


def flac_without_length(content: bytes) -> bytes:
    """Blank the number of samples and the checksum, as an encoder that writes to a pipe leaves them."""
    return content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + bytes(16) + content[42:]


def test_a_flac_without_a_length_is_read_whole(tmp_path: Path) -> None:
    values = integers(50_000, 16)
    path = tmp_path / "a.flac"
    soundfile.write(path, values.T, 44100, subtype="PCM_16")
    path.write_bytes(flac_without_length(path.read_bytes()))
    with open_sound(path, tmp_path) as sound:
        assert sound.format.frames == 50_000
        np.testing.assert_array_equal(sound.read(0, 50_000), (values / 2.0**31).astype(np.float32))


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 2)])
def test_an_mp3_without_a_length_is_read_whole(tmp_path: Path, rate: int, channels: int) -> None:
    tone = sine(sample_rate=rate, channels=channels, seconds=2.5)
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone.T, rate)
    content = path.read_bytes()
    assert b"Xing" in content[:64]
    second = content.index(content[:2], 4)  # the first MPEG frame is the Xing header
    path.write_bytes(content[second:] + b"TAG" + bytes(125))
    with open_sound(path, tmp_path) as sound:
        assert 0 <= sound.format.frames - tone.shape[1] < 3 * 1152
        assert scan(sound).levels.rms_db == pytest.approx(-15.0, abs=0.3)


@pytest.mark.parametrize(("container", "blank"), [("FLAC", False), ("FLAC", True), ("MP3", False), ("OGG", False)])
def test_half_of_a_compressed_file_is_never_taken_for_a_whole_one(tmp_path: Path, container: str, blank: bool) -> None:
    work = tmp_path / "work"
    work.mkdir()
    path = tmp_path / "a.bin"
    soundfile.write(path, pink_noise(seconds=3).T, 44100, format=container)
    content = path.read_bytes()
    half = content[: len(content) // 2]
    path.write_bytes(flac_without_length(half) if blank else half)
    with pytest.raises(ReadError) as raised, open_sound(path, work) as sound:
        scan(sound)
    assert raised.value.hint
    assert not list(work.iterdir())


def test_a_hole_in_a_flac_is_found_before_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, pink_noise(seconds=3).T, 44100, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(content)
    with pytest.raises(ReadError, match="breaks at"), open_sound(path, tmp_path) as sound:
        scan(sound)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_odd_chunks_that_libsndfile_stumbles_over_do_not_matter(tmp_path: Path, wide: bool, padded: bool) -> None:
    values = integers(30_000, 24)
    samples = np.ascontiguousarray(values.T).view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    chunks = [
        chunk(b"iXML", b"<a/>\n", pad=padded),
        fmt(bits=24),
        chunk(b"data", samples, 0xFFFFFFFF if wide else None),
    ]
    if wide:
        ds64 = struct.pack("<QQQI", 200 + len(samples), len(samples), 30_000, 0)
        chunks.insert(0, chunk(b"ds64", ds64))
    path = tmp_path / "a.wav"
    path.write_bytes(riff(*chunks, magic=b"RF64" if wide else b"RIFF", size=0xFFFFFFFF if wide else None))
    with open_sound(path, tmp_path) as sound:
        np.testing.assert_array_equal(sound.read_integers(0, 30_000), values)
        np.testing.assert_array_equal(sound.read_integers(20_000, 99), values[:, 20_000:20_099])
        assert scan(sound).levels.peak == 1.0


@pytest.mark.parametrize("name", ["x.raw", "-x.wav", "a%20{b}'\"`$;.wav", "e\u0301.wav", "n" * 200 + ".wav"])
def test_the_name_decides_nothing(tmp_path: Path, name: str) -> None:
    if os.name == "nt" and '"' in name:
        pytest.skip("no such name here")
    path = tmp_path / name
    soundfile.write(tmp_path / "a.wav", pink_noise(seconds=0.1).T, 44100, subtype="PCM_24")
    (tmp_path / "a.wav").rename(path)
    with open_sound(path, tmp_path) as sound:
        assert sound.format.frames == 4410


@NEEDS_FFMPEG
@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_m4a_is_decoded_by_ffmpeg(tmp_path: Path, codec: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    soundfile.write(tmp_path / "a.wav", sine(seconds=2, sample_rate=48000).T, 48000, subtype="PCM_16")
    path = tmp_path / "-a'%d.m4a"
    made = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.wav"), "-c:a", codec, f"file:{path}"]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    with open_sound(path, work) as sound:
        assert (sound.format.container, sound.format.subtype) == ("M4A", codec.upper())
        assert abs(sound.format.frames - 96000) <= 2048
        if codec == "alac":
            with open_sound(tmp_path / "a.wav", work) as original:
                np.testing.assert_array_equal(sound.read(0, 96000), original.read(0, 96000))
    assert not list(work.iterdir())
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ReadError):
        open_sound(path, work)
    assert not list(work.iterdir())


def test_without_ffmpeg_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def atom(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), name) + content

    entry = struct.pack(">I4s6xH8xHHHHI", 36, b"mp4a", 1, 2, 16, 0, 0, 48000 << 16)
    table = atom(b"minf", atom(b"stbl", atom(b"stsd", struct.pack(">II", 0, 1) + entry)))
    times = atom(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 48000, 96000, 0))
    media = atom(b"mdia", times + atom(b"hdlr", bytes(8) + b"soun" + bytes(12)) + table)
    path = tmp_path / "a.m4a"
    path.write_bytes(atom(b"ftyp", b"M4A ") + atom(b"mdat", bytes(99)) + atom(b"moov", atom(b"trak", media)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReadError, match="needs ffmpeg") as raised:
        open_sound(path, tmp_path)
    assert "install ffmpeg" in raised.value.hint or "winget install" in raised.value.hint


def test_the_same_sound_has_one_key_in_every_container(tmp_path: Path) -> None:
    values = integers(100_001, 16)
    keys = set()
    for index, (container, subtype) in enumerate(
        [
            ("WAV", "PCM_16"),
            ("WAV", "PCM_24"),
            ("WAV", "FLOAT"),
            ("WAV", "DOUBLE"),
            ("FLAC", "PCM_24"),
            ("AIFF", "PCM_16"),
        ]
    ):
        path = tmp_path / f"{index}.bin"
        samples = values.T if subtype.startswith("PCM") else values.T / 2.0**31
        soundfile.write(path, samples, 44100, format=container, subtype=subtype)
        with open_sound(path, tmp_path) as sound:
            keys.add(scan(sound).audio_key)
    assert len(keys) == 1
    for rate, samples in ((48000, values), (44100, values[:, :-1]), (44100, values[::-1])):
        soundfile.write(tmp_path / "b.wav", samples.T, rate, subtype="PCM_16")
        with open_sound(tmp_path / "b.wav", tmp_path) as sound:
            keys.add(scan(sound).audio_key)
    assert len(keys) == 4


def test_a_scan_measures_what_numpy_measures(tmp_path: Path) -> None:
    noise = pink_noise(seconds=5) + np.float32(0.25)
    noise[1] *= np.float32(0.5)
    soundfile.write(tmp_path / "a.wav", noise.T, 44100, subtype="FLOAT")
    done: list[int] = []
    with open_sound(tmp_path / "a.wav", tmp_path) as sound:
        found = scan(sound, progress=done.append)
    mono = noise.astype(np.float64).mean(axis=0)
    assert found.mean == pytest.approx(mono.mean(), rel=1e-12)
    assert found.std == pytest.approx(mono.std(ddof=1), rel=1e-12)
    assert found.levels.peak == np.abs(noise).max()
    assert found.levels.rms_db == pytest.approx(10 * np.log10(np.square(noise, dtype=np.float64).mean()))
    assert not found.silent
    assert done == sorted(done)
    assert done[-1] == noise.shape[1]
    header = f"stem-bridge sound 1: {44100} Hz, 2, 0x0\n".encode()
    assert found.audio_key == hashlib.sha256(header + noise.T.astype("<f4").tobytes()).hexdigest()


def test_silence_and_a_single_frame_have_defined_statistics(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", silence(seconds=1).T, 44100, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", np.full((1, 2), 0.5), 44100, subtype="FLOAT")
    with open_sound(tmp_path / "a.wav", tmp_path) as sound:
        nothing = scan(sound)
    with open_sound(tmp_path / "b.wav", tmp_path) as sound:
        one = scan(sound)
    assert (nothing.silent, nothing.mean, nothing.std) == (True, 0.0, 0.0)
    assert (one.silent, one.mean, one.std) == (False, 0.5, 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_sample_that_is_no_number_is_named(tmp_path: Path, bad: float) -> None:
    noise = pink_noise(seconds=4)
    noise[1, 100_000], noise[0, 150_000] = bad, bad
    soundfile.write(tmp_path / "a.wav", noise.T, 44100, subtype="FLOAT")
    with (
        open_sound(tmp_path / "a.wav", tmp_path) as sound,
        pytest.raises(ReadError, match=r"2\.268 s \(frame 100000\)"),
    ):
        scan(sound)
