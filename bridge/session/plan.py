"""What a drop becomes in a session, decided from preset and planned files: tracks, items, buses, sends, markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bridge.domain.drop import DropPlan, PlannedFile
from bridge.domain.preset import Preset
from bridge.domain.render import AudioFormat, Marker, Origin, Source
from bridge.domain.session import BusPlan, FxPlan, ItemPlan, SendPlan, SessionPlan, TakePlan, TrackPlan
from bridge.domain.stems import bus_key, bus_of, display_name
from bridge.domain.tempo import TempoMap
from bridge.session.routing import walk

__all__ = ["plan_session"]

_MIXING_ORDER = ("drums", "bass", "other", "vocals", "guitar", "piano")
_COLORS = {
    "drums": "#d1495b",
    "bass": "#8f5db7",
    "other": "#4f8a8b",
    "vocals": "#edae49",
    "guitar": "#6a994e",
    "piano": "#3d7ea6",
}
_NONE_LIVE: Mapping[str, Sequence[FxPlan]] = MappingProxyType({})
_OTHER_COLOR = "#7d8597"
_ORIGINAL_COLOR = "#8a8a8a"


def plan_session(
    *,
    drop_id: str,
    title: str,
    format: AudioFormat,  # noqa: A002
    origin: Origin,
    markers: Sequence[Marker],
    tempo: TempoMap | None = None,
    source: Source | None = None,
    preset: Preset,
    plan: DropPlan,
    frames: Mapping[str, int],
    common_gain_db: float = 0.0,
    live: Mapping[str, Sequence[FxPlan]] = _NONE_LIVE,
) -> SessionPlan:
    """Lay a drop out as tracks; pure.

    One track per delivered stem in mixing order, named for people and coloured like its bus, with the wet take first
    and the dry one behind it; faders and buses as the preset says; instruments likewise; then printed submixes, muted
    beside the stems they hold, while a printed return takes the place of its bus and sends; last, the original, muted
    and past all buses. Only buses that sound reaches are made. `frames` maps the path of every planned file to its
    length in frames. `common_gain_db` is the gain that every stem file (never the mix) was written with; items undo it.
    `live` has the plugins that are inserted instead of printed, by stem, `instrument_key` or `bus_key`; REAPER's own
    come after them. No send goes to a bus whose live plugins were all left out: it would double what it hears.
    Law, see `walk`: every stem reaches the master over exactly one dry path. Raises DeliveryError for a preset that
    breaks it.
    """
    stems = sorted((file for file in plan.files if file.kind == "stem"), key=lambda file: _mixing_place(file.stem))
    used = preset.reached(file.stem for file in plan.files if file.kind in ("stem", "instrument"))
    played = [file for file in plan.files if file.kind == "instrument"]
    tracks = [
        _stem_track(file, format.channels, preset, plan, frames, common_gain_db, live.get(file.stem, ()))
        for file in (*stems, *played)
    ]
    tracks += [_submix_track(file, format.channels, preset, frames, common_gain_db) for file in _submixes(plan)]
    mix = plan.file("mix", "mix")
    if mix is not None:
        tracks.append(_original_track(mix, title, format.channels, frames))
    fx = {name: (*live.get(bus_key(name), ()), *map(FxPlan, bus.reaper_fx)) for name, bus in preset.buses.items()}
    idle = {name for name, bus in preset.buses.items() if bus.chain and not bus.print_ and not fx[name]}
    session = SessionPlan(
        drop_id=drop_id,
        title=title,
        sample_rate=format.sample_rate,
        frames=format.frames,
        origin=origin,
        tracks=tuple(tracks),
        buses=tuple(
            BusPlan(
                name=bus.name,
                color=bus.color,
                gain_db=bus.gain_db,
                channels=format.channels,
                fx=fx[name],
                pan=bus.pan,
                parent=bus.parent,
                adopt=bus.adopt,
            )
            for name, bus in preset.buses.items()
            if name in used
        ),
        sends=tuple(
            SendPlan(send.source, send.target, send.level_db, send.pan, send.is_pre_fader)
            for send in preset.sends
            if {send.source, send.target} <= used and send.target not in idle
        ),
        markers=tuple(markers),
        tempo=tempo,
        source=source,
        layout=preset.layout,
    )
    walk(session)
    return session


def _stem_track(
    file: PlannedFile,
    channels: int,
    preset: Preset,
    plan: DropPlan,
    frames: Mapping[str, int],
    common_gain_db: float,
    live: Sequence[FxPlan],
) -> TrackPlan:
    wanted = preset.for_stem(file.stem)
    name = display_name(file.stem)
    takes = [TakePlan(str(file.path), name)]
    dry = plan.file(file.stem, "dry")
    if dry is not None:
        takes.append(TakePlan(str(dry.path), f"{name} (dry)"))
    bus = preset.buses.get(wanted.bus) if wanted.bus is not None else None
    return TrackPlan(
        key=f"stem:{file.stem}" if file.kind == "stem" else file.stem,
        name=name,
        color=(bus.color if bus else "") or _COLORS.get(file.stem, _OTHER_COLOR),
        channels=channels,
        gain_db=wanted.gain_db,
        pan=wanted.pan,
        mute=wanted.mute,
        bus=wanted.bus,
        item=ItemPlan(tuple(takes), frames[str(file.path)], -common_gain_db),
        fx=(*live, *map(FxPlan, wanted.reaper_fx)),
    )


def _submixes(plan: DropPlan) -> list[PlannedFile]:
    return [file for file in plan.files if file.kind == "bus"]


def _submix_track(
    file: PlannedFile, channels: int, preset: Preset, frames: Mapping[str, int], common_gain_db: float
) -> TrackPlan:
    bus = preset.buses[bus_of(file.stem) or ""]
    name = f"{bus.name} (printed)"
    returned = preset.is_printed_return(bus)
    return TrackPlan(
        key=f"print:{bus.name}",
        name=name,
        color=bus.color or _OTHER_COLOR,
        channels=channels,
        gain_db=bus.gain_db if returned else 0.0,
        pan=bus.pan if returned else 0.0,
        mute=not returned,
        bus=bus.parent if returned else None,
        item=ItemPlan((TakePlan(str(file.path), name),), frames[str(file.path)], -common_gain_db),
    )


def _original_track(mix: PlannedFile, title: str, channels: int, frames: Mapping[str, int]) -> TrackPlan:
    name = f"{title} (original)"
    return TrackPlan(
        key="mix",
        name=name,
        color=_ORIGINAL_COLOR,
        channels=channels,
        gain_db=0.0,
        pan=0.0,
        mute=True,
        bus=None,
        item=ItemPlan((TakePlan(str(mix.path), name),), frames[str(mix.path)]),
    )


def _mixing_place(stem: str) -> int:
    """Give a stem its place; what is not in the usual order comes after it, in the order of the drop."""
    return _MIXING_ORDER.index(stem) if stem in _MIXING_ORDER else len(_MIXING_ORDER)
