"""Notes of a .mid, written here byte by byte as the standard says: each track, each second, whatever else is in it."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.notes import NoteTrack, score_of
from bridge.domain.render import Origin
from bridge.errors import ReadError
from bridge.midi.tempo import read_midi

END = b"\x00\xff\x2f\x00"
ON, OFF = b"\x90\x40\x7f", b"\x80\x40\x00"
HALF = b"\x83\x60"
"""480 ticks: half a second, since nothing says a tempo."""


def song(*tracks: bytes, form: int = 1, division: int = 480) -> bytes:
    head = b"MThd" + struct.pack(">IHHH", 6, form, len(tracks), division)
    return head + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)


def tempo(microseconds: int) -> bytes:
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


@pytest.mark.parametrize(
    ("track", "seconds"),
    [
        (b"\x00" + ON + HALF + OFF + END, [0.0, 0.5]),
        (b"\x00" + ON + HALF + ON[1:2] + b"\x00" + END, [0.0, 0.5]),
        (b"\x00\xf0\x05\x7e\x7f\x09\x01\xf7" + HALF + ON + b"\x00\xf7\x02\x04\xf7" + HALF + OFF + END, [0.5, 1.0]),
        (b"\x00" + ON + HALF + b"\xff\x06\x01A" + HALF + OFF + END, [0.0, 1.0]),
        (b"\x00" + ON + HALF + OFF, [0.0, 0.5]),
        (b"\x00\xff\x7f\x04\x00\x00\x00\x41\x00" + ON + HALF + OFF + END, [0.0, 0.5]),
    ],
    ids=["plain", "running status", "system exclusive", "a marker within", "no end of track", "a maker's own event"],
)
def test_notes_are_found_at_their_seconds_whatever_stands_between_them(track: bytes, seconds: list[float]) -> None:
    (found,) = read_midi(song(track), "a.mid").tracks
    assert [at for at, _ in found.events] == seconds
    assert found.events[0][1][:2] == ON[:2]


def test_seconds_follow_every_change_of_tempo_in_any_track() -> None:
    changes = b"\x00" + tempo(500_000) + HALF + tempo(1_000_000) + HALF + tempo(250_000) + END
    notes = HALF + ON + HALF + OFF + HALF + ON + HALF + OFF + END
    (found,) = read_midi(song(changes, notes), "a.mid").tracks
    assert [at for at, _ in found.events] == [0.5, 1.5, 1.75, 2.0]


def test_a_file_of_one_track_is_one_track_for_every_channel_that_plays() -> None:
    track = b"\x00\x93\x40\x7f\x00\x90\x40\x7f\x00\xb5\x07\x64" + HALF + b"\x83\x40\x00\x00\x80\x40\x00" + END
    assert [one.name for one in read_midi(song(track, form=0), "a.mid").tracks] == ["Channel 1", "Channel 4"]


@pytest.mark.parametrize("tracks", [(), (END,), (b"\x00" + tempo(400_000) + END, b"\x00\xb0\x07\x64" + END)])
def test_a_file_that_plays_nothing_has_no_tracks(tracks: tuple[bytes, ...]) -> None:
    assert read_midi(song(*tracks), "a.mid").tracks == ()


def test_independent_songs_are_refused() -> None:
    with pytest.raises(ReadError, match="of format 2"):
        read_midi(song(b"\x00" + ON + HALF + OFF + END, form=2), "a.mid")


def test_of_two_hours_a_render_gets_its_own_seconds_to_the_frame() -> None:
    note = b"\x83\x60" + ON + b"\x83\x60" + OFF
    (found,) = read_midi(song(note * 7200 + END), "a.mid").notes_from(Origin(7000.0, "sidecar"))
    score = score_of([found], 48_000, 2 * 48_000)
    assert score == ((0, OFF), (24_000, ON), (48_000, OFF), (72_000, ON), (96_000, OFF))


def test_a_note_that_ends_as_the_render_begins_is_not_struck_and_one_that_begins_there_is() -> None:
    lasting, pedal, silence = b"\x90\x30\x7f", b"\xb0\x40\x7f", b"\xb1\x7b\x00"
    before = [(-1.0, ON), (-1.0, lasting), (-0.5, b"\x91\x40\x7f"), (-0.2, pedal)]
    track = NoteTrack("", (*before, (0.0, OFF), (0.0, ON), (0.0, silence), (0.1, OFF), (0.2, b"\x80\x30\x00")))
    score = score_of([track], 1000, 300)
    assert [message for frame, message in score if frame == 0] == [pedal, lasting, OFF, ON, silence]


def test_a_note_beyond_the_end_is_not_played_and_one_that_lasts_beyond_it_is_let_go_there() -> None:
    track = b"\x00" + ON + b"\x83\x60" + b"\x90\x43\x7f" + b"\x8f\x00" + b"\x90\x45\x7f" + END
    (found,) = read_midi(song(track), "a.mid").tracks
    score = score_of([found], 48_000, 48_000)
    assert score == ((0, ON), (24_000, b"\x90\x43\x7f"), (48_000, OFF), (48_000, b"\x80\x43\x00"))


class Player:
    """An instrument as MIDI 1.0 and Recommended Practice 15 describe it: what it holds after some messages."""

    def __init__(self, messages: Iterable[bytes]) -> None:
        self.held: dict[tuple[int, int], int] = {}
        self.settings: dict[tuple[int, ...], bytes] = {}
        self.selected: dict[int, dict[int, int]] = {}
        for message in messages:
            self.take(message[0] & 0xF0, message[0] & 0x0F, message[1], message[-1])

    def take(self, kind: int, channel: int, what: int, value: int) -> None:
        if kind in (0x80, 0x90):
            self.held.pop((channel, what), None)
            if kind == 0x90 and value:
                self.held[channel, what] = value
        elif kind != 0xB0:
            self.settings[channel, kind] = bytes((what, value))
        elif what == 121:
            self.selected.pop(channel, None)
            for one in (1, 64, 0xD0, 0xE0):
                self.settings.pop((channel, one), None)
        elif what >= 120:
            self.held = {note: level for note, level in self.held.items() if note[0] != channel or what == 122}
        elif what >= 98:
            family = {one: had for one, had in self.selected.get(channel, {}).items() if one // 2 == what // 2}
            self.selected[channel] = family | {what: value}
        elif what == 6:
            self.settings[channel, 6, *sum(sorted(self.selected[channel].items()), ())] = bytes((value,))
        else:
            self.settings[channel, what] = bytes((value,))


def control(controller: int, value: int) -> bytes:
    return bytes((0xB0, controller, value))


def parameter(number: int, fine: int, value: int) -> list[bytes]:
    """Select a parameter, registered from 100 on, and set it."""
    return [control(number + 1, 0), control(number, fine), control(6, value)]


PHRASES = st.one_of(
    st.tuples(st.sampled_from([0x80, 0x90]), st.integers(60, 62), st.sampled_from([0, 90])).map(lambda m: [bytes(m)]),
    st.builds(control, st.sampled_from([1, 7, 64, 120, 121, 122, 123]), st.integers(0, 3)).map(lambda m: [m]),
    st.integers(0, 9).map(lambda value: [bytes((0xE0, 0, value)), bytes((0xC0, value)), bytes((0xD0, value))]),
    st.builds(parameter, st.sampled_from([98, 100]), st.integers(0, 2), st.integers(0, 9)),
)


@given(st.lists(st.tuples(PHRASES, st.integers(0, 1)), max_size=12))
def test_an_instrument_that_begins_with_the_render_holds_what_one_does_that_played_all_before(
    phrases: list[tuple[list[bytes], int]],
) -> None:
    earlier = [bytes((one[0] | channel, *one[1:])) for phrase, channel in phrases for one in phrase]
    score = score_of([NoteTrack("", tuple((-1.0, one) for one in earlier))], 1000, 300)
    began, ever = Player(message for frame, message in score if frame == 0), Player(earlier)
    assert (began.held, began.settings, began.selected) == (ever.held, ever.settings, ever.selected)
    assert Player(message for _, message in score).held == {}
