"""What a preset file says, validated: a graph over all stems, live FX, and the output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bridge.domain.stems import instrument_of

__all__ = [
    "Bus",
    "Chain",
    "Effect",
    "Instrument",
    "MidSide",
    "OutputOptions",
    "Parallel",
    "Plugin",
    "Preset",
    "Send",
    "StemPreset",
]
__all__ += ["Step"]

ParameterValue = bool | float | str
"""A parameter as YAML gives it; note values and enum names are text."""


@dataclass(frozen=True)
class Effect:
    """One built-in effect with every parameter it is given, by Pedalboard's own names."""

    name: str
    """Pedalboard's class name, or one of our own additions in the catalog."""
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    bypass: bool = False
    wet: float = 1.0
    """0..1; out = dry * (1 - wet) + effect * wet, aligned to the sample."""


@dataclass(frozen=True)
class Plugin:
    """One of the user's own plugins (VST3, AU on macOS), run in a process of its own."""

    path: str
    """File name, looked for in the configured plugin folders only; never a path out of them."""
    plugin_name: str = ""
    """Which one, when the file holds several."""
    preset: str = ""
    """A .vstpreset beside the preset file or in the plugin folders; empty = the plugin's own start."""
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    """By the plugin's own parameter names, as Pedalboard writes them."""
    bypass: bool = False
    wet: float = 1.0
    """0..1; out = dry * (1 - wet) + plugin * wet, aligned to the sample."""
    missing: Literal["fail", "skip"] | None = None
    """What happens when it is not there; None = as the settings say."""
    live: bool = False
    """Not printed: the session script inserts it, in the state that the drop keeps; last in its chain."""

    @property
    def is_off(self) -> bool:
        """Whether it changes nothing: bypassed, or without wet share."""
        return self.bypass or self.wet <= 0.0


@dataclass(frozen=True)
class Parallel:
    """Branches that all hear the same input; their outputs are aligned and summed. An empty branch is the dry path."""

    branches: tuple[Chain, ...]


@dataclass(frozen=True)
class MidSide:
    """Two chains: one hears half the sum of a pair of channels, the other half their difference; then back to the pair.

    What belongs to no pair (mono, the centre of surround) goes through `mid` alone.
    """

    mid: Chain = ()
    side: Chain = ()


Step = Effect | Parallel | MidSide | Plugin

Chain = tuple[Step, ...]
"""Ordered effects; empty = identity, not one bit changes."""


@dataclass(frozen=True)
class StemPreset:
    """What happens to one stem: the chain is printed, the rest are session faders."""

    chain: Chain = ()
    reference_lufs: float | None = None
    """Level-dependent steps hear the stem at this loudness, and the level is restored after the chain."""
    tail: Literal["auto"] | float = "auto"
    """Seconds the chain may ring on after the render's end."""
    gain_db: float = 0.0
    pan: float = 0.0
    """-1 (left) .. 1 (right)."""
    mute: bool = False
    bus: str | None = None
    """Name of a declared bus; None = straight to the master."""
    target_lufs: Literal["dry"] | float | None = None
    """Loudness of the printed stem; at most one of the two targets."""
    target_peak_db: float | None = None
    """Highest sample of the printed stem, dBFS."""
    reaper_fx: tuple[str, ...] = ()
    """Names of effects that the session script inserts live on the stem's track."""


@dataclass(frozen=True)
class Instrument:
    """A plugin that plays notes of the .mid beside the render: one more track, no part of the mix."""

    name: str
    plugin: Plugin
    """Never bypassed, always fully wet."""
    tracks: tuple[str, ...] = ()
    """Names of MIDI tracks it plays, or patterns such as 'Keys*', any case; none = all."""
    mix: StemPreset = field(default_factory=StemPreset)
    """What happens to its sound, as to a stem's."""


