"""The notes of a project, as instruments play them: tracks of a .mid, and the score of one render."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from operator import itemgetter

__all__ = ["NoteTrack", "Score", "chosen", "is_struck", "score_of"]

Event = tuple[float, bytes]
"""Seconds from the start of the render, and a MIDI channel message of two or three bytes."""

Score = tuple[tuple[int, bytes], ...]
"""Frame of the render, 0..frames, and a MIDI channel message; in order."""

_NOTE_OFF, _NOTE_ON, _CONTROL, _PROGRAM, _PRESSURE, _BEND = 0x80, 0x90, 0xB0, 0xC0, 0xD0, 0xE0
_LASTING = frozenset({_CONTROL, _PROGRAM, _PRESSURE, _BEND})
"""Kinds of messages that hold until the next of their sort: controllers, program, pressure, pitch bend."""
_CHANNEL_MODE = 120
"""From this controller on, messages do something once."""
_RESET = 121
_DATA = (6, 38)
_SELECTORS = {98: (98, 99), 99: (98, 99), 100: (100, 101), 101: (100, 101)}
"""Each with its pair: those of a maker's own parameter, and those of a registered one, such as the bend range."""
_ENDS_NOTES = frozenset({120, *range(123, 128)})
_SUSTAIN = 64


@dataclass(frozen=True)
class NoteTrack:
    """What one track of a .mid plays."""

    name: str
    """Empty where the file says none."""
    events: tuple[Event, ...] = ()
    """In order; before the render's start they have times below 0."""

    def since(self, seconds: float) -> NoteTrack:
        """Return the track as counted from a later time."""
        return NoteTrack(self.name, tuple((at - seconds, message) for at, message in self.events))


def chosen(tracks: Iterable[NoteTrack], wanted: Sequence[str]) -> tuple[NoteTrack, ...]:
    """Return the tracks that are `wanted`, by name or by patterns such as 'Keys*', in any case; all when none is."""
    patterns = [pattern.casefold() for pattern in wanted]
    return tuple(
        track
        for track in tracks
        if not patterns or any(fnmatchcase(track.name.casefold(), pattern) for pattern in patterns)
    )


def is_struck(message: bytes) -> bool:
    """Say whether a message begins a note; one of velocity 0 ends it."""
    return message[0] & 0xF0 == _NOTE_ON and message[2] > 0


def score_of(tracks: Iterable[NoteTrack], sample_rate: int, frames: int) -> Score:
    """Return what tracks say over a render; pure.

    What is set or held before the render begins is set or struck at its first frame, as a DAW does that starts in the
    middle; what is held at its end is let go there, so that the instrument rings on and then is still.
    """
    all_of_them = sorted((event for track in tracks for event in track.events), key=itemgetter(0))
    events = [(round(at * sample_rate), message) for at, message in all_of_them]
    first = bisect_left(events, 0, key=itemgetter(0))
    last = bisect_left(events, frames, key=itemgetter(0))
    # What ends as the render begins was over before it: struck again, it would be heard as a click.
    over = (event for event in events[first : bisect_left(events, 1, key=itemgetter(0))] if _may_end(event[1]))
    begin = tuple((0, message) for message in _in_force(message for _, message in (*events[:first], *over)))
    inside = (*begin, *events[first:last])
    end = _let_go(message for _, message in inside)
    return (*inside, *((frames, message) for message in end))


def _in_force(before: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what earlier messages still mean: settings first, then the notes that are held."""
    settings: dict[bytes, tuple[bytes, ...]] = {}
    held: dict[bytes, bytes] = {}
    selected: dict[int, dict[int, bytes]] = {}
    for message in before:
        kind = message[0] & 0xF0
        _follow(held, message)
        if kind == _CONTROL and message[1] == _RESET:
            selected.pop(message[0], None)
        if kind in _LASTING and not (kind == _CONTROL and message[1] >= _CHANNEL_MODE and message[1] != _RESET):
            parameter = _parameter(selected.setdefault(message[0], {}), message) if kind == _CONTROL else ()
            what = (message[:2] if kind == _CONTROL else message[:1]) + b"".join(parameter)
            settings.pop(what, None)  # the order counts: a bank is chosen before a program, a reset undoes what was
            settings[what] = (*parameter, message)
    yield from chain.from_iterable(settings.values())
    yield from held.values()


def _parameter(selected: dict[int, bytes], message: bytes) -> tuple[bytes, ...]:
    """Return what selects the parameter that a controller sets, for the entry of its data; `selected` is kept so far.

    One bend range and one tuning may be set one after the other, through the same controllers.
    """
    controller = message[1]
    if controller in _DATA:
        return tuple(selected.values())
    if controller in _SELECTORS:
        for other in set(selected) - set(_SELECTORS[controller]):
            del selected[other]
        selected[controller] = message
    return ()


def _let_go(messages: Iterable[bytes]) -> Iterator[bytes]:
    held: dict[bytes, bytes] = {}
    pedals: dict[int, bool] = {}
    for message in messages:
        _follow(held, message)
        if message[0] & 0xF0 == _CONTROL and message[1] in (_SUSTAIN, _RESET):
            pedals[message[0] & 0x0F] = message[1] == _SUSTAIN and message[2] >= 64
    yield from (bytes((_NOTE_OFF | key[0], key[1], 0)) for key in held)
    yield from (bytes((_CONTROL | channel, _SUSTAIN, 0)) for channel, down in pedals.items() if down)


def _may_end(message: bytes) -> bool:
    """Say whether a message ends notes and does nothing else that lasts."""
    kind = message[0] & 0xF0
    ends_all = kind == _CONTROL and message[1] in _ENDS_NOTES
    return ends_all or kind == _NOTE_OFF or (kind == _NOTE_ON and not is_struck(message))


def _follow(held: dict[bytes, bytes], message: bytes) -> None:
    """Note which notes are held, by channel and key."""
    kind, channel = message[0] & 0xF0, message[0] & 0x0F
    if is_struck(message):
        held[bytes((channel, message[1]))] = message
    elif kind in (_NOTE_ON, _NOTE_OFF):
        held.pop(bytes((channel, message[1])), None)
    elif kind == _CONTROL and message[1] in _ENDS_NOTES:
        for key in [key for key in held if key[0] == channel]:
            del held[key]
