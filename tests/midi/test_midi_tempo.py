"""Tempo maps and markers in MIDI files: what is written is read again, and no file can do harm."""

from __future__ import annotations

import contextlib
import io
import time

import mido
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.domain.render import AudioFormat, Marker, Origin
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.errors import ReadError
from bridge.midi.tempo import MOST_BYTES, ProjectMidi, read_midi, write_midi

RATE = 48_000
FRAMES = 600 * RATE
TICKS = 960
SONG = AudioFormat(RATE, 2, FRAMES, "FLOAT", "WAV")
HEADER = b"MThd\x00\x00\x00\x06"


def saved(*tracks: list[mido.MetaMessage], type: int = 1, charset: str = "utf-8") -> bytes:  # noqa: A002
    file = mido.MidiFile(type=type, ticks_per_beat=TICKS, charset=charset)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    written = io.BytesIO()
    file.save(file=written)
    return written.getvalue()


@st.composite
def musical_maps(draw: st.DrawFn) -> TempoMap:
    """Maps as DAWs have them: every change on a tick, tempi of at most three decimals."""
    changes, seconds = [], 0.0
    for _ in range(draw(st.integers(1, 12))):
        bpm = draw(st.integers(4_000, 300_000)) / 1000
        meter = draw(st.sampled_from([(4, 4), (3, 4), (7, 8), (255, 64), (1, 1)]))
        changes.append(TempoChange(seconds, bpm, *meter))
        microseconds = round(60e6 / bpm)
        seconds += draw(st.integers(1, 60_000)) * microseconds / (TICKS * 1e6)
    return TempoMap(tuple(one for one in changes if one.seconds < 600), "midi")


@given(musical_maps())
@settings(deadline=None)
def test_a_musical_map_comes_back_as_it_was(tempo: TempoMap) -> None:
    found = read_midi(write_midi(tempo, (), RATE, FRAMES), "x.mid").changes
    known = [
        one
        for before, one in zip((None, *tempo.changes), tempo.changes, strict=False)
        if before is None
        or (before.bpm, before.numerator, before.denominator) != (one.bpm, one.numerator, one.denominator)
    ]
    assert [(one.numerator, one.denominator) for one in found] == [(one.numerator, one.denominator) for one in known]
    for one, other in zip(found, known, strict=True):
        assert round(60e6 / one.bpm) == round(60e6 / other.bpm)
        assert one.seconds == pytest.approx(other.seconds, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 590), st.floats(4, 960), st.booleans()), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, FRAMES), st.text(max_size=20)), max_size=8),
)
def test_everything_is_within_half_a_tick_of_its_place(
    points: list[tuple[float, float, bool]], named: list[tuple[int, str]]
) -> None:
    tempo = TempoMap.of([TempoChange(at, bpm, is_ramp=ramp) for at, bpm, ramp in points], "setting")
    markers = [Marker(frame, name) for frame, name in named]
    back = read_midi(write_midi(tempo, markers, RATE, FRAMES), "x.mid")
    slowest = max(60 / min(one.bpm for one in tempo.changes), 0.5)
    tick = slowest / TICKS
    expected = sorted((one.position_frames / RATE, one.name.encode("utf-8", "replace").decode()) for one in markers)
    assert sorted(name for _, name in back.markers) == sorted(name for _, name in expected)
    for (at, _), (wanted, _) in zip(sorted(back.markers), expected, strict=True):
        assert abs(at - wanted) <= tick
    for change in back.changes:
        wanted_bpm = _bpm_at(tempo, change.seconds)
        steepest = max(abs(a.bpm - b.bpm) for a in tempo.changes for b in tempo.changes)
        if not any(one.is_ramp for one in tempo.changes):
            near = [one.bpm for one in tempo.changes if abs(one.seconds - change.seconds) <= tick]
            assert any(change.bpm == pytest.approx(bpm, rel=2e-5) for bpm in (*near, wanted_bpm))
        else:
            assert change.bpm <= max(one.bpm for one in tempo.changes) * (1 + 2e-5) + steepest / 100


def _bpm_at(tempo: TempoMap, seconds: float) -> float:
    return tempo.at(seconds).bpm


def test_a_ramp_becomes_stairs_that_keep_the_time_of_what_follows() -> None:
    tempo = TempoMap((TempoChange(0, 60, is_ramp=True), TempoChange(10, 120), TempoChange(20, 90)), "sidecar")
    data = write_midi(tempo, [Marker(15 * RATE, "Chorus")], RATE, 30 * RATE)
    back = read_midi(data, "x.mid")
    assert [one.bpm for one in back.changes] == [*sorted(one.bpm for one in back.changes[:-1]), 90]
    assert back.changes[-1].seconds == pytest.approx(20, abs=1e-3)
    assert back.markers[0] == (pytest.approx(15, abs=1e-3), "Chorus")
    beats = sum(
        (after.seconds - one.seconds) * one.bpm / 60
        for one, after in zip(back.changes, back.changes[1:], strict=False)
        if after.seconds <= 10.001
    )
    assert beats == pytest.approx(10 * 90 / 60, rel=1e-3), "as many beats as the ramp has"


