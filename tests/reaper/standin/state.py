"""A project's state: tracks, items, takes, sends, markers, selection. Plain values that can be copied and compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import soundfile

__all__ = ["Envelope", "Fx", "Item", "Marker", "Project", "Send", "Source", "Take", "Tempo", "Track", "new_guid"]

_guids = itertools.count(1)


def new_guid() -> str:
    """Make a GUID that no other thing of this run has."""
    return f"{{{next(_guids):08X}-0000-4000-8000-000000000000}}"


NEW_TRACK = {"D_VOL": 1.0, "D_WIDTH": 1.0, "D_PANLAW": -1.0, "I_PANMODE": -1.0, "B_MAINSEND": 1.0, "I_NCHAN": 2.0}
NEW_TRACK |= {"C_BEATATTACHMODE": -1.0, "I_FXEN": 1.0, "B_SHOWINMIXER": 1.0, "B_SHOWINTCP": 1.0, "I_SELECTED": 1.0}
NEW_ITEM = {"D_VOL": 1.0, "B_LOOPSRC": 1.0, "C_BEATATTACHMODE": -1.0, "D_FADEINLEN": 0.01, "D_FADEOUTLEN": 0.01}
NEW_ITEM |= {"D_FADEINLEN_AUTO": 0.005, "D_FADEOUTLEN_AUTO": 0.005, "B_UISEL": 1.0}
"""Not what a script wants: new things are selected, looped and faded, as preferences may have it."""
NEW_TAKE = {"D_VOL": 1.0, "D_PANLAW": -1.0, "D_PLAYRATE": 1.0, "B_PPITCH": 1.0}
NEW_SEND = {"D_VOL": 1.0, "D_PANLAW": -1.0}


@dataclass(eq=False)
class Source:
    """An opened sound file."""

    path: str
    """As the script named it."""
    file: Path
    seconds: float
    channels: int
    peaks: int = 2
    """Steps of work until the peaks are there."""
    is_building: bool = False

    @classmethod
    def open(cls, path: str, file: Path) -> Source | None:
        """Read the file's header; None when it is no sound."""
        try:
            info = soundfile.info(file)
        except soundfile.LibsndfileError:
            return None
        return cls(path, file, info.frames / info.samplerate, info.channels)


@dataclass(eq=False)
class Take:
    source: Source | None = None
    is_midi: bool = False
    values: dict[str, float] = field(default_factory=lambda: dict(NEW_TAKE))
    texts: dict[str, str] = field(default_factory=dict)
    guid: str = field(default_factory=new_guid)


@dataclass(eq=False)
class Item:
    takes: list[Take] = field(default_factory=list)
    active: int = 0
    values: dict[str, float] = field(default_factory=lambda: dict(NEW_ITEM))
    texts: dict[str, str] = field(default_factory=dict)
    guid: str = field(default_factory=new_guid)

    @property
    def active_take(self) -> Take | None:
        return self.takes[self.active] if self.takes else None


@dataclass(eq=False)
class Send:
    target: Track | None
    """None = the sound card."""
    values: dict[str, float] = field(default_factory=lambda: dict(NEW_SEND))
    texts: dict[str, str] = field(default_factory=dict)


FX_PARAMETERS = {
    "ReaComp": {"Thresh": 0.5, "Ratio": 0.0, "Dry": 0.0, "Wet": 0.5},
    "ReaDelay": {"Wet": 0.5, "Dry": 0.5, "1: Length (time)": 0.05},
    "ReaEQ": {"Gain-Low Shelf": 0.25},
    "ReaVerbate": {"Wet": 0.5, "Dry": 0.5, "Room size": 0.5, "Dampening": 0.5},
}
"""What the stock effects are called, with normalised defaults; written down from memory, not read from a REAPER."""


@dataclass(eq=False)
class Fx:
    name: str
    values: dict[str, float] = field(default_factory=dict)
    """Normalised parameters by name, in order."""
    preset: str = ""
    gain: float = 1.0
    """So that an effect applied twice is heard."""
    ring_seconds: float = 0.0
    """After so long, all that came in comes once more, half as loud."""
    is_instrument: bool = False
    is_enabled: bool = True
    wet: float = 1.0
    """0..1, REAPER's own knob."""


@dataclass(eq=False)
class Envelope:
    chunk: str
    """As in the project file: '<VOLENV2'."""
    is_active: bool = True


@dataclass(eq=False)
class Tempo:
    seconds: float
    bpm: float
    numerator: int = 0
    denominator: int = 0
    is_ramp: bool = False


@dataclass(eq=False)
class Track:
    items: list[Item] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    hardware: list[Send] = field(default_factory=list)
    """Sends to outputs of the sound card."""
    fx: list[Fx] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    vca: float | None = None
    """Gain of the VCA that the track follows."""
    values: dict[str, float] = field(default_factory=lambda: dict(NEW_TRACK))
    texts: dict[str, str] = field(default_factory=dict)
    guid: str = field(default_factory=new_guid)

    @property
    def name(self) -> str:
        return self.texts.get("P_NAME", "")


