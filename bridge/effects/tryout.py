"""A preset tried on a second of noise: every chain is built and must give sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bridge.domain.notes import NoteTrack
from bridge.domain.preset import Chain, Preset
from bridge.domain.render import Levels
from bridge.domain.stems import FloatArray
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.effects.graph import bind
from bridge.effects.nodes import effects_of
from bridge.effects.plugins.rack import Rack

__all__ = ["Noise", "try_out"]

_LEVEL_DB = -20.0
_TEMPO = TempoMap((TempoChange(0.0, 120.0),), "setting")
_NOTE = ((0.0, bytes((0x90, 60, 100))), (0.5, bytes((0x80, 60, 0))))
_STEMS = ("drums", "bass", "other", "vocals")


class Noise:
    """One second of white noise for every stem, another one for each, RMS -20 dBFS."""

    channels = 2
    channel_mask = 0

    def __init__(self, stems: tuple[str, ...], sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.frames = sample_rate
        gain = 10.0 ** (_LEVEL_DB / 20.0)
        self._sounds = {
            stem: (np.random.default_rng(number).standard_normal((2, sample_rate)) * gain).astype(np.float32)
            for number, stem in enumerate(stems)
        }

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Return (2, frames), float32."""
        return np.ascontiguousarray(self._sounds[stem][:, start : start + frames])

    def levels(self, stem: str) -> Levels:
        """Return the loudness, near enough for a trial."""
        return Levels(float(np.abs(self._sounds[stem]).max()), _LEVEL_DB, _LEVEL_DB)


def try_out(preset: Preset, *, sample_rate: int = 44100, rack: Rack | None = None) -> dict[str, float]:
    """Run a preset on noise at 120 BPM, instruments on a note; return the highest sample of all it prints, linear.

    Raises PresetError, PluginError, EffectError for whatever a render would fail at.
    """
    under = {
        str(effect.parameters["under"])
        for chain in _chains(preset)
        for effect in effects_of(chain)
        if effect.name == "Ducker"
    }
    stems = tuple(dict.fromkeys([*_STEMS, *(name for name in preset.stems if name != "*"), *sorted(under)]))
    graph = bind(preset, stems, sample_rate=sample_rate, channels=2, tempo=_TEMPO, rack=rack, notes=_notes(preset))
    peaks: dict[str, float] = {}
    for block in graph.run(Noise(stems, sample_rate)):
        for key, sound in block.stems.items():
            peaks[key] = max(peaks.get(key, 0.0), float(np.abs(sound).max()))
    return peaks


def _chains(preset: Preset) -> Iterator[Chain]:
    yield from (stem.chain for stem in preset.stems.values())
    yield from (bus.chain for bus in preset.buses.values())
    yield from (instrument.mix.chain for instrument in preset.instruments.values())


def _notes(preset: Preset) -> tuple[NoteTrack, ...]:
    """Return a track of one note for every track that an instrument asks for by name, and one without a name."""
    names = {name for instrument in preset.instruments.values() for name in instrument.tracks}
    return tuple(NoteTrack(name, _NOTE) for name in ("", *sorted(names)))
