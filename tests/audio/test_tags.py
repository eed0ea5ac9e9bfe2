"""Tags and artwork travel from a render to its stems, whatever the containers; hostile ones stay behind."""

from __future__ import annotations

import base64
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import mutagen
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutagen.flac import FLAC
from mutagen.flac import Picture as FlacPicture
from mutagen.id3 import APIC, COMM, ID3, TALB, TCON, TDRC, TIT2, TPE1, TRCK, TXXX, USLT

from bridge.audio.chunks import Chunks
from bridge.audio.header import inspect
from bridge.audio.read import open_sound
from bridge.audio.tag_read import read_tags
from bridge.audio.tags import LARGEST_PICTURE_BYTES, Picture, Tags, gathered, picture_of
from bridge.audio.write import SoundWriter
from bridge.domain.preset import OutputOptions
from tests.audio.raw_files import chunk, fmt, riff
from tests.signals import pink_noise

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
NOISE = pink_noise(sample_rate=48000)
FULL = Tags(
    (
        ("ALBUM", ("Straße 絆",)),
        ("ARTIST", ("One", "Two")),
        ("COMMENT", ("first line\nsecond line",)),
        ("DATE", ("2026-01-02",)),
        ("DISCNUMBER", ("1",)),
        ("GENRE", ("Dub",)),
        ("LYRICS", ("la\nla",)),
        ("MY OWN", ("x", "y")),
        ("TITLE", ("Søng",)),
        ("TRACKNUMBER", ("3",)),
        ("TRACKTOTAL", ("12",)),
    ),
    Picture("image/png", PNG),
)
Container = Literal["WAV", "FLAC", "AIFF"]


def written(path: Path, container: Container, tags: Tags) -> Path:
    path.unlink(missing_ok=True)
    with SoundWriter(
        path, sample_rate=48000, channels=2, subtype="PCM_24", container=container, chunks=Chunks(tags=tags)
    ) as sound:
        sound.write(NOISE)
    return path


