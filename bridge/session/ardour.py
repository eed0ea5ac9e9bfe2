"""A session as Ardour 7 loads it (experimental): the proof, in a DAW that runs without a screen, that the plan adds up.

Source of the format: sessions that Ardour 7.3 wrote. What Ardour knows otherwise than the plan: an item has one take,
the processed one; only the first tempo and time signature are written; folders are routes; effects are not inserted,
and a bus that is there for them alone is muted; surround has no pan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bridge.domain.drop import ARDOUR_HEAD
from bridge.domain.session import BusPlan, SendPlan, SessionPlan, TrackPlan
from bridge.domain.tempo import TempoChange
from bridge.session.layout import is_return, rows, start_seconds
from bridge.session.names import one_line
from bridge.session.routing import Gains, balance
from bridge.units import db_to_gain, seconds_to_frames

__all__ = ["session_file"]

_VERSION = "7002"
_TICKS = 282_240_000
"""Ardour's superclock: a second."""
_BALANCE = "http://ardour.org/plugin/panner_balance"
_READABLE = (".wav", ".w64", ".aiff", ".flac", ".ogg")
_AWAY = "../../.."
"""From the folder where Ardour looks for sound, interchange/<session>/audiofiles, to that of the session."""


def session_file(plan: SessionPlan, *, drop: str = "..") -> str:
    """Write a whole .ardour file, for the folder `ardour` of a drop; pure, and the same text for the same plan.

    `drop` is the way from the session's folder to the drop's. Mono files play on both sides, as in REAPER.
    """
    return _Writer(plan, drop).text()