def test_tempi_are_the_numbers_people_typed() -> None:
    for bpm in (93.7, 128.0, 140.25, 73.333):
        assert (
            read_midi(write_midi(TempoMap((TempoChange(0, bpm),), "midi"), (), RATE, RATE), "x").changes[0].bpm == bpm
        )


def test_markers_and_cues_of_any_track_are_found_in_utf_8_and_latin_1() -> None:
    first = [mido.MetaMessage("set_tempo", tempo=500_000), mido.MetaMessage("marker", text="Straße", time=TICKS)]
    second = [mido.MetaMessage("cue_marker", text="été", time=3 * TICKS)]
    for charset in ("utf-8", "latin-1"):
        found = read_midi(saved(first, second, charset=charset), "x.mid")
        assert found.markers == ((0.5, "Straße"), (1.5, "été"))


def test_the_origin_of_the_render_decides_what_its_seconds_are() -> None:
    midi = ProjectMidi(
        (TempoChange(0, 100), TempoChange(30, 120)), ((5.0, "Before"), (12.0, "Verse"), (700.0, "After"))
    )
    origin = Origin(10.0, "bext")
    tempo = midi.tempo_from(origin)
    assert tempo is not None
    assert [(one.seconds, one.bpm) for one in tempo.changes] == [(-10, 100), (20, 120)]
    assert midi.markers_in(SONG, origin) == (Marker(2 * RATE, "Verse"),)
    assert ProjectMidi().tempo_from(origin) is None


def test_a_file_that_says_no_tempo_gives_none() -> None:
    assert read_midi(saved([mido.MetaMessage("marker", text="A", time=TICKS)]), "x.mid").changes == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "damaged"),
        (b"RIFF", "damaged"),
        (HEADER + b"\x00\x01\x00\x01\xe7\x28MTrk\x00\x00\x00\x00", "SMPTE"),
        (HEADER + b"\x00\x01\x00\x00\x00\x00", "SMPTE"),
        (HEADER + b"\x00\x02\x00\x00\x03\xc0", "format 2"),
        (HEADER + b"\x00\x01\x7f\xff\x03\xc0", "damaged"),
        (b"\x00" * (MOST_BYTES + 1), "larger than 4 MiB"),
        (saved([mido.MetaMessage("set_tempo", tempo=0)]), "960 BPM"),
        (saved([mido.MetaMessage("time_signature", numerator=0)]), "time signature"),
        (saved([mido.MetaMessage("time_signature", denominator=2**60)]), "time signature"),
        (saved([mido.MetaMessage("marker")] * 10_001), "10000 markers"),
        (saved([mido.MetaMessage("marker", time=2**41)]), "damaged"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(data: bytes, why: str) -> None:
    with pytest.raises(ReadError, match=why) as caught:
        read_midi(data, "song.mid")
    assert "song.mid" in caught.value.message
    assert caught.value.hint


def test_numbers_without_an_end_do_not_hold_the_reader_up() -> None:
    data = HEADER + b"\x00\x01\x00\x01\x03\xc0MTrk\xff\xff\xff\xff" + b"\xff" * (MOST_BYTES - 100)
    began = time.process_time()
    with pytest.raises(ReadError):
        read_midi(data, "song.mid")
    assert time.process_time() - began < 5, "mido alone takes minutes"


WHOLE = write_midi(TempoMap((TempoChange(0, 120), TempoChange(1, 90, 3, 8)), "midi"), [Marker(9, "é")], RATE, 2 * RATE)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_in_a_value_or_in_one_error(data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    _reads_or_refuses(bytes(content[: data.draw(st.integers(0, len(content)))]))


@given(st.binary(max_size=200))
@example(b"")
@settings(max_examples=150, deadline=None)
def test_any_track_ends_in_a_value_or_in_one_error(track: bytes) -> None:
    _reads_or_refuses(HEADER + b"\x00\x01\x00\x01\x03\xc0MTrk" + len(track).to_bytes(4, "big") + track)


def _reads_or_refuses(data: bytes) -> None:
    with contextlib.suppress(ReadError):
        found = read_midi(data, "x.mid")
        assert all(1 <= one.bpm <= 960 for one in found.changes)
        assert [one.seconds for one in found.changes] == sorted(one.seconds for one in found.changes)
