"""The whole job without a network: an exact fake separates, everything else is real."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.chunks import Broadcast, Chunks, read_chunks
from bridge.audio.read import open_sound
from bridge.audio.write import SoundWriter
from bridge.delivery.manifest import read, verify
from bridge.delivery.plan import plan_drop
from bridge.delivery.stage import open_stage
from bridge.domain.drop import Drop
from bridge.domain.events import Notice, Progress, StageStarted
from bridge.domain.job import SeparationOptions
from bridge.domain.preset import OutputOptions
from bridge.domain.render import Marker
from bridge.domain.stems import StemBlock
from bridge.errors import Cancelled, DeliveryError, RenderError
from bridge.pipeline.progress import Watch
from bridge.pipeline.recording import Recording, StemBlocks
from bridge.presets.loader import parse
from bridge.separation.choice import choose_stems
from bridge.separation.separator import FakeSeparator
from tests.pipeline.desks import DRY, WET, Desk, stems_in
from tests.songs import mix_of, multitrack


@pytest.mark.parametrize("residual", ["other", "stem", "share"])
@pytest.mark.parametrize(
    ("sample_rate", "channels", "subtype"),
    [(44100, 2, "PCM_16"), (48000, 2, "PCM_24"), (96000, 1, "FLOAT"), (48000, 2, "DOUBLE"), (44100, 2, "PCM_32")],
)
def test_float_stems_keep_the_shape_and_sum_to_the_render(
    desk: Desk, residual: str, sample_rate: int, channels: int, subtype: str
) -> None:
    render = desk.render(sample_rate, channels, subtype)
    before = render.read_bytes()
    drop = desk.run(desk.job(render, separation=SeparationOptions("htdemucs_mini", residual=residual)))
    mix = soundfile.read(render, dtype="float32", always_2d=True)[0].T
    stems = stems_in(drop)
    for file in (drop.folder / "stems").iterdir():
        about = soundfile.info(file)
        assert (about.samplerate, about.channels, about.frames) == (sample_rate, channels, mix.shape[1])
        assert about.subtype == "FLOAT"
    loudest = max(1.0, *(np.abs(samples).max() for samples in stems.values()))
    assert np.abs(mix - sum(stems.values())).max() / loudest <= 1e-6
    manifest = read(drop.manifest)
    assert manifest.null_depth_db == "exact" or manifest.null_depth_db <= -120
    assert verify(drop.folder) == []
    assert render.read_bytes() == before
    assert not list((desk.folder / "outbox").glob(".staging*"))


@pytest.mark.parametrize("container", ["wav", "flac", "aiff"])
@pytest.mark.parametrize("depth", ["PCM_16", "PCM_24"])
def test_fixed_point_stems_of_a_fixed_point_render_null_to_exactly_zero(desk: Desk, container: str, depth: str) -> None:
    render = desk.render(44100, 2, depth)
    drop = desk.run(desk.job(render, output=OutputOptions(format=container, subtype="source")))
    mix = soundfile.read(render, dtype="int32", always_2d=True)[0].astype(np.int64)
    manifest = read(drop.manifest)
    paths = [drop.folder / file.path for file in manifest.files if file.kind == "stem"]
    assert {soundfile.info(path).subtype for path in paths} == {depth}
    total = sum(soundfile.read(path, dtype="int32", always_2d=True)[0].astype(np.int64) for path in paths)
    assert np.array_equal(total, mix)
    assert manifest.null_depth_db == "exact"
    assert manifest.output.common_gain_db == 0


def test_one_gain_for_all_when_a_printed_stem_would_clip(desk: Desk) -> None:
    render = desk.render(44100, 2, "PCM_24")
    loud = parse("version: 1\nname: l\nstems:\n  drums: {chain: [{Gain: {gain_db: 24}}]}\n", name="l")
    drop = desk.run(desk.job(render, preset=loud, output=OutputOptions(subtype="PCM_24")))
    manifest = read(drop.manifest)
    gain_db = manifest.output.common_gain_db
    assert gain_db < 0
    assert round(gain_db * 10) == pytest.approx(gain_db * 10)
    assert max(file.levels.peak for file in manifest.files if file.kind != "mix") <= 1.0
    wet, dry = stems_in(drop), stems_in(drop, "dry")
    assert np.abs(wet["drums"]).max() == pytest.approx(1.0, abs=0.02)
    mix = soundfile.read(render, dtype="float64", always_2d=True)[0].T
    total = dry["drums"] + wet["bass"] + wet["other"] + wet["vocals"]
    assert np.abs(total - mix * 10 ** (gain_db / 20)).max() <= 2**-24 * 1.01
    assert f"{-gain_db:g}" in (drop.folder / "import.lua").read_text(encoding="utf-8")


def test_an_empty_preset_changes_no_bit_and_a_printed_stem_brings_its_dry_one(desk: Desk) -> None:
    render = desk.render()
    dry, wet = desk.run(desk.job(render)), desk.run(desk.job(render, preset=WET))
    assert not (dry.folder / "dry").exists()
    untouched, printed, kept = stems_in(dry), stems_in(wet), stems_in(wet, "dry")
    assert set(kept) == {"vocals", "drums"}
    for stem in ("bass", "other"):
        assert np.array_equal(printed[stem], untouched[stem])
    for stem in ("vocals", "drums"):
        assert np.array_equal(kept[stem], untouched[stem])
    tails = {printed[stem].shape[1] for stem in ("vocals", "drums")}
    assert len(tails) == 1
    assert tails.pop() > untouched["vocals"].shape[1]
    # No dry one where the preset does not want it.
    bare = desk.run(desk.job(render, preset=WET, output=OutputOptions(dry=False)))
    assert stems_in(bare, "dry") == {}
    assert read(bare.manifest).null_depth_db is None


def test_a_bus_that_no_stem_of_the_job_goes_to_is_not_printed_and_the_user_is_told(desk: Desk) -> None:
    preset = parse(
        """
