"""What is written is exact, deterministic, whole, and never half there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio import wave_file, write
from bridge.audio.header import inspect, require_complete
from bridge.audio.read import open_sound
from bridge.audio.write import SoundWriter
from bridge.errors import DeliveryError, DestinationError, NoSpaceError
from tests.audio.test_reading import integers
from tests.signals import pink_noise

FORMATS = [
    ("WAV", "FLOAT"),
    ("WAV", "PCM_24"),
    ("WAV", "PCM_16"),
    ("AIFF", "FLOAT"),
    ("AIFF", "PCM_24"),
    ("AIFF", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("FLAC", "PCM_16"),
]


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_what_is_written_in_blocks_is_read_by_others_exactly(
    tmp_path: Path, container: str, subtype: str, channels: int
) -> None:
    sound = pink_noise(channels=channels, seconds=0.3)[:, :12345]
    path = tmp_path / "絆 ä.bin"
    with SoundWriter(path, sample_rate=96000, channels=channels, subtype=subtype, container=container) as writer:
        for start in range(0, 12345, 1000):
            writer.write(sound[:, start : start + 1000])
        assert writer.frames == 12345
    found, rate = soundfile.read(path, dtype="float64", always_2d=True)
    steps = {"FLOAT": None, "PCM_24": 2.0**23, "PCM_16": 2.0**15}[subtype]
    expected = sound.astype(np.float64) if steps is None else np.rint(sound.astype(np.float64) * steps) / steps
    assert rate == 96000
    np.testing.assert_array_equal(found.T, expected)
    header = require_complete(path).format
    assert header is not None
    assert (header.container, header.subtype, header.frames) == (container, subtype, 12345)


@pytest.mark.parametrize(("container", "subtype"), [one for one in FORMATS if one[1] != "FLOAT"])
def test_integers_come_back_bit_for_bit(tmp_path: Path, container: str, subtype: str) -> None:
    values = integers(5001, 24 if subtype == "PCM_24" else 16)
    path = tmp_path / "a.bin"
    with SoundWriter(path, sample_rate=44100, channels=2, subtype=subtype, container=container) as writer:
        writer.write_integers(values)
    with open_sound(path, tmp_path) as sound:
        np.testing.assert_array_equal(sound.read_integers(0, 5001), values)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_fixed_point_rounds_to_nearest_and_never_wraps(tmp_path: Path, subtype: str, bits: int) -> None:
    step = 2.0 ** (1 - bits)
    values = [0.4 * step, 0.6 * step, -0.6 * step, 0.5 * step, 1.5 * step, 1.0 - step, 1.0, 1.5, -1.0, -1.5, 9e9]
    path = tmp_path / "a.wav"
    with SoundWriter(path, sample_rate=44100, channels=1, subtype=subtype, container="WAV") as writer:
        writer.write(np.array([values], np.float32))
    top = 2 ** (bits - 1)
    found = soundfile.read(path, dtype="int32")[0] >> (32 - bits)
    assert found.tolist() == [0, 1, -1, 0, 2, top - 1, top - 1, top - 1, -top, -top, top - 1]


def test_full_scale_noise_of_24_bits_survives_float_and_back(tmp_path: Path) -> None:
    values = integers(100_000, 24)
    path = tmp_path / "a.wav"
    with SoundWriter(path, sample_rate=44100, channels=2, subtype="PCM_24", container="WAV") as writer:
        writer.write((values / 2.0**31).astype(np.float32))
    with open_sound(path, tmp_path) as sound:
        np.testing.assert_array_equal(sound.read_integers(0, 100_000), values)


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_equal_calls_make_equal_bytes(
    tmp_path: Path, container: str, subtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, pieces in (("a", 1), ("b", 7)):
        with SoundWriter(
            tmp_path / name, sample_rate=44100, channels=2, subtype=subtype, container=container
        ) as writer:
            for block in np.array_split(pink_noise(seconds=0.2), pieces, axis=1):
                writer.write(block)
        if name == "a":
            os.utime(tmp_path / name, (0, 0))
    first, second = ((tmp_path / name).read_bytes() for name in "ab")
    assert first == second
    assert b"PEAK" not in first or first[first.index(b"PEAK") + 12 : first.index(b"PEAK") + 16] == bytes(4)


@pytest.mark.parametrize("limit", [0, 20_000, 10**9])
@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24"])
def test_a_file_that_outgrows_32_bits_becomes_rf64(
    tmp_path: Path, limit: int, subtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wave_file, "LARGEST_RIFF_BYTES", limit)
    noise = pink_noise(channels=1, seconds=0.3)[:, :13_001]
    path = tmp_path / "a.wav"
    with SoundWriter(path, sample_rate=44100, channels=1, subtype=subtype, container="WAV") as writer:
        writer.write(noise)
    container = "WAV" if limit == 10**9 else "RF64"
    header = require_complete(path)
    assert header.format is not None
    assert (header.format.container, header.format.frames) == (container, 13_001)
    assert header.reason == ""
    assert soundfile.info(path).format == container
    assert soundfile.info(path).frames == 13_001
    with open_sound(path, tmp_path) as sound:
        assert np.abs(sound.read(0, 13_001) - noise).max() <= 2.0**-23


@pytest.mark.parametrize(("channels", "mask"), [(1, 0x4), (2, 0), (2, 0x3), (6, 0), (6, 0x3F), (6, 0x60F), (64, 0)])
def test_the_speaker_mask_is_kept(tmp_path: Path, channels: int, mask: int) -> None:
    path = tmp_path / "a.wav"
    with SoundWriter(
        path, sample_rate=48000, channels=channels, subtype="PCM_24", container="WAV", channel_mask=mask
    ) as writer:
        writer.write(pink_noise(channels=channels, seconds=0.01))
    header = inspect(path).format
    assert header is not None
    assert header.channel_mask == mask
    assert soundfile.info(path).channels == channels


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_after_an_error_nothing_is_left(tmp_path: Path, container: str, subtype: str) -> None:
    path = tmp_path / "a.bin"
    writer = SoundWriter(path, sample_rate=44100, channels=2, subtype=subtype, container=container)
    with pytest.raises(KeyboardInterrupt), writer:  # noqa: PT012
        writer.write(pink_noise(seconds=0.1))
        assert inspect(path).state != "complete" or container == "FLAC"
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_never_written(tmp_path: Path, bad: float) -> None:
    noise = pink_noise(seconds=0.1)
    noise[0, 7] = bad
    writer = SoundWriter(tmp_path / "a.wav", sample_rate=44100, channels=2, subtype="PCM_24", container="WAV")
    with pytest.raises(DeliveryError, match="not a number"), writer:
        writer.write(noise)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"mine")
    writer = SoundWriter(path, sample_rate=44100, channels=2, subtype="FLOAT", container="WAV")
    with pytest.raises(DeliveryError, match="exists already"), writer:
        pass
    assert path.read_bytes() == b"mine"


def test_a_missing_folder_is_a_destination_error(tmp_path: Path) -> None:
    writer = SoundWriter(tmp_path / "no" / "a.wav", sample_rate=44100, channels=2, subtype="FLOAT", container="WAV")
    with pytest.raises(DestinationError, match="Cannot write"), writer:
        pass


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_errors_of_the_system_become_ours_and_leave_nothing(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    expected = NoSpaceError if code == errno.ENOSPC else DestinationError
    writer = SoundWriter(tmp_path / "a.wav", sample_rate=44100, channels=2, subtype="FLOAT", container="WAV")
    with pytest.raises(expected), writer:
        writer.write(pink_noise(seconds=0.1))
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from bridge.audio.write import SoundWriter
from bridge.errors import BridgeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
noise = np.random.default_rng(1).standard_normal((2, 44100)).astype(np.float32) * np.float32(0.1)
try:
    path, container = Path(sys.argv[1]), sys.argv[2]
    with SoundWriter(path, sample_rate=44100, channels=2, subtype="PCM_24", container=container) as writer:
        for _ in range(20):
            writer.write(noise)
except BridgeError as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to set")
@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF"])
def test_a_disk_that_stops_taking_bytes_is_an_error_and_leaves_nothing(tmp_path: Path, container: str) -> None:
    path = tmp_path / "a.bin"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), container], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() in ("DestinationError", "DeliveryError", "NoSpaceError"), done.stderr
    assert not done.stderr
    assert not list(tmp_path.iterdir())


def test_what_a_container_cannot_hold_is_refused_before_any_work(tmp_path: Path) -> None:
    cases = [("FLAC", "FLOAT", 2, None), ("FLAC", "PCM_24", 9, None), ("AIFF", "PCM_24", 2, 800_000_000)]
    for container, subtype, channels, frames in cases:
        with pytest.raises(DeliveryError) as raised:
            SoundWriter(
                tmp_path / "a",
                sample_rate=44100,
                channels=channels,
                subtype=subtype,
                container=container,
                frames=frames,
            )
        assert "wav" in raised.value.hint
    with pytest.raises(ValueError, match="3 channels"):  # noqa: SIM117
        with SoundWriter(tmp_path / "a", sample_rate=44100, channels=2, subtype="FLOAT", container="WAV") as writer:
            writer.write(pink_noise(channels=3, seconds=0.1))


def test_an_aiff_that_grows_too_large_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_LARGEST_AIFF_BYTES", 50_000)
    writer = SoundWriter(tmp_path / "a.aif", sample_rate=44100, channels=2, subtype="PCM_24", container="AIFF")
    with pytest.raises(DeliveryError, match="AIFF cannot hold"), writer:  # noqa: PT012
        for _ in range(20):
            writer.write(pink_noise(seconds=0.02))
    assert not list(tmp_path.iterdir())


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 50), max_size=6),
    channels=st.integers(1, 5),
    format_index=st.integers(0, len(FORMATS) - 1),
)
def test_any_cutting_into_blocks_gives_a_file_that_reads_back(
    lengths: list[int], channels: int, format_index: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    container, subtype = FORMATS[format_index]
    folder = tmp_path_factory.mktemp("blocks")
    noise = pink_noise(channels=channels, seconds=0.01)
    blocks = [noise[:, :length] for length in lengths]
    path = folder / "a.bin"
    with SoundWriter(path, sample_rate=44100, channels=channels, subtype=subtype, container=container) as writer:
        for block in blocks:
            writer.write(block)
    expected = np.concatenate([noise[:, :0], *blocks], axis=1)
    if not expected.size:
        assert inspect(path).state == "unfinished"
        return
    with open_sound(path, folder) as sound:
        found = sound.read(0, 10_000)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= (0.0 if subtype == "FLOAT" else 2.0**-15 / 1.9)
