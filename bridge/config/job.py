"""Settings of every job: how stems are separated, processed and written, and where what that needs is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from bridge.config.places import cache_folder, state_folder
from bridge.config.values import Device, Folders, Part, StemNames, listed
from bridge.domain.job import SeparationOptions, StoreOptions
from bridge.domain.plugins import Missing, PluginOptions
from bridge.domain.tempo import TempoChange, TempoMap

__all__ = ["Cache", "Models", "Output", "Plugins", "Presets", "Separation"]


class Separation(Part):
    """How stems are computed."""

    model: str = "htdemucs"
    """What separates: name of a model, or a folder of your own weights. See: stem-bridge models list"""
    device: Device = "auto"
    """Processor: auto takes NVIDIA, then Apple's GPU, then the CPU; `cuda:0,cuda:1` = two cards for a batch."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of products in networks with a transformer: auto takes bfloat16 on CPUs that have it, float32 elsewhere."""
    overlap: Annotated[float, Field(strict=True, ge=0.0, le=0.95)] = 0.25
    """Share of a segment that the next one computes again; 0..0.95."""
    shifts: Annotated[int, Field(strict=True, ge=0, le=20)] = 0
    """Extra runs at other time offsets, averaged; 0..20; each costs a whole run."""
    stems: StemNames = ()
    """Wanted stems; `all` = every stem of the model."""
    two_stems: str | None = None
    """Deliver this stem and the rest of the mix, and nothing else."""
    residual: Literal["other", "stem", "share", "drop"] = "other"
    """Where mix - sum(stems) goes: into `other`, a stem of its own, a share for each, or nowhere."""
    threads: Annotated[int, Field(strict=True, ge=0, le=256)] = 0
    """CPU threads; 0 = all cores; 0..256."""
    batch: Annotated[int, Field(strict=True, ge=0, le=64)] = 0
    """Most segments computed at once; 0 = what fits a GPU's memory, or the threads of a CPU, up to four; 0..64."""
    gpu_memory_gb: Annotated[float, Field(ge=0.0, le=1024.0)] = 0.0
    """Most memory to take on an NVIDIA or Apple GPU, in GB, so that others have the rest; 0 = no limit; 0..1024."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Return each device that is named: a batch uses all of them, any single job the first."""
        return tuple(self.device.split(","))

    def options(self, model: str) -> SeparationOptions:
        """Return what a job carries, for `model`."""
        return SeparationOptions(
            model=model,
            stems=self.stems,
            two_stems=self.two_stems,
            overlap=self.overlap,
            shifts=self.shifts,
            residual=self.residual,
            device=self.devices[0],
            precision=self.precision,
            threads=self.threads,
            batch=self.batch,
            gpu_memory_gb=self.gpu_memory_gb,
        )


class Output(Part):
    """How stems are written, where the preset does not say."""

    format: Literal["wav", "flac", "aiff"] = "wav"
    """Container of the stems."""
    subtype: Literal["FLOAT", "PCM_24", "PCM_16", "source"] = "FLOAT"
    """Sample format; `source` follows the render."""
    dry: Annotated[bool, Field(strict=True)] = True
    """Deliver the dry stem too where a preset prints effects."""
    session: Annotated[tuple[Literal["reaper", "ardour"], ...], BeforeValidator(listed)] = ("reaper",)
    """Project files to put into a drop: reaper, ardour (experimental); import.lua is always there."""


class Presets(Part):
    """Where presets lie besides the shipped ones."""

    folders: Folders = ()
    """Your own come first: a preset there hides a shipped one of its name."""
    live: Annotated[bool, Field(strict=True)] = False
    """While `watch` runs: a preset that is saved is heard at once, in an audition of the newest drop made with it."""
    bpm: Annotated[float, Field(strict=True, ge=1.0, le=960.0)] | None = None
    """Tempo of every render, quarter notes a minute, unless the DAW's script says another; 1..960."""

    def tempo(self) -> TempoMap | None:
        """Return the tempo that the user says, from the start of the render on."""
        return None if self.bpm is None else TempoMap((TempoChange(0.0, self.bpm),), "setting")


class Models(Part):
    """Where weights lie besides the cache of downloads."""

    folders: Folders = ()
    """Searched first."""


class Plugins(Part):
    """Your own VST3 and Audio Unit plugins, and what one of them may cost."""

    folders: Folders = ()
    """The only places plugins are loaded from; empty = none is. See: stem-bridge plugins scan"""
    missing: Missing = "fail"
    """What happens where a preset names a plugin that is not there."""
    seconds_to_load: Annotated[float, Field(strict=True, ge=1.0, le=600.0)] = 30.0
    """A plugin that needs longer to load is given up; 1..600."""
    seconds_without_progress: Annotated[float, Field(strict=True, ge=1.0, le=600.0)] = 30.0
    """A plugin that works longer on less than a second of sound is given up; 1..600."""
    memory_gb: Annotated[float, Field(strict=True, ge=0.5, le=1000.0)] = 4.0
    """A plugin that takes more memory is given up; 0.5..1000."""

    def options(self, environment: Mapping[str, str] = os.environ) -> PluginOptions:
        """Return what a job carries; crashes are counted in the state folder."""
        return PluginOptions(
            folders=tuple(folder.absolute() for folder in self.folders),
            missing=self.missing,
            seconds_to_load=self.seconds_to_load,
            seconds_without_progress=self.seconds_without_progress,
            memory_gb=self.memory_gb,
            records=state_folder(environment) / "plugins",
        )


class Cache(Part):
    """What is kept so that no segment of a song is separated twice."""

    folder: Annotated[str, Field(min_length=1)] = "auto"
    """Where outputs of segments are kept; `auto` = the platform's folder for caches, `off` = none is kept."""
    max_gb: Annotated[float, Field(ge=0.1, le=100000.0)] = 20.0
    """The least used ones go beyond this many GB; 0.1..100000."""

    def options(self, environment: Mapping[str, str] = os.environ) -> StoreOptions | None:
        """Return what a job carries; None when nothing is kept."""
        if self.folder == "off":
            return None
        folder = cache_folder(environment) if self.folder == "auto" else Path(self.folder).expanduser().absolute()
        return StoreOptions(folder, round(self.max_gb * 1e9))
