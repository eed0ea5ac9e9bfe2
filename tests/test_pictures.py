"""The README's pictures say what a drop holds: its tracks with their routes and waveforms, and what was printed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import soundfile

from bridge.delivery.publish import publish
from bridge.domain.drop import Drop
from bridge.domain.job import Job, SeparationOptions
from bridge.pipeline.process import process
from bridge.presets.shelf import find
from bridge.separation.separator import FakeSeparator
from docs import make_pictures
from tests.songs import mix_of, multitrack

RATE = 44100
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Drop:
    folder = tmp_path_factory.mktemp("pictures")
    render = folder / "Me & <you>.wav"
    soundfile.write(render, mix_of(multitrack(1.0, RATE, 2, seed=3)).T, RATE, subtype="FLOAT")
    options = SeparationOptions("htdemucs_mini")
    job = Job("job", render, folder / "outbox", render.stem, find("mix-ready"), options)
    return publish(process(job, lambda _: None, lambda: False, lambda _: FakeSeparator()))


def test_the_session_shows_every_track_where_it_goes_and_what_lies_on_it(drop: Drop, tmp_path: Path) -> None:
    make_pictures.session_picture(drop.folder, tmp_path / "session.svg")
    root = ET.parse(tmp_path / "session.svg").getroot()
    words = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert {"Drums", "Bass", "Other", "Vocals"} <= set(words)
    assert any(word.startswith("Me &") and word.endswith("(muted)") for word in words), "the original, muted"
    items = [word for word in words if word.endswith(("1 take", "2 takes"))]
    waveforms = list(root.iter(f"{SVG}polygon"))
    assert len(waveforms) == len(items) >= 5
    width = float(root.attrib["viewBox"].split()[2])
    for waveform in waveforms:
        xs = [float(point.split(",")[0]) for point in waveform.attrib["points"].split()]
        assert make_pictures.HEAD <= min(xs) < max(xs) <= width - make_pictures.RIGHT


def test_the_terminal_shows_every_line_as_it_was_printed(tmp_path: Path) -> None:
    make_pictures.terminal_picture("song.wav\n\n  stems/  (1 MB)\nnull   nothing & <more>\n", tmp_path / "terminal.svg")
    root = ET.parse(tmp_path / "terminal.svg").getroot()
    shown = "".join(root.itertext()).replace("\N{NO-BREAK SPACE}", " ")
    for line in ("$ stem-bridge demo", "song.wav", "  stems/  (1 MB)", "null   nothing & <more>"):
        assert line in shown
