"""Drops made of a moment of noise, whose stems add up to their mix, with the real import.lua beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import soundfile

from bridge.domain.drop import DropPlan, PlannedFile
from bridge.domain.preset import Bus, Preset, Send, StemPreset
from bridge.domain.render import AudioFormat, Marker, Origin, Source
from bridge.domain.session import FxPlan, SessionPlan
from bridge.domain.stems import display_name
from bridge.domain.tempo import TempoMap
from bridge.session.plan import plan_session
from bridge.session.reascript import import_script
from bridge.units import db_to_gain

__all__ = ["CLEAN", "FRAMES", "RATE", "ROUTED", "SmallDrop", "make_drop"]

RATE = 8000
FRAMES = 400
STEP = 2.0**-22
"""Samples are multiples of this, so that sums are exact."""

Sound = npt.NDArray[np.float64]
"""(channels, frames)"""

START = Origin()
CLEAN = Preset("clean", "Everything dry.")
ROUTED = Preset(
    "routed",
    "Buses, faders, a send and effects.",
    stems={
        "vocals": StemPreset(bus="VOX", gain_db=-3.0, pan=0.25),
        "bass": StemPreset(gain_db=2.0, mute=True),
        "*": StemPreset(bus="MUSIC"),
    },
    buses={
        "VOX": Bus("VOX", "#d1495b", gain_db=1.5, reaper_fx=("ReaComp",)),
        "MUSIC": Bus("MUSIC", "#30638e"),
        "VERB": Bus("VERB", "#8a8a8a", reaper_fx=("ReaVerbate", "No such effect")),
        "UNUSED": Bus("UNUSED"),
    },
    sends=(Send("VOX", "VERB", -14.0), Send("UNUSED", "VERB", 0.0)),
)


@dataclass(frozen=True)
class SmallDrop:
    """A drop on disk and what it was made of."""

    folder: Path
    plan: SessionPlan
    mix: Sound = field(repr=False)
    stems: Mapping[str, Sound] = field(repr=False)

    @property
    def script(self) -> Path:
        return self.folder / "import.lua"


def make_drop(
    folder: Path,
    *,
    drop_id: str = "0123456789abcdef",
    title: str = "Song",
    preset: Preset = CLEAN,
    stems: Sequence[str] = ("vocals", "drums", "bass", "other"),
    printed: Sequence[str] = (),
    channels: int = 2,
    origin: Origin = START,
    markers: Sequence[Marker] = (),
    common_gain_db: float = 0.0,
    base: str = "Song",
    mix: Sound | None = None,
    source: Source | None = None,
    tempo: TempoMap | None = None,
    rate: int = RATE,
    live: Mapping[str, Sequence[FxPlan]] = MappingProxyType({}),
) -> SmallDrop:
    """Write the sound files of a drop and its import.lua; a printed stem is its dry self, louder and with a tail.

    With a `mix` of any length, its stems add up to it.
    """
    random = np.random.default_rng(7)
    sounds = {stem: np.round(random.normal(0, 0.1, (channels, FRAMES)) / STEP) * STEP for stem in stems}
    if mix is not None:
        channels = mix.shape[0]
        shares = dict(zip(stems, random.dirichlet(np.ones(len(stems))), strict=True))
        sounds = {stem: share * mix for stem, share in shares.items()}
    mix = np.sum(list(sounds.values()), axis=0)
    length = mix.shape[1]
    files, frames = [], {}

    def add(stem: str, kind: str, name: str, sound: Sound) -> None:
        path = PurePosixPath(name)
        files.append(PlannedFile(stem, kind, path))  # type: ignore[arg-type]
        frames[str(path)] = sound.shape[1]
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, sound.T, rate, "DOUBLE", format="WAV")

    scale = db_to_gain(common_gain_db)
    for stem, sound in sounds.items():
        if stem in printed:
            wet = np.concatenate([2 * sound, sound[:, :50]], axis=1)
            add(stem, "stem", f"stems/{base} - {display_name(stem)}.wav", wet * scale)
            add(stem, "dry", f"dry/{base} - {display_name(stem)} (dry).wav", sound * scale)
        else:
            add(stem, "stem", f"stems/{base} - {display_name(stem)}.wav", sound * scale)
    add("mix", "mix", f"mix/{base}.wav", mix)
    plan = plan_session(
        drop_id=drop_id,
        title=title,
        format=AudioFormat(rate, channels, length, "FLOAT", "WAV"),
        origin=origin,
        markers=markers,
        preset=preset,
        plan=DropPlan(base, tuple(files), "FLOAT", "WAV"),
        frames=frames,
        common_gain_db=common_gain_db,
        source=source,
        tempo=tempo,
        live=live,
    )
    (folder / "import.lua").write_text(import_script(plan), encoding="utf-8", newline="\n")
    return SmallDrop(folder, plan, mix, sounds)
