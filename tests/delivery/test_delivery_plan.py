"""A plan is decided before anything is computed: every file, its format, and room for its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.delivery.names import safe_name, same_name_key
from bridge.delivery.plan import plan_drop
from bridge.domain.drop import DropPlan
from bridge.domain.preset import OutputOptions
from bridge.domain.render import AudioFormat
from bridge.errors import DeliveryError

SOURCE = AudioFormat(sample_rate=48000, channels=2, frames=48000, subtype="PCM_24", container="WAV")
OUTBOX = Path("/home/someone/StemBridge/outbox")


def plan(
    name: str = "song",
    stems: tuple[str, ...] = ("vocals", "other"),
    printed: tuple[str, ...] = (),
    output: OutputOptions = OutputOptions(),  # noqa: B008 - frozen
    source: AudioFormat = SOURCE,
    outbox: Path = OUTBOX,
    platform: str = "linux",
) -> DropPlan:
    return plan_drop(
        name=name, stems=stems, printed=printed, output=output, source=source, outbox=outbox, platform=platform
    )


def test_a_drop_holds_what_was_asked_the_dry_stem_where_a_chain_prints_and_the_original() -> None:
    assert [(one.stem, one.kind, str(one.path)) for one in plan(printed=("vocals",)).files] == [
        ("vocals", "stem", "stems/song - Vocals.wav"),
        ("other", "stem", "stems/song - Other.wav"),
        ("vocals", "dry", "dry/song - Vocals (dry).wav"),
        ("mix", "mix", "mix/song.wav"),
    ]
    wet_only = plan(printed=("vocals",), output=OutputOptions(dry=False))
    assert [one.kind for one in wet_only.files] == ["stem", "stem", "mix"]


@pytest.mark.parametrize(
    ("render", "wanted", "format_", "delivered"),
    [
        ("PCM_16", "source", "wav", "PCM_16"),
        ("PCM_24", "source", "aiff", "PCM_24"),
        ("PCM_U8", "source", "wav", "PCM_16"),
        ("PCM_S8", "source", "aiff", "PCM_16"),
        ("PCM_32", "source", "wav", "FLOAT"),
        ("DOUBLE", "source", "wav", "FLOAT"),
        ("ULAW", "source", "wav", "FLOAT"),
        ("VORBIS", "source", "aiff", "FLOAT"),
        ("MPEG_LAYER_III", "source", "flac", "PCM_24"),
        ("PCM_16", "source", "flac", "PCM_16"),
        ("PCM_16", "FLOAT", "flac", "PCM_24"),
        ("PCM_16", "FLOAT", "wav", "FLOAT"),
        ("FLOAT", "PCM_16", "aiff", "PCM_16"),
    ],
)
def test_the_depth_follows_the_wish_the_render_and_what_the_container_holds(
    render: str, wanted: str, format_: str, delivered: str
) -> None:
    made = plan(
        output=OutputOptions(format=format_, subtype=wanted),  # type: ignore[arg-type]
        source=AudioFormat(48000, 2, 100, render, "WAV"),
    )
    assert (made.subtype, made.container) == (delivered, format_.upper())


@pytest.mark.parametrize(
    ("container", "suffix"),
    [("WAV", ".wav"), ("RF64", ".wav"), ("W64", ".w64"), ("AIFF", ".aiff"), ("FLAC", ".flac"), ("OGG", ".ogg"),
     ("MP3", ".mp3"), ("M4A", ".m4a")],
)  # fmt: skip
def test_the_archived_original_keeps_its_container(container: str, suffix: str) -> None:
    source = AudioFormat(48000, 2, 100, "PCM_16", container)  # type: ignore[arg-type]
    mix = plan(source=source, output=OutputOptions(format="flac")).file("mix", "mix")
    assert mix is not None
    assert mix.path.name == f"song{suffix}"


def test_a_container_that_cannot_hold_the_sound_is_an_error_before_any_work() -> None:
    wide = AudioFormat(48000, 9, 100, "PCM_24", "WAV")
    long = AudioFormat(96000, 2, 96000 * 3600 * 2, "PCM_24", "WAV")
    for source, format_ in ((wide, "flac"), (long, "aiff")):
        with pytest.raises(DeliveryError) as raised:
            plan(source=source, output=OutputOptions(format=format_))  # type: ignore[arg-type]
        assert "wav" in raised.value.hint
        plan(source=source)


@settings(max_examples=150, deadline=None)
@given(
    name=st.text(max_size=200),
    stems=st.lists(st.text(max_size=60), min_size=1, max_size=6, unique=True),
    outbox_length=st.integers(3, 110),
    platform=st.sampled_from(["win32", "linux"]),
)
def test_every_planned_file_can_be_made_on_every_system(
    name: str, stems: list[str], outbox_length: int, platform: str
) -> None:
    outbox = Path("/" + "x" * outbox_length)
    made = plan(name, tuple(stems), tuple(stems), outbox=outbox, platform=platform)
    assert len({same_name_key(str(one.path)) for one in made.files}) == 2 * len(stems) + 1
    for one in made.files:
        folder, file = one.path.parts
        assert folder in ("stems", "dry", "mix")
        assert safe_name(file, max_bytes=255) == file
        if platform == "win32":
            staged = outbox / ".staging" / ("0" * 40) / "drop" / one.path
            for path in (staged, outbox / f"{made.name} 99" / one.path):
                assert len(str(path).encode("utf-16-le")) // 2 <= 240


def test_an_outbox_too_deep_for_windows_is_refused_before_any_work() -> None:
    with pytest.raises(DeliveryError):
        plan(outbox=Path("/" + "x" * 200), platform="win32")
    assert plan(outbox=Path("/" + "x" * 200), platform="linux").name == "song"
