"""One piece of work, complete enough to cross a process border: what to do with which render."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from bridge.domain.plugins import PluginOptions
from bridge.domain.preset import OutputOptions, Preset
from bridge.domain.render import Marker, Origin, Render, Source
from bridge.domain.tempo import TempoMap

__all__ = ["Job", "SeparationOptions", "StoreOptions", "drop_key", "separation_key"]

Residual = Literal["other", "stem", "share", "drop"]
_OF_THE_DEVICE = frozenset({"device", "threads", "batch", "gpu_memory_gb"})
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class SeparationOptions:
    """What is computed and how; all of it changes the result."""

    model: str = "htdemucs"
    """A name of the registry, or the path of a folder of own weights."""
    stems: tuple[str, ...] = ()
    """Wanted stems; empty = all the model has."""
    two_stems: str | None = None
    """Deliver this stem and the rest of the mix, instead of `stems`."""
    overlap: float = 0.25
    """Fraction of a segment shared with the next, 0..0.95."""
    shifts: int = 0
    """Averaged runs at time offsets seeded by the audio key; 0..20; 0 = one run, no offset."""
    residual: Residual = "other"
    """Where mix - sum(stems) goes."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: Precision = "auto"
    """Of the products in a network; `auto` is bfloat16 where it was measured to be inaudible and is quicker."""
    threads: int = 0
    """CPU threads; 0 = all cores."""
    batch: int = 0
    """Most segments at a time; 1..64; 0 = what fits an accelerator's memory, or the threads of a CPU, up to 4."""
    gpu_memory_gb: float = 0.0
    """Most memory to take on a card, in 10^9 bytes; 0 = no limit."""


@dataclass(frozen=True)
class StoreOptions:
    """Where outputs of segments are kept between jobs, and how much."""

    folder: Path
    max_bytes: int


@dataclass(frozen=True)
class Job:
    """A render, what to make of it, and where it goes."""

    id: str
    render: Path
    """The user's file."""
    outbox: Path
    name: str
    """Wanted name of the drop folder; made safe and unique when published."""
    preset: Preset
    separation: SeparationOptions = field(default_factory=SeparationOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    model_folders: tuple[Path, ...] = ()
    """Extra folders where weights may lie."""
    plugins: PluginOptions = field(default_factory=PluginOptions)
    """Where the user's own plugins lie, and what they may cost."""
    plugins_found: tuple[str, ...] = ()
    """What is at work of them, a text for each step of the preset: found when the work begins."""
    origin: Origin | None = None
    """Where in the project the render starts, when a sidecar says so; else the file itself is asked."""
    markers: tuple[Marker, ...] = ()
    """Of the sidecar; added to those of the file."""
    tempo: TempoMap | None = None
    """When a sidecar, a .mid beside the render or the user says so."""
    source: Source | None = None
    """What was rendered, when a sidecar says so."""
    tags: tuple[tuple[str, str], ...] = ()
    """Names and words of a sidecar, kept in the manifest as they are."""
    stems_from: Path | None = None
    """A drop whose dry stems are used instead of separating (`apply`)."""
    store: StoreOptions | None = None
    """None: every segment is computed, and none is kept. Changes no result."""


def separation_key(job: Job, audio_key: str, weights_sha256: Sequence[str]) -> str:
    """Name dry stems by all that changes them, hex: the sound, the weights, and every option but the device's.

    Device, threads and batch change rounding only, and a limit of memory changes nothing.
    """
    options = {key: value for key, value in asdict(job.separation).items() if key not in _OF_THE_DEVICE}
    return _digest({"audio": audio_key, "weights": list(weights_sha256), "separation": options})


def drop_key(job: Job, render: Render, weights_sha256: Sequence[str]) -> str:
    """Name a result by all that changes it, 16 hex digits: same key, same drop.

    Covers what `separation_key` covers, and the place in the project, the markers, the tempo map, what was rendered,
    the tags, the preset with its plugins, and the output. What nobody says is left out, so that it changes no key.
    """
    facts: dict[str, object] = {
        "stems": separation_key(job, render.audio_key, weights_sha256),
        "origin": asdict(render.origin),
        "markers": [asdict(marker) for marker in render.markers],
        "preset": [job.preset.name, job.preset.sha256],
        "output": {key: value for key, value in asdict(job.output).items() if value != ("reaper",)},
    }
    if job.plugins_found:
        facts["plugins"] = job.plugins_found
    if render.tempo is not None:
        facts["tempo"] = asdict(render.tempo)
    if render.source is not None:
        facts["source"] = asdict(render.source)
    if job.tags:
        facts["tags"] = job.tags
    if job.preset.instruments and render.midi:
        facts["notes"] = hashlib.sha256(render.midi).hexdigest()
    if render.tags_key:
        facts["carried tags"] = render.tags_key
    return _digest(facts)[:16]


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