@dataclass
class _Writer:
    plan: SessionPlan
    drop: str
    ids: Iterator[int] = field(default_factory=lambda: count(1000))

    def text(self) -> str:
        plan = self.plan
        root = Element("Session", version=_VERSION, name="session")
        root.set("sample-rate", str(plan.sample_rate))
        SubElement(root, "ProgramVersion", {"created-with": "Stem Bridge", "modified-with": "Stem Bridge"})
        config = SubElement(root, "Config")
        SubElement(config, "Option", name="native-file-data-format", value="FormatFloat")
        SubElement(config, "Option", name="native-file-header-format", value="WAVE")
        SubElement(root, "Metadata")
        sources, routes, playlists = Element("Sources"), Element("Routes"), Element("Playlists")
        things = [row.thing for row in rows(plan)]
        self.route_ids = {_key(thing): self.next() for thing in things}
        self.names = _unique_names(things)
        channels = max([2, *(_channels(thing) for thing in things)])
        self.master(routes, channels)
        for order, thing in enumerate(things, 1):
            if isinstance(thing, BusPlan):
                self.bus(routes, thing, order)
            elif PurePosixPath(thing.item.takes[0].file).suffix in _READABLE:
                self.track(routes, playlists, sources, thing, order)
        root.extend((sources, Element("Regions"), self.locations(), Element("Bundles"), Element("VCAManager")))
        root.extend((routes, playlists, Element("UnusedPlaylists"), Element("RouteGroups"), self.tempo()))
        root.append(Element("ControlProtocols"))
        root.set("id-counter", str(self.next()))
        indent(root)
        return f"{ARDOUR_HEAD}\n{tostring(root, encoding='unicode')}\n"

    def next(self) -> int:
        return next(self.ids)

    def ticks(self, frames: int) -> int:
        """Return the first tick of a frame, so that Ardour finds this very frame again at any rate."""
        return -(-frames * _TICKS // self.plan.sample_rate)

    def master(self, routes: Element, channels: int) -> None:
        route = self.route(routes, "Master", self.next(), "MasterOut", 0, channels)
        for number in range(channels):
            port = self.port(route, "Master", "Output", "out", number)
            SubElement(port, "Connection", other=f"system:playback_{number + 1}")
        self.processors(route, "Master", Gains(), (), channels)

    def bus(self, routes: Element, bus: BusPlan, order: int) -> None:
        name, channels = self.names[f"bus:{bus.name}"], _channels(bus)
        route = self.route(routes, name, self.route_ids[f"bus:{bus.name}"], "AudioBus", order, channels)
        self.outputs(route, name, bus.parent, channels)
        self.mute(route, bool(bus.fx) and is_return(self.plan, bus))
        sends = tuple(send for send in self.plan.sends if send.source == bus.name)
        fader = balance(bus.gain_db, bus.pan)
        self.processors(route, name, fader, sends, channels)

    def track(self, routes: Element, playlists: Element, sources: Element, track: TrackPlan, order: int) -> None:
        name, channels = self.names[track.key], _channels(track)
        playlist = SubElement(playlists, "Playlist", id=str(self.next()), name=name, type="audio")
        playlist.set("orig-track-id", str(self.route_ids[track.key]))
        self.region(playlist, sources, track, name, channels)
        route = self.route(routes, name, self.route_ids[track.key], "AudioTrack", order, channels)
        route.set("audio-playlist", playlist.get("id", ""))
        route.set("mode", "Normal")
        self.outputs(route, name, track.bus, channels)
        self.mute(route, track.mute)
        self.processors(route, name, balance(track.gain_db, track.pan), (), channels, is_track=True)

    def route(self, routes: Element, name: str, id_: int, kind: str, order: int, channels: int) -> Element:
        route = SubElement(routes, "Route", version=_VERSION, id=str(id_), name=name, active="1")
        route.set("default-type", "audio")
        route.set("meter-point", "MeterPostFader")
        SubElement(route, "PresentationInfo", order=str(order), flags=f"{kind},OrderSet", color="0")
        for number in range(channels):
            self.port(route, name, "Input", "in", number)
        return route

    def port(self, route: Element, name: str, direction: str, short: str, number: int) -> Element:
        io = next((one for one in route.findall("IO") if one.get("direction") == direction), None)
        if io is None:
            io = SubElement(route, "IO", name=name, id=str(self.next()), direction=direction)
            io.set("default-type", "audio")
        return SubElement(io, "Port", type="audio", name=f"{name}/audio_{short} {number + 1}")

    def outputs(self, route: Element, name: str, bus: str | None, channels: int) -> None:
        target = "Master" if bus is None else self.names[f"bus:{bus}"]
        for number in range(channels):
            port = self.port(route, name, "Output", "out", number)
            SubElement(port, "Connection", other=f"{target}/audio_in {number + 1}")

    def mute(self, route: Element, is_muted: bool) -> None:
        points = {"mute-point": "PreFader,PostFader,Listen,Main", "muted": str(int(is_muted))}
        SubElement(route, "MuteMaster", points)
        self.control(route, "mute", int(is_muted))

    def control(self, parent: Element, name: str, value: float) -> None:
        SubElement(parent, "Controllable", name=name, id=str(self.next()), flags="", value=f"{value:.17g}")

    def processors(
        self,
        route: Element,
        name: str,
        fader: Gains,
        sends: tuple[SendPlan, ...],
        channels: int = 2,
        *,
        is_track: bool = False,
    ) -> None:
        """Write fader, sends and output in the order in which the sound goes through them."""
        volume, azimuth = _as_balance(fader, channels)
        pannable = SubElement(route, "Pannable")
        self.control(pannable, "pan-azimuth", azimuth)
        if is_track:
            self.processor(route, f"player:{name}", "diskreader")
        else:
            self.processor(route, "Return", "intreturn")
        for send in sends:
            if send.is_pre_fader:
                self.send(route, send, Gains(), channels)
        amp = self.processor(route, "Amp", "amp")
        self.control(amp, "gaincontrol", volume)
        for send in sends:
            if not send.is_pre_fader:
                # Ardour pans behind its sends, the plan before: the send pans for both.
                self.send(route, send, Gains(fader.left / volume, fader.right / volume, fader.rest / volume), channels)
        out = self.processor(route, name, "main-outs")
        out.attrib |= {"own-input": "1", "own-output": "0", "output": name, "role": "Main"}
        self.shell(out, channels)

    def send(self, route: Element, send: SendPlan, pan: Gains, channels: int) -> None:
        volume, azimuth = _as_balance(pan * balance(send.level_db, send.pan), channels)
        target = f"bus:{send.target}"
        made = self.processor(route, f"send {send.target}", "intsend")
        made.attrib |= {"own-input": "1", "own-output": "0", "role": "Aux", "selfdestruct": "0"}
        made.attrib |= {"bitslot": str(self.next() % 1000), "target": str(self.route_ids[target])}
        self.control(made, "gaincontrol", volume)
        pannable = SubElement(made, "Pannable")
        self.control(pannable, "pan-azimuth", azimuth)
        self.shell(made, channels, linked=False)

    def processor(self, route: Element, name: str, kind: str) -> Element:
        return SubElement(route, "Processor", id=str(self.next()), name=name, active="1", type=kind)

    def shell(self, parent: Element, channels: int, *, linked: bool = True) -> None:
        shell = SubElement(parent, "PannerShell", bypassed=str(int(channels != 2)))
        shell.set("user-panner", _BALANCE if channels == 2 else "")
        shell.set("linked-to-route", str(int(linked)))

    def region(self, playlist: Element, sources: Element, track: TrackPlan, name: str, channels: int) -> None:
        made = []
        for number in range(channels):
            source = SubElement(sources, "Source", name=f"{_AWAY}/{self.drop}/{track.item.takes[0].file}", type="audio")
            source.attrib |= {"id": str(self.next()), "channel": str(min(number, track.channels - 1))}
            source.attrib |= {"flags": "", "origin": "", "gain": "1", "take-id": "", "natural-position": "a0"}
            made.append(source.get("id", ""))
        start = self.ticks(seconds_to_frames(start_seconds(self.plan), self.plan.sample_rate))
        length = self.ticks(track.item.length_frames)
        region = SubElement(playlist, "Region", name=name, id=str(self.next()), type="audio", channels=str(channels))
        region.attrib |= {"start": "a0", "length": f"a{length}@a{start}", "sync-position": "a0"}
        region.attrib |= {"ancestral-start": "a0", "ancestral-length": f"a{length}@a0", "opaque": "1"}
        region.attrib |= {"muted": str(int(track.mute)), "scale-amplitude": f"{db_to_gain(track.item.gain_db):.17g}"}
        region.attrib |= {"fade-in-active": "0", "fade-out-active": "0", "envelope-active": "0", "whole-file": "0"}
        for number, source_id in enumerate(made):
            region.attrib |= {f"source-{number}": source_id, f"master-source-{number}": source_id}

    def locations(self) -> Element:
        plan = self.plan
        start = seconds_to_frames(start_seconds(plan), plan.sample_rate)
        locations = Element("Locations")
        end = start + max((track.item.length_frames for track in plan.tracks), default=plan.frames)
        self.location(locations, "session", 0, end, "IsSessionRange")
        for marker in plan.markers:
            at = start + marker.position_frames
            kind = "IsRangeMarker" if marker.length_frames else "IsMark"
            self.location(locations, marker.name, at, at + marker.length_frames, kind)
        return locations

    def location(self, locations: Element, name: str, start: int, end: int, flags: str) -> None:
        made = SubElement(locations, "Location", id=str(self.next()), name=_plain(name), flags=flags)
        made.attrib |= {"start": f"a{self.ticks(start)}", "end": f"a{self.ticks(end)}", "locked": "0"}

    def tempo(self) -> Element:
        plan = self.plan
        change = plan.tempo.since(-start_seconds(plan))[0] if plan.tempo else TempoChange(0.0, 120.0)
        place = {"sclock": "0", "quarters": "0:0", "bbt": "1|1|0"}
        root = Element("TempoMap", {"superclocks-per-second": str(_TICKS)})
        notes = f"{change.bpm * change.denominator / 4:.17g}"
        tempo = {"npm": notes, "enpm": notes, "note-type": str(change.denominator), "type": "Tempo::Constant"}
        tempo |= {"active": "1", "locked-to-meter": "0", "continuing": "0", "omega": "0"}
        meter = {"note-value": str(change.denominator), "divisions-per-bar": str(change.numerator)}
        SubElement(SubElement(root, "Tempos"), "Tempo", tempo | place)
        SubElement(SubElement(root, "Meters"), "Meter", meter | place)
        SubElement(root, "MusicTimes")
        return root


def _key(thing: TrackPlan | BusPlan) -> str:
    return f"bus:{thing.name}" if isinstance(thing, BusPlan) else thing.key


def _channels(thing: TrackPlan | BusPlan) -> int:
    return max(2, thing.channels)


def _as_balance(gains: Gains, channels: int) -> tuple[float, float]:
    """Split gains into a fader and the place of a balance pan, 0 (left) .. 1 (right); only stereo is panned."""
    if channels != 2:
        return gains.rest, 0.5
    volume = max(gains.left, gains.right)
    if volume == 0.0:
        return 0.0, 0.5
    return volume, 0.5 + (gains.right - gains.left) / volume / 2


def _plain(text: str) -> str:
    """Keep what XML can hold: no control character, no lone surrogate."""
    return one_line(text).encode("utf-8", "replace").decode("utf-8").replace("\ufffe", "?").replace("\uffff", "?")


def _unique_names(things: list[TrackPlan | BusPlan]) -> dict[str, str]:
    """Name every route by what tells it apart: ports are found by name, in which ':' and '/' have a meaning."""
    names: dict[str, str] = {}
    for thing in things:
        wanted = _plain(thing.name).replace(":", " ").replace("/", " ").strip() or "Track"
        name, number = wanted, 2
        while name in names.values() or name == "Master":
            name, number = f"{wanted} {number}", number + 1
        names[_key(thing)] = name
    return names