@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF"])
def test_what_was_written_is_read_again_and_the_sound_is_the_same(tmp_path: Path, container: Container) -> None:
    with_tags = written(tmp_path / "with.x", container, FULL)
    without = written(tmp_path / "without.x", container, Tags())
    assert read_tags(with_tags) == (FULL, ())
    assert read_tags(without) == (Tags(), ())
    assert inspect(with_tags).state == "complete"
    with open_sound(with_tags, tmp_path) as one, open_sound(without, tmp_path) as other:
        assert one.format == other.format
        np.testing.assert_array_equal(one.read(0, 48000), other.read(0, 48000))
    assert written(tmp_path / "again.x", container, FULL).read_bytes() == with_tags.read_bytes()
    other_program = mutagen.File(with_tags)
    assert other_program is not None
    assert other_program.tags is not None


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1)
NAMES = st.sampled_from(["TITLE", "ARTIST", "GENRE", "COMMENT", "BPM", "MY OWN", "INITIALKEY", "ÜBEL", "A=B"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.dictionaries(NAMES, st.lists(WORDS, max_size=3), max_size=5))
def test_any_words_come_back_from_every_container(tmp_path: Path, found: dict[str, list[str]]) -> None:
    tags, _ = gathered(found, [])
    containers: tuple[Container, ...] = ("WAV", "FLAC", "AIFF")
    for container in containers:
        back, notices = read_tags(written(tmp_path / "any.x", container, tags))
        assert notices == ()
        assert {name: tuple(sorted(values)) for name, values in back.texts if name != "GENRE"} == {
            name: tuple(sorted(values)) for name, values in tags.texts if name != "GENRE"
        }


def test_the_title_says_which_stem_it_is_and_none_is_invented() -> None:
    assert FULL.for_stem("Vocals").first("TITLE") == "Søng (Vocals)"
    assert FULL.for_stem("Vocals").picture == FULL.picture
    untitled = Tags((("ARTIST", ("One",)),))
    assert untitled.for_stem("Vocals") == untitled
    assert Tags().for_stem("Vocals") == Tags()


def test_what_names_or_measures_the_mix_stays_behind() -> None:
    found = {
        "musicbrainz_trackid": ["id"],
        "MusicBrainz Album Id": ["id"],
        "ACOUSTID_ID": ["id"],
        "ISRC": ["GB"],
        "REPLAYGAIN_TRACK_GAIN": ["-7 dB"],
        "R128_TRACK_GAIN": ["-7"],
        "iTunNORM": ["0000"],
        "ENCODER": ["LAME"],
        "WAVEFORMATEXTENSIBLE_CHANNEL_MASK": ["0x3F"],
        "artist": ["One"],
    }
    assert gathered(found, []) == (Tags((("ARTIST", ("One",)),)), ())


def test_a_sidecar_overrules_what_the_file_says() -> None:
    better = FULL.overruled([("title", "Other"), ("Take", "7"), ("isrc", "GB"), ("a=b", "c"), ("mood", "\0")])
    assert better.first("TITLE") == "Other"
    assert better.first("TAKE") == "7"
    assert better.first("ARTIST") == "One"
    assert {name for name, _ in better.texts} == {name for name, _ in FULL.texts} | {"TAKE"}


def test_a_change_of_any_tag_has_another_digest() -> None:
    others = [Tags(), FULL.for_stem("Bass"), Tags(FULL.texts), Tags(FULL.texts, Picture("image/png", PNG + b"1"))]
    assert len({tags.digest() for tags in [FULL, *others]}) == 5
    assert Tags().digest() == ""


def add_id3(path: Path) -> None:
    file: Any = mutagen.File(path)
    file.add_tags()
    for frame in (
        TIT2(encoding=3, text="Søng"),
        TPE1(encoding=1, text=["One", "Two"]),
        TALB(encoding=0, text="Album"),
        TRCK(encoding=3, text="3/12"),
        TCON(encoding=0, text="(17)"),
        TDRC(encoding=0, text="2026"),
        COMM(encoding=3, lang="eng", desc="", text="Remark"),
        COMM(encoding=3, lang="eng", desc="iTunNORM", text="00000"),
        USLT(encoding=3, lang="eng", desc="", text="la"),
        TXXX(encoding=3, desc="replaygain_track_gain", text="-3 dB"),
        APIC(encoding=3, mime="image/jpeg", type=4, desc="back", data=b"\xff\xd8\xff back"),
        APIC(encoding=3, mime="image/gif", type=3, desc="front", data=PNG),
        APIC(encoding=3, mime="-->", type=3, desc="link", data=b"http://example.com/a.png"),
    ):
        file.tags.add(frame)
    file.save()


def add_comments(path: Path) -> None:
    file: Any = mutagen.File(path)
    cover = FlacPicture()
    cover.type, cover.mime, cover.data = 3, "image/png", PNG
    for name, values in {
        "Title": ["Søng"],
        "artist": ["One", "Two"],
        "ALBUM": ["Album"],
        "tracknumber": ["3/12"],
        "genre": ["Rock"],
        "date": ["2026"],
        "comment": ["Remark"],
        "lyrics": ["la"],
        "replaygain_track_gain": ["-3 dB"],
    }.items():
        file[name] = values
    if isinstance(file, FLAC):
        file.add_picture(cover)
    else:
        file["metadata_block_picture"] = base64.b64encode(cover.write()).decode()
    file.save()


@pytest.mark.parametrize(
    ("name", "subtype", "add"),
    [
        ("a.wav", "PCM_16", add_id3),
        ("a.aiff", "PCM_16", add_id3),
        ("a.mp3", None, add_id3),
        ("a.flac", None, add_comments),
        ("a.ogg", "VORBIS", add_comments),
        ("a.opus", "OPUS", add_comments),
    ],
)
def test_every_container_says_the_same(
    tmp_path: Path, name: str, subtype: str | None, add: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    soundfile.write(path, NOISE.T, 48000, subtype, format="OGG" if name.endswith(".opus") else None)
    add(path)
    tags, notices = read_tags(path)
    assert notices == ()
    assert dict(tags.texts) == {
        "TITLE": ("Søng",),
        "ARTIST": ("One", "Two"),
        "ALBUM": ("Album",),
        "TRACKNUMBER": ("3",),
        "TRACKTOTAL": ("12",),
        "GENRE": ("Rock",),
        "DATE": ("2026",),
        "COMMENT": ("Remark",),
        "LYRICS": ("la",),
    }
    assert tags.picture == Picture("image/png", PNG)


def test_plain_texts_of_wav_and_aiff_are_read_where_no_id3_says_better(tmp_path: Path) -> None:
    information = b"INFO" + chunk(b"INAM", b"Caf\xe9\0") + chunk(b"IART", "Zoë".encode()) + chunk(b"ISFT", b"REAPER")
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(), chunk(b"LIST", information), chunk(b"data", bytes(400))))
    assert read_tags(path) == (Tags((("ARTIST", ("Zoë",)), ("TITLE", ("Café",)))), ())
    soundfile.write(tmp_path / "a.aiff", NOISE.T, 48000)
    with (tmp_path / "a.aiff").open("r+b") as file:
        size = file.seek(0, 2)
        file.write(b"NAME" + struct.pack(">I", 4) + b"Song")
        file.seek(4)
        file.write(struct.pack(">I", size + 4))
    assert read_tags(tmp_path / "a.aiff")[0].first("TITLE") == "Song"


def test_an_old_mp3_tag_is_read_where_no_newer_one_is(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, NOISE.T, 48000)
    fields = b"Song".ljust(30) + b"Artist".ljust(30) + b"Album".ljust(30) + b"2026" + b"".ljust(28) + b"\0\x07\x11"
    path.write_bytes(path.read_bytes() + b"TAG" + fields)
    texts = dict(read_tags(path)[0].texts)
    assert (texts["TITLE"], texts["TRACKNUMBER"], texts["GENRE"]) == (("Song",), ("7",), ("Rock",))


def wave_with_id3(path: Path, tag: bytes) -> Path:
    path.write_bytes(riff(fmt(), chunk(b"data", bytes(400)), chunk(b"id3 ", tag)))
    return path


def id3_tag(*frames: bytes, version: int = 4) -> bytes:
    body = b"".join(frames)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, 0]) + size + body


