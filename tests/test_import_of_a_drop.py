"""From a render to a REAPER project: a drop of the real pipeline, imported by its own script."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.chunks import Broadcast, Chunks
from bridge.audio.write import SoundWriter
from bridge.delivery.publish import publish
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.preset import OutputOptions
from bridge.pipeline.process import process
from bridge.presets.shelf import find
from bridge.separation.separator import FakeSeparator
from tests.reaper.standin.machine import Reaper
from tests.reaper.standin.sound import master
from tests.songs import mix_of, multitrack

RATE = 48000


@pytest.mark.parametrize(("preset", "subtype"), [("clean", "FLOAT"), ("clean", "PCM_16"), ("mix-ready", "PCM_24")])
def test_dry_stems_of_a_real_drop_null_against_the_render_at_its_place(
    tmp_path: Path, preset: str, subtype: str
) -> None:
    render = tmp_path / "Größe ]===] song.wav"
    mix = mix_of(multitrack(2.0, RATE, 2, seed=3))
    chunks = Chunks(Broadcast(time_reference_frames=3 * RATE))
    with SoundWriter(render, sample_rate=RATE, channels=2, subtype="PCM_24", container="WAV", chunks=chunks) as sound:
        sound.write(mix)
    options, output = SeparationOptions("htdemucs_mini"), OutputOptions(subtype=subtype)
    job = Job("job", render, tmp_path / "outbox", render.stem, find(preset), options, output)
    drop = publish(process(job, lambda _: None, lambda: False, lambda _: FakeSeparator()))

    reaper = Reaper()
    reaper.project.pan_law = 0.5
    reaper.run(drop.import_script)
    tracks = reaper.project.tracks
    assert [track.name for track in tracks[:4]] == ["Drums", "Bass", "Other", "Vocals"]
    for track in tracks:
        # Only what the dry stems promise: no faders of the preset, no sends to effects.
        track.values |= {"D_VOL": 1.0, "D_PAN": 0.0}
        track.sends = [send for send in track.sends if track.items]
    for track in tracks[:4]:
        (item,) = track.items
        item.active = len(item.takes) - 1
    heard = master(reaper.project, sample_rate=RATE, frames=5 * RATE)
    rendered = soundfile.read(render, dtype="float64", always_2d=True)[0].T
    assert not heard[:, : 3 * RATE].any()
    limit = 2.0**-15 if subtype == "PCM_16" else 1e-6
    assert np.abs(heard[:, 3 * RATE : 5 * RATE] - rendered).max() <= limit
