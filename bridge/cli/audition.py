"""Some seconds of one stem through a preset, written beside a drop: to hear a chain before a whole song runs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import ConfigError, PresetError

if TYPE_CHECKING:
    from bridge.config import Settings
    from bridge.delivery.reuse import Reused
    from bridge.domain.preset import Preset
    from bridge.domain.render import Levels
    from bridge.domain.stems import FloatArray

__all__ = ["audition"]


class _Excerpt:
    """A stretch of the dry stems of a drop; their loudness is that of the whole song, so that presets act as there."""

    def __init__(self, reused: Reused, first: int, frames: int) -> None:
        source = reused.manifest.render.format.value()
        self.frames = min(frames, source.frames - first)
        self.sample_rate = source.sample_rate
        self.channels = source.channels
        self.channel_mask = source.channel_mask
        self._reused = reused
        self._first = first

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        return self._reused.read(stem, self._first + start, frames)

    def levels(self, stem: str) -> Levels:
        return self._reused.levels(stem)


def audition(preset: Preset, drop: Path, settings: Settings, *, stem: str, seconds: float, start: float | None) -> Path:
    """Write `seconds` of one processed stem, from `start` or its loudest place, beside the drop; return the file.

    FLOAT WAV at the render's rate; what rings on is cut. Raises PresetError when the preset prints nothing on the
    stem, ConfigError when the drop has no such stem or is shorter, and what reading, effects and writing raise.
    """
    from bridge.audio.write import SoundWriter
    from bridge.delivery.names import safe_name, unique_name
    from bridge.delivery.reuse import open_reused
    from bridge.effects.graph import bind
    from bridge.effects.rack import Rack

    with (
        tempfile.TemporaryDirectory() as work,
        open_reused(drop, Path(work)) as reused,
        Rack(settings.plugins.options()) as rack,
    ):
        stems = reused.choice.delivered
        if stem not in stems:
            raise ConfigError(f"{drop.name} has no stem '{stem}'.", hint=f"It has: {', '.join(stems)}.", path=drop)
        source = reused.manifest.render.format.value()
        frames = max(1, round(seconds * source.sample_rate))
        first = _loudest(reused, stem, frames) if start is None else round(start * source.sample_rate)
        if first >= source.frames:
            raise ConfigError(f"{drop.name} ends after {source.seconds:.1f} s.", hint="Give an earlier --start.")
        excerpt = _Excerpt(reused, first, frames)
        tempo = reused.manifest.tempo.value() if reused.manifest.tempo is not None else None
        if tempo is not None:
            tempo = type(tempo)(tempo.since(first / source.sample_rate), tempo.source)
        graph = bind(
            preset,
            stems,
            sample_rate=source.sample_rate,
            channels=source.channels,
            tempo=settings.presets.tempo() or tempo,
            rack=rack,
        )
        if stem not in graph.printed:
            raise PresetError(
                f"Preset '{preset.name}' prints nothing on {stem}.", hint=f"It prints on: {_listed(graph.printed)}."
            )
        name = safe_name(f"{drop.name} - {stem} - {preset.name}", max_bytes=80)
        path = drop.parent / (unique_name(name, lambda one: (drop.parent / f"{one}.wav").exists()) + ".wav")
        with SoundWriter(
            path,
            sample_rate=source.sample_rate,
            channels=source.channels,
            subtype="FLOAT",
            container="WAV",
            channel_mask=source.channel_mask,
        ) as file:
            for block in graph.run(excerpt):
                file.write(block.stems[stem][:, : max(0, excerpt.frames - block.start)])
    return path


def _loudest(reused: Reused, stem: str, frames: int) -> int:
    """Return the first frame of the stretch with most energy, to within a second."""
    import numpy as np

    source = reused.manifest.render.format.value()
    starts = range(0, source.frames, source.sample_rate)
    energy = [float(np.square(reused.read(stem, at, source.sample_rate)).sum()) for at in starts]
    length = max(1, round(frames / source.sample_rate))
    sums = np.convolve(energy, np.ones(min(length, len(energy))), mode="valid")
    return int(np.argmax(sums)) * source.sample_rate


def _listed(printed: frozenset[str]) -> str:
    return ", ".join(sorted(printed)) or "no stem"
