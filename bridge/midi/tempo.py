"""Tempo map, markers and notes of a project as a standard MIDI file: read beside a render; written, but for notes,
beside its stems.

Source: Standard MIDI Files 1.0 (RP-001). Files are hostile by assumption: whatever the bytes, reading ends soon, in a
value or in one clear ReadError.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import mido

from bridge.domain.notes import NoteTrack
from bridge.domain.render import AudioFormat, Marker, Origin
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.errors import ReadError
from bridge.midi.notes import read_notes
from bridge.units import frames_to_seconds, seconds_to_frames
from bridge.words import decoded

__all__ = ["MOST_BYTES", "ProjectMidi", "read_midi", "write_midi"]

MOST_BYTES = 4 << 20
_MOST_EVENTS = 10_000
_MOST_TICKS = 2**40
_ENDLESS_NUMBER = re.compile(rb"[\x80-\xff]{1024}")
"""A delta time has four bytes at most, but mido reads on; its integer then grows without an end."""
_DEFAULT_MICROSECONDS = 500_000
_FASTEST, _SLOWEST = 62_500, 60_000_000
"""Microseconds a quarter note at 960 and at 1 BPM."""
_LARGEST_FIELD = 0xFFFFFF
"""A tempo has 24 bits, so MIDI knows none below 3.58 BPM."""
_TICKS = 960
_LARGEST_DELTA = 0x0FFFFFFF
_STEP_SECONDS, _MOST_STEPS = 0.1, 256
"""Of the stairs that stand for a ramp, which MIDI does not know."""


@dataclass(frozen=True)
class ProjectMidi:
    """What a .mid says of a project, in seconds from the start of the file."""

    changes: tuple[TempoChange, ...] = ()
    """Empty when it says no tempo; else the first one lies at 0."""
    markers: tuple[tuple[float, str], ...] = ()
    """Seconds and name, in order of time."""
    tracks: tuple[NoteTrack, ...] = ()
    """Those that play something."""

    def tempo_from(self, origin: Origin) -> TempoMap | None:
        """Return the tempo map as seen from a render that starts at `origin` of the project."""
        if not self.changes:
            return None
        return TempoMap.of([replace(one, seconds=one.seconds - origin.seconds) for one in self.changes], "midi")

    def notes_from(self, origin: Origin) -> tuple[NoteTrack, ...]:
        """Return what the tracks play, as counted from a render that starts at `origin` of the project."""
        return tuple(track.since(origin.seconds) for track in self.tracks)

    def markers_in(self, format: AudioFormat, origin: Origin) -> tuple[Marker, ...]:  # noqa: A002
        """Return the markers that lie inside a render of `format` that starts at `origin` of the project."""
        placed = ((seconds_to_frames(at - origin.seconds, format.sample_rate), name) for at, name in self.markers)
        return tuple(Marker(frame, name) for frame, name in placed if 0 <= frame <= format.frames)


def read_midi(data: bytes, name: str) -> ProjectMidi:
    """Read tempo, time signatures, markers, cue points and notes of all tracks of a format 0 or 1 file.

    Texts are UTF-8, else Latin-1. A tempo is the roundest BPM that MIDI's whole microseconds can mean. Raises
    ReadError, calling the file `name`, when it is damaged or too large, counts in SMPTE frames, holds independent
    songs (format 2), or says a tempo above 960 BPM or a time signature that no DAW has.
    """
    if len(data) > MOST_BYTES:
        raise _fault(name, f"it is larger than {MOST_BYTES >> 20} MiB")
    if _ENDLESS_NUMBER.search(data):
        raise _fault(name, "it is damaged")
    try:
        file = mido.MidiFile(file=io.BytesIO(data), charset="latin-1", clip=True)
    except (OSError, EOFError, ValueError, LookupError, TypeError, OverflowError, mido.KeySignatureError) as exc:
        raise _fault(name, "it is damaged, or no MIDI file") from exc
    if file.type not in (0, 1):
        raise _fault(name, f"it is of format {file.type}, whose tracks have no common time")
    if not 0 < file.ticks_per_beat < 0x8000:
        raise _fault(name, "it counts in SMPTE frames instead of beats")
    return _timed(file, name)


def write_midi(tempo: TempoMap, markers: Sequence[Marker], sample_rate: int, frames: int) -> bytes:
    """Write a format 1 file whose time begins with the render and ends with it: law, `read_midi` gives it back.

    960 ticks a quarter note; tempi are whole microseconds, and every change and marker is within half a tick of its
    place, however long the render. What MIDI does not know: ramps become stairs on which the time of all that
    follows is kept, regions become markers at their start, and tempi below 3.58 BPM are written as that.
    """
    seconds = frames_to_seconds(frames, sample_rate)
    changes = [one for one in _stairs(tempo) if one.seconds < seconds]
    clock = _Clock()
    track = mido.MidiTrack()
    file = mido.MidiFile(type=1, ticks_per_beat=_TICKS, charset="utf-8")
    file.tracks.append(track)
    placed: list[tuple[float, int, TempoChange | Marker]] = [(one.seconds, 0, one) for one in changes]
    placed += [(frames_to_seconds(one.position_frames, sample_rate), 1, one) for one in markers]
    for at, _, one in sorted(placed, key=lambda entry: entry[:2]):
        track.extend(_waiting(clock.to(at)))
        if isinstance(one, Marker):
            track.append(mido.MetaMessage("marker", text=one.name.encode("utf-8", "replace").decode("utf-8")))
        else:
            clock.microseconds = min(_LARGEST_FIELD, max(_FASTEST, round(60e6 / one.bpm)))
            meter = mido.MetaMessage("time_signature", numerator=one.numerator, denominator=one.denominator)
            track.extend((meter, mido.MetaMessage("set_tempo", tempo=clock.microseconds)))
    track.extend(_waiting(clock.to(max(seconds, clock.seconds))))
    track.append(mido.MetaMessage("end_of_track"))
    written = io.BytesIO()
    file.save(file=written)
    return written.getvalue()


def _timed(file: mido.MidiFile, name: str) -> ProjectMidi:
    events = sorted(_events(file, name), key=lambda event: event[0])
    if len(events) > _MOST_EVENTS:
        raise _fault(name, f"it has more than {_MOST_EVENTS} markers and changes of tempo")
    now = TempoChange(0.0, 120.0)
    microseconds, last, elapsed = _DEFAULT_MICROSECONDS, 0, 0
    changes, markers, says_tempo = [now], [], False
    for tick, group in groupby(events, key=lambda event: event[0]):
        elapsed += (tick - last) * microseconds  # whole numbers: nothing adds up over a long song
        last, seconds = tick, elapsed / (file.ticks_per_beat * 1e6)
        before = now
        for _, message in group:
            if message.type == "set_tempo":
                says_tempo, microseconds = True, _tempo(message.tempo, name)
                now = replace(now, seconds=seconds, bpm=_roundest(microseconds))
            elif message.type == "time_signature":
                numerator, denominator = _meter(message, name)
                now = replace(now, seconds=seconds, numerator=numerator, denominator=denominator)
            else:
                markers.append((seconds, decoded(message.text.encode("latin-1"))))
        if replace(now, seconds=before.seconds) != before:
            changes.append(now)
    if len(changes) > 1 and changes[1].seconds == 0:
        del changes[0]
    tracks = read_notes(
        file, [(0, _DEFAULT_MICROSECONDS), *((tick, m.tempo) for tick, m in events if m.type == "set_tempo")]
    )
    return ProjectMidi(tuple(changes) if says_tempo else (), tuple(markers), tracks)


def _events(file: mido.MidiFile, name: str) -> Iterator[tuple[int, mido.MetaMessage]]:
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if tick > _MOST_TICKS:
                raise _fault(name, "it is damaged")
            if message.type in ("set_tempo", "time_signature", "marker", "cue_marker"):
                yield tick, message


def _tempo(microseconds: int, name: str) -> int:
    if not _FASTEST <= microseconds <= _SLOWEST:
        raise _fault(name, "it says a tempo above 960 BPM")
    return microseconds


def _meter(message: mido.MetaMessage, name: str) -> tuple[int, int]:
    if not 1 <= message.numerator <= 255 or message.denominator > 64:
        raise _fault(name, "it says a time signature that cannot be")
    return message.numerator, message.denominator


def _roundest(microseconds: int) -> float:
    """Return the shortest decimal tempo that is written as these microseconds: 93.7, not 93.69992."""
    exact = 60e6 / microseconds
    rounded = (round(exact, digits) for digits in range(7))
    return next((bpm for bpm in rounded if bpm >= 1 and round(60e6 / bpm) == microseconds), exact)


class _Clock:
    """Ticks written so far and the seconds they last: what rounding lost is made good by the next step."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.microseconds = _DEFAULT_MICROSECONDS

    def to(self, seconds: float) -> int:
        """Go on to a time; return the whole ticks to wait."""
        ticks = max(0, round((seconds - self.seconds) * 1e6 * _TICKS / self.microseconds))
        self.seconds += ticks * self.microseconds / (1e6 * _TICKS)
        return ticks


