"""The user's own plugins: how a job may use them, and what was at work in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Insert", "Missing", "PluginOptions"]

Missing = Literal["fail", "skip"]


@dataclass(frozen=True)
class PluginOptions:
    """Where plugins are looked for, and what one of them may cost."""

    folders: tuple[Path, ...] = ()
    """The only places from which plugins, and their presets, are loaded; empty = none is."""
    missing: Missing = "fail"
    """What happens where a preset names one that is not there."""
    seconds_to_load: float = 30.0
    seconds_without_progress: float = 30.0
    """For how long a plugin may work on one block, of less than a second of sound."""
    memory_gb: float = 4.0
    """Most memory of the process of one plugin, in 10^9 bytes."""
    records: Path | None = None
    """Folder in which crashes are counted; None = nowhere."""


@dataclass(frozen=True)
class Insert:
    """One plugin at work on one stem, as it answered when it was loaded."""

    stem: str
    position: int
    """Which of the plugins of its stem, from 1."""
    path: str
    """As the preset names it."""
    name: str = ""
    maker: str = ""
    version: str = ""
    sha256: str = ""
    """Of the plugin's program files, hex."""
    latency_frames: int = 0
    parameters: Mapping[str, bool | float | str] = field(default_factory=dict)
    """Every parameter as read back after it was set."""
    wet: float = 1.0
    live: bool = False
    """Not printed: a DAW inserts it."""
    changed: Mapping[str, float] = field(default_factory=dict)
    """Some parameters that differ from the plugin's own start, by the names that a DAW shows; normalised, 0..1."""
    state: bytes = field(default=b"", repr=False)
    """The whole state as a .vstpreset holds it; empty where the plugin has none to give."""
    skipped: str = ""
    """Why it was left out; empty = it was at work."""
