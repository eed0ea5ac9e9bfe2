"""Who plays a part: its notes, each at its time; recorded instruments and kits from their files."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from training import drumkits, fetch
from training.instruments import ensemble
from training.players import Note, notes, play
from training.sound import RATE


def part(*played: tuple[int, int, int, int], program: int = 0, channel: int = 0) -> mido.MidiFile:
    """(start, end, pitch, velocity) in thousandths of a second."""
    events = [(start, "note_on", pitch, velocity) for start, _, pitch, velocity in played]
    events += [(end, "note_off", pitch, 0) for _, end, pitch, _ in played]
    track = mido.MidiTrack([mido.Message("program_change", program=program, channel=channel)])
    now = 0
    for at, kind, pitch, velocity in sorted(events):
        track.append(mido.Message(kind, note=pitch, velocity=velocity, channel=channel, time=at - now))
        now = at
    song = mido.MidiFile(ticks_per_beat=500)  # at 120 BPM a tick is a thousandth of a second
    song.tracks.append(track)
    return song


def test_notes_are_where_the_part_has_them() -> None:
    found = notes(part((0, 500, 60, 127), (250, 400, 64, 64), (500, 900, 60, 1), program=30, channel=3))
    assert [(round(one.start, 3), round(one.seconds, 3), one.pitch) for one in found] == [
        (0.0, 0.5, 60), (0.25, 0.15, 64), (0.5, 0.4, 60)
    ]  # fmt: skip
    assert [round(one.loud * 127) for one in found] == [127, 64, 1]
    assert {(one.channel, one.program) for one in found} == {(3, 30)}


@pytest.mark.parametrize("start", [0.0, 0.3])
def test_a_stretch_is_cut_out_of_the_whole(start: float) -> None:
    played = [Note(second / 10, 0.2, 60, 1.0, 0, 0) for second in range(20)]

    def voice(note: Note) -> npt.NDArray[np.float32]:
        return np.linspace(1, 0, round(note.seconds * RATE), dtype=np.float32)

    whole = play(played, lambda _: voice, random.Random(0), 0.0, 2.2, wide=False)
    cut = play(played, lambda _: voice, random.Random(0), start, 1.0, wide=False)
    at = round(start * RATE)
    assert np.allclose(cut, whole[at : at + len(cut)], atol=1e-6)
    assert np.abs(cut).max() > 0.5


def test_a_synthesised_note_has_the_pitch_that_was_asked_for() -> None:
    song = part((100, 1100, 69, 110), program=90)
    for seed in range(6):
        sound = ensemble(song, "bass", random.Random(seed), 0.0, 1.5).mean(axis=1)
        sounding = sound[int(0.15 * RATE) : int(1.0 * RATE)]
        same = np.correlate(sounding[:20000], sounding[:20000], "full")[20000 - 1 :]
        period = 60 + int(np.argmax(same[60:160]))
        assert abs(period - RATE / 440) <= 1, seed


def test_an_instrument_is_fetched_once_and_only_as_it_was_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("package/As3.mp3", "package/C4.mp3", "package/../../evil.mp3", "package/index.js"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"mp3"))
    (tmp_path / "it.tgz").write_bytes(packed.getvalue())
    monkeypatch.setattr(fetch, "REGISTRY", (tmp_path / "it.tgz").as_uri())
    wanted = hashlib.sha256(packed.getvalue()).hexdigest()
    monkeypatch.setattr(fetch, "INSTRUMENTS", {"it": ("1", wanted), "other": ("1", "0" * 64)})
    with pytest.raises(ValueError, match="not the package that was pinned"):
        fetch.samples("other", tmp_path / "cache")
    found = fetch.samples("it", tmp_path / "cache")
    (tmp_path / "it.tgz").unlink()
    assert fetch.samples("it", tmp_path / "cache") == found
    assert sorted(found) == [58, 60]
    assert not (tmp_path / "evil.mp3").exists()


def test_a_kit_is_read_by_the_names_of_its_drums(tmp_path: Path) -> None:
    for name, loud in (("soft", 0.1), ("hard", 0.9), ("hat", 0.5), ("snare", 0.7)):
        soundfile.write(tmp_path / f"{name}.wav", np.full((100, 1), loud, np.float32), RATE, subtype="FLOAT")
    layers = "".join(
        f"<layer><filename>{name}.wav</filename><min>{low}</min><max>{high}</max></layer>"
        for name, low, high in (("soft", 0, 0.5), ("hard", 0.5, 1))
    )
    (tmp_path / "drumkit.xml").write_text(
        '<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><instrumentList>'
        f"<instrument><name>Kick (22 inch)</name>{layers}</instrument>"
        "<instrument><name>Hi Hat Closed</name><filename>hat.wav</filename></instrument>"
        "<instrument><name>Snare Roll</name><filename>snare.wav</filename></instrument>"
        "<instrument><name>Snare</name><filename>gone.wav</filename></instrument>"
        "</instrumentList></drumkit_info>"
    )
    kit = drumkits.read_kit(tmp_path / "drumkit.xml")
    assert sorted(kit) == [35, 36, 42]
    assert [(low, high, file.name) for low, high, file in kit[36][0]] == [(0, 0.5, "soft.wav"), (0.5, 1, "hard.wav")]