version: 1
name: buses
description: Two printed buses.
stems: {vocals: {bus: VOX}, drums: {bus: KIT, mute: true}, bass: {bus: LOW}}
buses: {VOX: {print: true}, KIT: {print: true}, LOW: {}}
""",
        name="buses",
    )
    drop = desk.run(desk.job(desk.render(), preset=preset))
    assert list(stems_in(drop, "bus")) == ["bus:VOX"]
    told = [event.message for event in desk.events if isinstance(event, Notice)]
    assert [sentence for sentence in told if "bus" in sentence] == [
        "The bus KIT was not printed: none of the stems of this job goes to it, or all are muted."
    ]


def test_the_same_job_makes_the_same_files(desk: Desk) -> None:
    render = desk.render()

    def contents(drop: Drop) -> dict[str, str]:
        files = [
            path for path in drop.folder.rglob("*") if path.is_file() and path.name not in ("drop.json", "drop.lua")
        ]
        return {str(p.relative_to(drop.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    first, second = (desk.run(desk.job(render, preset=WET)) for _ in range(2))
    assert (first.folder.name, second.folder.name) == (render.stem, f"{render.stem} 2")
    assert contents(first) == contents(second)
    assert read(first.manifest).drop_id == read(second.manifest).drop_id
    other = desk.run(desk.job(render, preset=DRY))
    assert read(other.manifest).drop_id != read(first.manifest).drop_id


def test_position_and_markers_of_the_render_are_carried_to_every_stem(desk: Desk) -> None:
    render = desk.folder / "placed.wav"
    chunks = Chunks(Broadcast(originator="REAPER", time_reference_frames=480000), (Marker(24000, "Verse 'é'"),))
    with SoundWriter(render, sample_rate=48000, channels=2, subtype="PCM_24", container="WAV", chunks=chunks) as sound:
        sound.write(mix_of(multitrack(1.0, 48000, 2, seed=2)))
    drop = desk.run(desk.job(render, preset=WET))
    manifest = read(drop.manifest)
    assert (manifest.origin.seconds, manifest.origin.source) == (10.0, "bext")
    assert [marker.name for marker in manifest.markers] == ["Verse 'é'"]
    files = [drop.folder / file.path for file in manifest.files if file.kind != "mix"]
    assert len(files) == 6
    for path in files:
        chunks = read_chunks(path)
        assert chunks.time_reference_frames == 480000
        assert [(marker.position_frames, marker.name) for marker in chunks.markers] == [(24000, "Verse 'é'")]


def test_a_job_that_is_taken_back_or_fails_leaves_nothing(desk: Desk) -> None:
    render = desk.render()

    class Failing(FakeSeparator):
        def estimates(self, *given):
            yield next(super().estimates(*given))
            raise RenderError("broken network")

    with pytest.raises(RenderError, match="broken network"):
        desk.run(desk.job(render), separator=Failing())
    for calls in range(0, 12, 3):
        left = [calls]

        def cancel(left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] < 0

        with pytest.raises(Cancelled):
            desk.run(desk.job(render, preset=WET), cancel=cancel)
        assert not any((desk.folder / "outbox").iterdir())


@pytest.mark.parametrize("kind", ["dry", "wet"])
def test_what_makes_the_sound_closes_its_files_before_whoever_asked_hears_that_no_more_can_be_written(
    kind: str, tmp_path: Path
) -> None:
    """A folder is not removed while a file in it is open, on Windows and on network disks."""
    stems, file = ("vocals", "other"), tmp_path / "mix.wav"
    soundfile.write(file, np.zeros((9, 2)), 44_100)
    with open_stage(tmp_path / "outbox", "job") as stage, open_sound(file, stage.work) as mix, ExitStack() as held:
        aside = held.enter_context(tempfile.TemporaryFile(dir=stage.work))

        def run(_: object = None) -> StemBlocks:
            with held:
                yield StemBlock(0, dict.fromkeys(stems, np.full((2, 9), np.nan, np.float32)))

        choice = choose_stems(stems, SeparationOptions())
        plan = plan_drop(
            name="a", stems=stems, printed={"vocals"}, output=OutputOptions(), source=mix.format, outbox=tmp_path
        )
        watch = Watch(lambda _: None, lambda: False)
        recording = Recording(plan, choice, {"vocals"}, stage, mix, Chunks(), watch)
        with pytest.raises(DeliveryError, match="is not a number") as caught:
            recording.wet(run) if kind == "wet" else recording.dry(run(), "separate")
        assert caught.tb is not None, "the work that failed is still at hand"
        assert aside.closed


def test_stages_come_in_order_and_progress_never_goes_back(desk: Desk) -> None:
    desk.run(desk.job(desk.render(), preset=WET, output=OutputOptions(subtype="PCM_24")))
    stages = [event.stage for event in desk.events if isinstance(event, StageStarted)]
    assert stages == ["read", "separate", "effects", "write", "check"]
    for stage in stages:
        done = [event.done_seconds for event in desk.events if isinstance(event, Progress) and event.stage == stage]
        assert done == sorted(done)
        assert done[-1] == pytest.approx(3.0)


def test_silence_and_one_frame_become_drops(desk: Desk) -> None:
    for name, samples in {"silence": np.zeros((48000, 2)), "frame": np.full((1, 1), 0.5)}.items():
        render = desk.folder / f"{name}.wav"
        soundfile.write(render, samples, 48000, subtype="PCM_24")
        drop = desk.run(desk.job(render, preset=WET))
        assert read(drop.manifest).null_depth_db == "exact"
        assert all(np.isfinite(made).all() for made in stems_in(drop).values())
        json.loads(drop.manifest.read_text(encoding="utf-8"))
    assert any(isinstance(event, Notice) and "silent" in event.message for event in desk.events)


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not have")
def test_the_name_of_a_render_may_be_anything_and_its_copy_stays_short(desk: Desk) -> None:
    for name in ("ö" * 120 + ".wav", "a:b|c?.wav", "no suffix", "song." + "x" * 100, ".wav", "take 1. "):
        render = desk.render().rename(desk.folder / name)
        lengths: list[int] = []

        def look(lengths: list[int] = lengths) -> bool:
            stages = (desk.folder / "outbox" / ".staging").iterdir()
            works = [stage / "work" for stage in stages if stage.is_dir()]
            lengths += [len(path.name.encode()) for work in works for path in work.iterdir()]
            return False

        drop = desk.run(desk.job(render), cancel=look)
        assert read(drop.manifest).null_depth_db == "exact" or read(drop.manifest).null_depth_db <= -120
        assert 0 < max(lengths) <= 49, "a longer one could pass the limit of Windows before the drop does"


def test_a_subset_is_delivered_alone_and_promises_no_sum(desk: Desk) -> None:
    options = SeparationOptions("htdemucs_mini", stems=("vocals", "bass"))
    drop = desk.run(desk.job(desk.render(), separation=options, output=OutputOptions(subtype="PCM_16")))
    assert list(stems_in(drop)) == ["bass", "vocals"]
    assert read(drop.manifest).null_depth_db is None


def test_vocals_and_instrumental_null_exactly(desk: Desk) -> None:
    render = desk.render(44100, 2, "PCM_16")
    options = SeparationOptions("htdemucs_mini", two_stems="vocals")
    drop = desk.run(desk.job(render, separation=options, output=OutputOptions(subtype="PCM_16")))
    assert list(stems_in(drop)) == ["vocals", "instrumental"]
    assert read(drop.manifest).null_depth_db == "exact"


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24", "PCM_16"])
@pytest.mark.parametrize("container", ["wav", "flac", "aiff"])
def test_checksums_taken_while_files_are_written_are_those_of_the_files(
    desk: Desk, container: str, subtype: str
) -> None:
    drop = desk.run(desk.job(desk.render(44100, 1), preset=WET, output=OutputOptions(container, subtype)))
    assert verify(drop.folder) == []
