"""What a preset file says, validated: a graph over all stems, live FX, and the output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Bus", "Chain", "Effect", "OutputOptions", "Parallel", "Plugin", "Preset", "Send", "StemPreset"]

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


@dataclass(frozen=True)
class Parallel:
    """Branches that all hear the same input; their outputs are aligned and summed. An empty branch is the dry path."""

    branches: tuple[tuple[Effect | Parallel | Plugin, ...], ...]


Chain = tuple[Effect | Parallel | Plugin, ...]
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


@dataclass(frozen=True)
class Bus:
    """A mixer bus of the session."""

    name: str
    color: str = ""
    """'#rrggbb', or empty for none."""
    gain_db: float = 0.0
    reaper_fx: tuple[str, ...] = ()
    """Names of REAPER's own FX that the session script inserts live."""


@dataclass(frozen=True)
class Send:
    """A post-fader send between buses."""

    source: str
    target: str
    level_db: float = 0.0


@dataclass(frozen=True)
class OutputOptions:
    """How stems are written."""

    format: Literal["wav", "flac", "aiff"] = "wav"
    subtype: Literal["FLOAT", "PCM_24", "PCM_16", "source"] = "FLOAT"
    """`source` follows the render: integer renders give the same depth, all others FLOAT."""
    dry: bool = True
    """Deliver the dry stem too where a chain printed."""


@dataclass(frozen=True)
class Preset:
    """A validated preset."""

    name: str
    description: str
    stems: Mapping[str, StemPreset] = field(default_factory=dict)
    """By stem name; '*' stands for every stem not named."""
    buses: Mapping[str, Bus] = field(default_factory=dict)
    sends: tuple[Send, ...] = ()
    output: OutputOptions = OutputOptions()
    stated_output: frozenset[str] = frozenset()
    """Which keys of `output` the file itself sets; the others may come from the settings."""
    sha256: str = ""
    """Of the file's text, hex; kept in the manifest."""

    def for_stem(self, stem: str) -> StemPreset:
        """Return what applies to `stem`: its own entry, else '*', else nothing done."""
        return self.stems.get(stem) or self.stems.get("*") or StemPreset()