@dataclass(frozen=True)
class Bus:
    """A mixer bus of the session; where `print_`, also a file: all that comes in, through `chain`, before its fader."""

    name: str
    color: str = ""
    """'#rrggbb', or empty for none."""
    gain_db: float = 0.0
    reaper_fx: tuple[str, ...] = ()
    """Names of REAPER's own FX that the session script inserts live."""
    pan: float = 0.0
    """-1 (left) .. 1 (right)."""
    parent: str | None = None
    """The bus this one feeds; None = straight to the master. No bus is its own ancestor."""
    adopt: tuple[str, ...] = ()
    """Patterns such as 'DRUM*', any case: a track of the user's whose name fits is used instead of a new one."""
    chain: Chain = ()
    """Printed into the submix where `print_`; else it holds live plugins only."""
    reference_lufs: float | None = None
    """As for stems: the chain hears the submix at this loudness."""
    print_: bool = False
    """Deliver the submix as a file; `print` in YAML."""


@dataclass(frozen=True)
class Send:
    """A send between buses."""

    source: str
    target: str
    level_db: float = 0.0
    pan: float = 0.0
    """-1 (left) .. 1 (right)."""
    is_pre_fader: bool = False
    """Taken before the fader and the pan of the source."""


@dataclass(frozen=True)
class OutputOptions:
    """How stems are written."""

    format: Literal["wav", "flac", "aiff"] = "wav"
    subtype: Literal["FLOAT", "PCM_24", "PCM_16", "source"] = "FLOAT"
    """`source` follows the render: integer renders give the same depth, all others FLOAT."""
    dry: bool = True
    """Deliver the dry stem too where a chain printed."""
    session: tuple[Literal["reaper", "ardour"], ...] = ("reaper",)
    """Projects of DAWs that a drop holds beside `import.lua`, which is always there."""


@dataclass(frozen=True)
class Preset:
    """A validated preset."""

    name: str
    description: str
    stems: Mapping[str, StemPreset] = field(default_factory=dict)
    """By stem name; '*' stands for every stem not named."""
    buses: Mapping[str, Bus] = field(default_factory=dict)
    sends: tuple[Send, ...] = ()
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    """By name; each becomes a file and a track of its own."""
    output: OutputOptions = OutputOptions()
    stated_output: frozenset[str] = frozenset()
    """Which keys of `output` the file itself sets; the others may come from the settings."""
    sha256: str = ""
    """Of the file's text and of those it extends, hex; kept in the manifest."""
    tags: tuple[str, ...] = ()
    """Lower-case words to find it by."""
    layout: Literal["sends", "folders"] = "sends"
    """How stems reach their bus in the session: by sends, or as children of a folder track."""

    def for_stem(self, stem: str) -> StemPreset:
        """Return what applies to `stem`: its own entry, else '*', else nothing done; or to the key of an instrument."""
        if (name := instrument_of(stem)) is not None:
            return self.instruments[name].mix
        return self.stems.get(stem) or self.stems.get("*") or StemPreset()

    def reached(self, stems: Iterable[str]) -> frozenset[str]:
        """Collect the buses of the session that sound reaches: from stems (and keys of instruments), then along sends
        and to the buses that buses feed."""
        used: set[str] = set()
        found = {bus for stem in stems if (bus := self.for_stem(stem).bus) is not None}
        while found:
            used |= found
            sends = (send.target for send in self.sends if send.source in used)
            found = {name for name in sends if not self.is_printed_return(self.buses[name])}
            found |= {parent for name in used if (parent := self.buses[name].parent) is not None}
            found -= used
        return frozenset(used)

    def is_printed_return(self, bus: Bus) -> bool:
        """Say whether a bus hears sends only, through a chain that is in its file: live, it would double the dry
        sound."""
        players = (one.mix for one in self.instruments.values())
        fed = {stem.bus for stem in (*self.stems.values(), *players)} | {one.parent for one in self.buses.values()}
        return bus.print_ and bool(bus.chain) and not bus.reaper_fx and bus.name not in fed

    def printing_all(self) -> Preset:
        """Print what stems and instruments would have live, to hear it without a DAW."""
        players = {
            name: replace(one, mix=replace(one.mix, chain=_printed(one.mix.chain)))
            for name, one in self.instruments.items()
        }
        stems = {name: replace(one, chain=_printed(one.chain)) for name, one in self.stems.items()}
        return replace(self, stems=stems, instruments=players)


def _printed(chain: Chain) -> Chain:
    return tuple(replace(step, live=False) if isinstance(step, Plugin) else step for step in chain)
