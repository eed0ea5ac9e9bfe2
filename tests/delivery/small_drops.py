"""A complete small drop for tests of staging, manifest and publishing; its files are bytes, not sound."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

from bridge.delivery.manifest import Manifest, null_depth, sha256_of, write
from bridge.delivery.records import (
    FileRecord,
    LevelsRecord,
    MarkerRecord,
    MemberRecord,
    ModelRecord,
    OriginRecord,
    OutputRecord,
    PresetRecord,
    RenderRecord,
    TimingsRecord,
    Versions,
)
from bridge.delivery.stage import open_stage
from bridge.domain.drop import Staged
from bridge.domain.render import AudioFormat, FileIdentity, Levels, Marker, Origin, Render

__all__ = ["FORMAT", "manifest_of", "stage_drop"]

FORMAT = AudioFormat(sample_rate=48000, channels=2, frames=4, subtype="PCM_24", container="WAV", channel_mask=3)
LEVELS = Levels(peak=0.0, rms_db=-math.inf, lufs=-math.inf)
FILES = [
    ("vocals", "stem", "stems/song - Vocals.wav"),
    ("other", "stem", "stems/song - Other.wav"),
    ("mix", "mix", "mix/song.wav"),
]


def manifest_of(folder: Path) -> Manifest:
    """Write the files of a small drop into `folder` and describe them."""
    records = []
    for stem, kind, path in FILES:
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(stem.encode() * 100)
        records.append(
            FileRecord(
                stem=stem,
                kind=kind,
                path=path,
                bytes=file.stat().st_size,
                sha256=sha256_of(file),
                frames=FORMAT.frames,
                levels=LevelsRecord.of(LEVELS),
            )
        )
    render = Render(
        path=Path("caf\udce9 \N{HEADPHONE}.wav"),
        identity=FileIdentity(1, 2, 3, 4),
        sha256="a" * 64,
        audio_key="b" * 64,
        format=FORMAT,
        levels=LEVELS,
        origin=Origin(12.5, "bext"),
        markers=(Marker(1, "Ref\udcffrain\n"), Marker(2, "", 1)),
    )
    return Manifest(
        drop_id="0123456789abcdef",
        created=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
        versions=Versions(
            stem_bridge="0.1",
            torch="2.13",
            demucs="4.1",
            pedalboard="0.9",
            soundfile="0.13",
            python="3.11",
            platform="x",
        ),
        render=RenderRecord.of(render),
        origin=OriginRecord.of(render.origin),
        markers=tuple(MarkerRecord.of(marker) for marker in render.markers),
        model=ModelRecord(
            name="htdemucs",
            members=(MemberRecord(name="955717e8", sha256="c" * 64),),
            is_trial=False,
            device="cpu",
            overlap=0.25,
            shifts=0,
            residual="other",
            batch=1,
        ),
        preset=PresetRecord(name="clean", sha256="", printed=()),
        output=OutputRecord(format="wav", subtype="FLOAT"),
        files=tuple(records),
        null_depth_db=null_depth(-math.inf),
        timings=TimingsRecord(seconds={"separate": 2.5}, times_real_time=1.7),
        notices=("The render is silent; so are its stems",),
    )


def stage_drop(outbox: Path, job_id: str, name: str = "song") -> Staged:
    """Stage a complete small drop."""
    with open_stage(outbox, job_id) as stage:
        (stage.work / "scratch").write_bytes(b"scratch")
        write(stage.folder, manifest_of(stage.folder))
        stage.finish()
    return Staged(stage.folder, name, outbox)