@dataclass(eq=False)
class Marker:
    name: str
    start: float
    end: float
    is_region: bool
    number: int
    color: int = 0


def _master() -> Track:
    track = Track(texts={"P_NAME": "MASTER"})
    track.values |= {"D_PANLAW": 1.0, "B_MAINSEND": 0.0, "I_SELECTED": 0.0}
    return track


RENDER_NUMBERS = {"RENDER_SETTINGS": 0.0, "RENDER_BOUNDSFLAG": 1.0, "RENDER_CHANNELS": 2.0, "RENDER_SRATE": 48000.0}
RENDER_NUMBERS |= {"RENDER_STARTPOS": 1.0, "RENDER_ENDPOS": 2.0, "RENDER_TAILFLAG": 18.0, "RENDER_TAILMS": 1000.0}
RENDER_NUMBERS |= {"RENDER_ADDTOPROJ": 1.0, "RENDER_DITHER": 3.0, "RENDER_NORMALIZE": 1.0}
RENDER_TEXTS = {"RENDER_FILE": "mine", "RENDER_PATTERN": "$project", "RENDER_FORMAT": "l3pm", "RENDER_FORMAT2": "evaw"}
"""What the user last rendered with: nothing of it may be relied on, all of it is put back."""


@dataclass(eq=False)
class Project:
    """All that undo takes back, and what the user has selected."""

    tracks: list[Track] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    tempo: list[Tempo] = field(default_factory=list)
    bpm: float = 120.0
    """Where there is no change of tempo."""
    timebase: int = 1
    """What items are tied to that do not say: 0 time, 1 beats, 2 beats with their position alone."""
    ext: dict[str, str] = field(default_factory=dict)
    """The project's own state of extensions; not part of undo."""
    master: Track = field(default_factory=_master)
    render: dict[str, float] = field(default_factory=lambda: dict(RENDER_NUMBERS))
    render_texts: dict[str, str] = field(default_factory=lambda: dict(RENDER_TEXTS))
    file: str = ""
    """Where it is saved; empty = not yet."""
    cursor: float = 0.0
    time_selection: tuple[float, float] = (0.0, 0.0)
    view: tuple[float, float] = (0.0, 60.0)
    time_offset: float = 0.0
    play_rate: float = 1.0
    pan_law: float = 1.0
    """1 = 0 dB, 0.5 = -6 dB in the middle; above 1 with gain compensation, 2 = -6 dB."""

    @property
    def master_channels(self) -> int:
        """Channels of the master; even."""
        return int(self.master.values["I_NCHAN"])

    @master_channels.setter
    def master_channels(self, count: int) -> None:
        self.master.values["I_NCHAN"] = float(count)

    def items(self) -> Iterator[Item]:
        for track in self.tracks:
            yield from track.items

    def takes(self) -> Iterator[Take]:
        for item in self.items():
            yield from item.takes

    def track(self, name: str) -> Track:
        """Find a track by its name."""
        return next(track for track in self.tracks if track.name == name)

    def holds(self, thing: object) -> bool:
        """Tell whether a track, item or take is in the project now."""
        envelopes = (one for track in self.tracks for one in track.envelopes)
        things: Iterator[object] = itertools.chain([self.master], self.tracks, self.items(), self.takes(), envelopes)
        return any(one is thing for one in things) or any(one is thing for one in self.master.envelopes)

    def parent(self, track: Track) -> Track | None:
        """Find the folder that a track lies in."""
        folders: list[Track] = []
        for one in self.tracks:
            if one is track:
                return folders[-1] if folders else None
            depth = int(one.values.get("I_FOLDERDEPTH", 0))
            if depth > 0:
                folders.append(one)
            elif depth < 0:
                del folders[depth:]
        return None

    @property
    def length(self) -> float:
        """End of the last item or marker, in seconds."""
        ends = [one.values.get("D_POSITION", 0.0) + one.values.get("D_LENGTH", 0.0) for one in self.items()]
        return max([*ends, *(marker.end for marker in self.markers)], default=0.0)

    def delete_track(self, track: Track) -> None:
        """Take a track out, with all that is sent to it."""
        self.tracks.remove(track)
        for other in self.tracks:
            other.sends = [send for send in other.sends if send.target is not track]

    def state(self) -> object:
        """Return all of it as plain values: equal states compare equal."""
        return _plain(self)


def _plain(value: object) -> object:
    if isinstance(value, Send):
        return {
            "target": value.target.guid if value.target else "",
            "values": dict(value.values),
            "texts": dict(value.texts),
        }
    if isinstance(value, Source):
        return value.path
    if isinstance(value, (Project, Track, Item, Take, Fx, Marker, Envelope, Tempo)):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if one != 0.0}  # what was never set is 0 too
    return value