def frame24(name: bytes, content: bytes, flags: int = 0) -> bytes:
    size = bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return name + size + struct.pack(">H", flags) + content


def peak_bytes_of(read: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [3, 4])
def test_a_compressed_frame_that_would_fill_the_memory_is_passed_over(tmp_path: Path, version: int) -> None:
    bomb = struct.pack(">I", 64 << 20) + zlib.compress(b"\x03" + b"A" * (64 << 20), 9)
    title = frame24(b"TIT2", b"\x03Song")
    if version == 4:
        tag = id3_tag(frame24(b"TALB", bomb, 0x0009), title)
    else:
        tag = id3_tag(b"TALB" + struct.pack(">IH", len(bomb), 0x0080) + bomb, title, version=3)
    path = wave_with_id3(tmp_path / "a.wav", tag)
    found: list[Any] = []
    assert peak_bytes_of(lambda: found.append(read_tags(path))) < 32 << 20
    assert found == [(Tags((("TITLE", ("Song",)),)), ())]


def test_a_million_frames_of_one_name_are_not_looked_at_in_turn(tmp_path: Path) -> None:
    one = frame24(b"COMM", b"\x03eng\0x")
    path = wave_with_id3(tmp_path / "a.wav", id3_tag(one * 30_000))
    tags, _ = read_tags(path)
    assert len(dict(tags.texts)["COMMENT"]) <= 500


def test_what_is_beyond_the_limits_is_left_out_and_said() -> None:
    tags, notices = gathered({"LYRICS": ["a" * 50_000], "TITLE": ["Song"]}, [PNG[:8] + bytes(LARGEST_PICTURE_BYTES)])
    assert tags == Tags((("TITLE", ("Song",)),))
    assert len(notices) == 2
    tags, notices = gathered({f"N{number}": ["x" * 19_000] for number in range(500)}, [])
    assert sum(len(value) for _, values in tags.texts for value in values) <= 200_000
    assert len(notices) == 1


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4", b"http://example.com", b"<svg onload=x>", b"RIFF....AVI "])
def test_a_picture_is_what_its_bytes_are(data: bytes) -> None:
    assert picture_of(data) is None


def test_a_tag_larger_than_the_budget_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    content = riff(fmt(), chunk(b"data", bytes(400)), b"id3 " + struct.pack("<I", 60 << 20))
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(len(content) + (60 << 20))
    assert peak_bytes_of(lambda: read_tags(path)) < 4 << 20
    tags, notices = read_tags(path)
    assert tags == Tags()
    assert "damaged or too large" in notices[0]


SAMPLES: dict[str, bytes] = {}


def sample(container: str) -> bytes:
    """Return a whole file of every kind that carries tags."""
    if not SAMPLES:
        for kind, subtype in (("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("MP3", None), ("FLAC", None), ("OGG", "VORBIS")):
            file = io.BytesIO()
            soundfile.write(file, NOISE[:, :4800].T, 48000, subtype, format=kind)
            file.seek(0)
            tagged: Any = mutagen.File(file)
            if tagged.tags is None:
                tagged.add_tags()
            if isinstance(tagged.tags, ID3):
                tagged.tags.add(TIT2(encoding=3, text="Song"))
                tagged.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=PNG))
            else:
                tagged["title"] = "Song"
            file.seek(0)
            tagged.save(file)
            SAMPLES[kind] = file.getvalue()
    return SAMPLES[container]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    container=st.sampled_from(["WAV", "AIFF", "MP3", "FLAC", "OGG"]),
    cut=st.floats(0.0, 1.0),
    places=st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 255)), max_size=12),
)
def test_damaged_tags_never_break_a_job(
    tmp_path: Path, container: str, cut: float, places: list[tuple[float, int]]
) -> None:
    from bridge.errors import ReadError

    content = bytearray(sample(container))
    start = content.find(b"Song") - 60
    for place, value in places:
        content[max(0, start) + int(place * 120)] = value
    path = tmp_path / "hostile"
    path.write_bytes(content if cut > 0.5 else content[: int(len(content) * 2 * cut)])
    try:
        inspect(path)
    except ReadError:
        return
    tags, notices = read_tags(path)
    assert isinstance(tags, Tags)
    assert all(sentence.endswith(".") for sentence in notices)


def test_stems_of_a_drop_carry_tags_in_every_format(tmp_path: Path) -> None:
    from tests.pipeline.desks import Desk

    desk = Desk(tmp_path)
    render = desk.render(seconds=1.0)
    file: Any = mutagen.File(render)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="Song"))
    file.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=PNG))
    file.save()
    before = render.read_bytes()
    for container in ("wav", "flac", "aiff"):
        drop = desk.run(desk.job(render, output=OutputOptions(format=container, subtype="PCM_24")))
        stems = sorted((drop.folder / "stems").iterdir())
        assert len(stems) == 4
        for stem in stems:
            tags, _ = read_tags(stem)
            assert tags.first("TITLE") == f"Song ({stem.stem.rpartition(' - ')[2]})"
            assert tags.picture == Picture("image/png", PNG)
    assert render.read_bytes() == before