def _waiting(ticks: int) -> Iterator[mido.MetaMessage]:
    """Wait; what follows comes with no delay. A delta time holds 28 bits, so long waits are several."""
    while ticks > 0:
        yield mido.MetaMessage("text", text="", time=min(ticks, _LARGEST_DELTA))
        ticks -= _LARGEST_DELTA


def _stairs(tempo: TempoMap) -> Iterator[TempoChange]:
    """Yield the changes from the start of the render on, none of them a ramp, the first one at 0."""
    for one, after in pairwise([*tempo.since(0.0), None]):
        yield from _steps(one, after)


def _steps(change: TempoChange | None, after: TempoChange | None) -> Iterator[TempoChange]:
    """Yield one change, or the stairs of a ramp; each step has the mean tempo of its time, so no beat is lost."""
    if change is None:
        return
    if not change.is_ramp or after is None or after.seconds <= change.seconds:
        yield replace(change, is_ramp=False)
        return
    seconds = after.seconds - change.seconds
    count = min(_MOST_STEPS, math.ceil(seconds / _STEP_SECONDS))
    for step in range(count):
        bpm = change.bpm + (after.bpm - change.bpm) * (step + 0.5) / count
        yield replace(change, seconds=change.seconds + seconds * step / count, bpm=bpm, is_ramp=False)


def _fault(name: str, why: str) -> ReadError:
    return ReadError(
        f"{name} was not used: {why}.",
        hint="In REAPER, export it again with File > Export project MIDI.",
    )
