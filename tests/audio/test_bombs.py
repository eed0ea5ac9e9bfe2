"""Small files that decode to far more than they say, or say nothing: memory and disk stay bounded, and the job ends."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio import decode
from bridge.audio.header import inspect
from bridge.audio.read import open_sound
from bridge.errors import ReadError

BLOCK = 65535
"""Frames of the largest block that FLAC has."""


def crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def coded(number: int) -> bytes:
    """Write a number as FLAC does: UTF-8, of up to 31 bits."""
    if number < 0x80:
        return bytes([number])
    extra = next(count for count in range(1, 6) if number < 1 << (6 - count + 6 * count))
    lead = (0xFF << (7 - extra) & 0xFF) | number >> 6 * extra
    return bytes([lead, *(0x80 | number >> 6 * place & 0x3F for place in reversed(range(extra)))])


def flac_bomb(path: Path, *, blocks: int, sample_rate: int, channels: int, announced: int = 0) -> Path:
    """Write a FLAC of constant blocks: about 12 bytes and two for each channel hold 65535 frames of silence."""
    information = struct.pack(">HH", BLOCK, BLOCK) + bytes(6)
    packed = sample_rate << 44 | (channels - 1) << 41 | 15 << 36 | announced
    information += packed.to_bytes(8, "big") + bytes(16)
    with path.open("wb") as file:
        file.write(b"fLaC\x80" + len(information).to_bytes(3, "big") + information)
        for number in range(blocks):
            head = struct.pack(">H", 0xFFF8) + bytes([0x70, channels - 1 << 4 | 0x08])
            head += coded(number) + struct.pack(">H", BLOCK - 1)
            frame = head + bytes([crc8(head)]) + bytes(3) * channels
            file.write(frame + struct.pack(">H", crc16(frame)))
    return path


def test_the_bomb_of_these_tests_is_a_sound_file_as_any(tmp_path: Path) -> None:
    whole = flac_bomb(tmp_path / "a.flac", blocks=300, sample_rate=48000, channels=2)
    samples, rate = soundfile.read(whole, frames=3 * BLOCK, dtype="int16")
    assert (rate, samples.shape, samples.any()) == (48000, (3 * BLOCK, 2), False)
    with open_sound(whole, tmp_path) as sound:
        assert sound.format.frames == 300 * BLOCK
    assert whole.stat().st_size < 7000


def test_a_file_that_announces_no_length_and_never_ends_is_given_up(tmp_path: Path) -> None:
    frames = 3600 * 8000
    bomb = flac_bomb(tmp_path / "a.flac", blocks=2 * frames // BLOCK, sample_rate=8000, channels=1)
    assert bomb.stat().st_size < 100_000
    work = tmp_path / "work"
    work.mkdir()
    script = (
        "import resource, sys; from pathlib import Path; from bridge.audio.read import open_sound\n"
        "from bridge.errors import ReadError\n"
        "from bridge.audio import decode; decode.LONGEST_SECONDS = 3600  # six hours take long to decode\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: open_sound(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except ReadError as error: print(error.message)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    if sys.platform == "win32":
        script = script.replace("resource, ", "").replace("resource.getrusage(resource.RUSAGE_SELF).ru_maxrss", "0")
    said = subprocess.run([sys.executable, "-c", script, bomb, work], capture_output=True, check=True, text=True)
    message, grown = said.stdout.splitlines()
    assert message == f"a.flac decodes to more than the {frames} frames that it may have."
    assert int(grown) < 64 * 1024 * (1024 if sys.platform == "darwin" else 1), "kilobytes, of macOS bytes"
    assert list(work.iterdir()) == []


def test_the_disk_is_bounded_whatever_rate_and_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 16 << 20
    monkeypatch.setattr(decode, "_LARGEST_BYTES", most)
    largest = 0

    def written(samples: np.ndarray) -> None:
        nonlocal largest
        largest = max(largest, sum(one.stat().st_size for one in tmp_path.glob("decoded-*")))

    original = decode.SoundWriter._append

    def watched(writer: decode.SoundWriter, samples: np.ndarray) -> None:
        original(writer, samples)
        written(samples)

    monkeypatch.setattr(decode.SoundWriter, "_append", watched)
    bomb = flac_bomb(tmp_path / "a.flac", blocks=1000, sample_rate=384000, channels=8)
    with pytest.raises(ReadError, match="decodes to more than"):
        open_sound(bomb, tmp_path)
    assert 0 < largest <= most + 4096
    assert [one.name for one in tmp_path.iterdir()] == ["a.flac"]


def test_a_file_that_holds_more_than_it_announces_is_not_read_past_that(tmp_path: Path) -> None:
    bomb = flac_bomb(tmp_path / "a.flac", blocks=3000, sample_rate=48000, channels=8, announced=1000)
    with open_sound(bomb, tmp_path) as sound:
        assert sound.format.frames == 1000
        assert sound.read(0, 5000).shape == (8, 1000)


def test_an_ogg_whose_end_was_forged_gives_no_more_than_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, np.zeros((10 * 48000, 2), np.float32), 48000, "VORBIS")
    content = bytearray(path.read_bytes())
    last = content.rfind(b"OggS")
    content[last + 6 : last + 14] = (4800).to_bytes(8, "little")
    path.write_bytes(content)
    with open_sound(path, tmp_path) as sound:
        assert 0 < sound.format.frames <= 10 * 48000
    assert [one.name for one in tmp_path.iterdir()] == ["a.ogg"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="install ffmpeg to decode M4A")
def test_an_m4a_whose_index_is_forged_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    soundfile.write(tmp_path / "a.wav", np.zeros((60 * 48000, 1), np.float32), 48000, "PCM_16")
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-c:a", "aac", path], check=True)
    (tmp_path / "a.wav").unlink()
    with open_sound(path, tmp_path) as sound:
        assert abs(sound.format.seconds - 60) < 0.1
    content = bytearray(path.read_bytes())
    header = content.find(b"mdhd")
    content[header + 20 : header + 24] = (48000).to_bytes(4, "big")
    path.write_bytes(content)
    assert inspect(path).format is not None
    with pytest.raises(ReadError, match="decodes to more than the 48000 frames"):
        open_sound(path, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["a.m4a"]
