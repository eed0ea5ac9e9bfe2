"""Jobs that take the stems of a drop instead of separating: the same result, and nothing lost where it cannot be."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bridge.audio.chunks import Broadcast, Chunks
from bridge.audio.write import SoundWriter
from bridge.delivery.manifest import read, verify
from bridge.domain.drop import Drop
from bridge.domain.events import StageStarted
from bridge.domain.preset import OutputOptions, Preset
from bridge.domain.render import Marker
from bridge.errors import Cancelled, ReadError, RenderError
from bridge.separation.separator import FakeSeparator
from tests.pipeline.desks import DRY, WET, Desk, stems_in
from tests.songs import mix_of, multitrack


def test_another_preset_on_a_drop_needs_no_separation(desk: Desk) -> None:
    class Refusing(FakeSeparator):
        def estimates(self, *_: object):
            raise AssertionError("separated again")

    render = desk.render(44100, 2, "PCM_24")
    for output in (OutputOptions(), OutputOptions(subtype="PCM_24")):
        first = desk.run(desk.job(render, preset=WET, output=output))
        again = desk.run(desk.job(render, preset=DRY, output=output, stems_from=first.folder), separator=Refusing())
        direct = desk.run(desk.job(render, preset=DRY, output=OutputOptions()))
        made, wanted = stems_in(again), stems_in(direct)
        for stem, samples in wanted.items():
            assert np.abs(made[stem] - samples).max() <= (0 if output.subtype == "FLOAT" else 2**-22)
        assert read(again.manifest).model == read(first.manifest).model
    touched = next((first.folder / "dry").iterdir())
    touched.write_bytes(touched.read_bytes()[:-4] + b"\0\0\1\0")
    with pytest.raises(RenderError, match="changed since it was delivered"):
        desk.run(desk.job(render, stems_from=first.folder))
    with pytest.raises(ReadError, match="another render"):
        desk.run(desk.job(desk.render(48000), stems_from=again.folder))


def as_slowly(drop: Drop) -> Drop:
    """The same drop as another version would have left it: nothing that it says is taken for measured."""
    content = json.loads(drop.manifest.read_text())
    content["versions"]["stem_bridge"] = "0.0.1"
    drop.manifest.write_text(json.dumps(content))
    return drop


@pytest.mark.parametrize("preset", [DRY, WET])
@pytest.mark.parametrize("first_preset", [DRY, WET])
@pytest.mark.parametrize("dry", [True, False])
def test_stems_that_are_taken_as_they_are_make_the_drop_that_writing_them_again_makes(
    desk: Desk, first_preset: Preset, preset: Preset, dry: bool
) -> None:
    render = desk.folder / "song.wav"
    chunks = Chunks(Broadcast(originator="REAPER", time_reference_frames=480000), (Marker(24000, "Verse"),))
    with SoundWriter(render, sample_rate=48000, channels=2, subtype="PCM_24", container="WAV", chunks=chunks) as sound:
        sound.write(mix_of(multitrack(1.0, 48000, 2, seed=2)))
    first = desk.run(desk.job(render, preset=first_preset))

    def again() -> tuple[dict[str, object], dict[str, bytes]]:
        desk.events.clear()
        output = OutputOptions(dry=dry)
        drop = desk.run(desk.job(render, name="again", preset=preset, output=output, stems_from=first.folder))
        told = read(drop.manifest).model_dump(exclude={"created", "timings"})
        assert verify(drop.folder) == []
        sounds = {path.name: path.read_bytes() for path in drop.folder.rglob("*.wav")}
        return told, sounds

    quick = again()
    assert "read" not in [event.stage for event in desk.events if isinstance(event, StageStarted)]
    as_slowly(first)
    assert quick == again()
    assert {"read", "copy"} <= {event.stage for event in desk.events if isinstance(event, StageStarted)}


def test_stems_that_were_touched_or_went_are_noticed_however_they_are_taken(desk: Desk) -> None:
    render = desk.render()
    drop = desk.run(desk.job(render))
    stem = drop.folder / next(file for file in read(drop.manifest).files if file.stem == "bass").path
    whole = stem.read_bytes()
    for slowly in (False, True):
        if slowly:
            as_slowly(drop)
        for content in (whole[:-4] + b"\0\0\1\0", whole[:-8], whole + b"\0" * 8, b"", None):
            stem.unlink(missing_ok=True)
            if content is not None:
                stem.write_bytes(content)
            with pytest.raises(RenderError, match=r"changed since it was delivered|no such file"):
                desk.run(desk.job(render, stems_from=drop.folder))
            assert [path.name for path in (desk.folder / "outbox").iterdir()] == [drop.folder.name]
        stem.unlink(missing_ok=True)
        stem.write_bytes(whole)


def test_stems_go_to_their_new_place_with_what_the_render_says_now(desk: Desk) -> None:
    render = desk.render()
    first = desk.run(desk.job(render))
    tagged = desk.run(desk.job(render, stems_from=first.folder, tags=(("TITLE", "Song"), ("ARTIST", "Nobody"))))
    for file in read(tagged.manifest).files:
        if file.kind == "stem":
            assert b"Nobody" in (tagged.folder / file.path).read_bytes()[:2000]
    assert read(tagged.manifest).null_depth_db == read(first.manifest).null_depth_db


def test_a_drop_made_of_a_drop_that_is_taken_back_leaves_it_whole(desk: Desk) -> None:
    render = desk.render()
    first = desk.run(desk.job(render))
    for last in range(6):
        calls = iter(range(1000))
        with pytest.raises(Cancelled):
            desk.run(
                desk.job(render, preset=WET, stems_from=first.folder),
                cancel=lambda calls=calls, last=last: next(calls) >= last,
            )
        assert verify(first.folder) == []
        assert [path.name for path in (desk.folder / "outbox").iterdir()] == [first.folder.name]
