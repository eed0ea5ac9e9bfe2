"""The notes of a standard MIDI file, timed in seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import mido

from bridge.domain.notes import NoteTrack, is_struck
from bridge.words import decoded

__all__ = ["read_notes"]

_CHANNEL_MESSAGES = frozenset(
    {"note_on", "note_off", "control_change", "program_change", "pitchwheel", "aftertouch", "polytouch"}
)


def read_notes(file: mido.MidiFile, tempi: Sequence[tuple[int, int]]) -> tuple[NoteTrack, ...]:
    """Return every track that plays something, in the order of the file, seconds counted from its start.

    `tempi` are ticks and microseconds a quarter note in order of time, the first at tick 0. In a format 0 file, where
    all is one track, its channels are tracks called 'Channel 1' to 'Channel 16'.
    """
    seconds_of = _clock(tempi, file.ticks_per_beat)
    tracks = (NoteTrack(_name(track), tuple(_events(track, seconds_of))) for track in file.tracks)
    playing = tuple(track for track in tracks if any(is_struck(message) for _, message in track.events))
    return tuple(_channels(playing[0])) if file.type == 0 and playing else playing


def _channels(track: NoteTrack) -> Iterator[NoteTrack]:
    for channel in range(16):
        events = tuple(event for event in track.events if event[1][0] & 0x0F == channel)
        if any(is_struck(message) for _, message in events):
            yield NoteTrack(f"Channel {channel + 1}", events)


def _events(track: mido.MidiTrack, seconds_of: Callable[[int], float]) -> Iterator[tuple[float, bytes]]:
    tick = 0
    for message in track:
        tick += message.time
        if message.type in _CHANNEL_MESSAGES:
            yield seconds_of(tick), bytes(message.bytes())


def _name(track: mido.MidiTrack) -> str:
    raw = next((message.name for message in track if message.type == "track_name"), "")
    return decoded(raw.encode("latin-1"))


def _clock(tempi: Sequence[tuple[int, int]], ticks_per_beat: int) -> Callable[[int], float]:
    """Return the function from ticks to seconds; sums are whole numbers, so nothing adds up over a long song."""
    sums = [0]
    for (tick, microseconds), (after, _) in pairwise(tempi):
        sums.append(sums[-1] + (after - tick) * microseconds)
    ticks = [tick for tick, _ in tempi]

    def seconds_of(tick: int) -> float:
        part = bisect_right(ticks, tick) - 1
        return (sums[part] + (tick - ticks[part]) * tempi[part][1]) / (ticks_per_beat * 1e6)

    return seconds_of
