"""Some seconds of what a job would print of a drop: to hear a preset before a whole song is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import ConfigError, PresetError
from bridge.words import reason_of

if TYPE_CHECKING:
    from bridge.config import Settings
    from bridge.delivery.reuse import Reused
    from bridge.domain.notes import NoteTrack
    from bridge.domain.preset import Preset
    from bridge.domain.stems import FloatArray
    from bridge.domain.tempo import TempoMap
    from bridge.effects.graph import Graph

__all__ = ["audition"]


def audition(
    preset: Preset,
    drop: Path,
    settings: Settings,
    *,
    into: Path,
    stem: str,
    seconds: float,
    start: float | None,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write `seconds` of one processed stem, bus or instrument into the folder `into`, and return the file.

    From `start`, or from the stem's loudest place. The song is run from its beginning, so the samples are those that
    `apply` would print; live plugins, and what rings on after the render's end, are heard too. FLOAT WAV at the
    render's rate and the level of the mix. Raises PresetError when the preset does nothing there, ConfigError when the
    drop is shorter or has no such stem, and what reading, effects and writing raise. Deterministic.
    """
    from bridge.audio.write import SoundWriter
    from bridge.delivery.names import safe_name, unique_name
    from bridge.delivery.reuse import open_reused
    from bridge.domain.stems import display_name
    from bridge.effects.graph import bind
    from bridge.effects.plugins.rack import Rack

    with (
        tempfile.TemporaryDirectory() as work,
        open_reused(drop, Path(work)) as reused,
        Rack(settings.plugins.options(), tell) as rack,
    ):
        tempo, notes = _played(reused, drop, settings, tell)
        graph = bind(
            preset.printing_all(),
            reused.choice.delivered,
            sample_rate=reused.sample_rate,
            channels=reused.channels,
            tempo=tempo,
            rack=rack,
            notes=notes,
        )
        key = _key(preset, graph, reused, drop, stem)
        frames = max(1, round(seconds * reused.sample_rate))
        first = _loudest(reused, key, frames) if start is None else round(start * reused.sample_rate)
        if first >= reused.frames:
            raise ConfigError(
                f"{drop.name} ends after {reused.frames / reused.sample_rate:.1f} s.", hint="Give an earlier --at."
            )
        name = safe_name(f"{drop.name} - {display_name(key)} - {preset.name}", max_bytes=80)
        try:
            into.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            hint = "Set STEM_BRIDGE_DATA to a folder on a local disk that you may write to."
            raise ConfigError(f"{into} cannot be made: {reason_of(exc)}.", hint=hint, path=into) from exc
        path = into / (unique_name(name, lambda one: (into / f"{one}.wav").exists()) + ".wav")
        with SoundWriter(
            path,
            sample_rate=reused.sample_rate,
            channels=reused.channels,
            subtype="FLOAT",
            container="WAV",
            channel_mask=reused.channel_mask,
        ) as file:
            for sound in _stretch(graph.only(key), reused, key, first, first + frames, tell):
                file.write(sound)
    return path


def _played(
    reused: Reused, drop: Path, settings: Settings, tell: Callable[[str], None]
) -> tuple[TempoMap | None, tuple[NoteTrack, ...]]:
    """Return tempo and notes as a job on this drop knows them: a tempo that is said now wins over the drop's."""
    from bridge.errors import ReadError
    from bridge.intake.midifile import midi_beside
    from bridge.midi.tempo import MOST_BYTES, ProjectMidi, read_midi

    manifest = reused.manifest
    beside = ProjectMidi()
    for file in manifest.files:
        if file.kind == "mix":
            try:
                found = midi_beside(drop / file.path, MOST_BYTES)
                beside = beside if found is None else read_midi(found[1], found[0])
            except ReadError as error:
                tell(f"{error.message} {error.hint}")
    origin = manifest.origin.value()
    known = None if manifest.tempo is None else manifest.tempo.value()
    return settings.presets.tempo() or known or beside.tempo_from(origin), beside.notes_from(origin)


def _key(preset: Preset, graph: Graph, reused: Reused, drop: Path, wanted: str) -> str:
    """Find what is meant by a name: as it is written, else in any case; stems come before instruments and buses."""
    from bridge.domain.stems import bus_key, display_name, instrument_key

    there = [*reused.choice.delivered, *map(instrument_key, preset.instruments), *map(bus_key, preset.buses)]
    spelt = [key if key in reused.choice.delivered else display_name(key) for key in there]
    names = [name.casefold() for name in spelt]
    if wanted.casefold() not in names:
        listed = ", ".join([*reused.choice.delivered, *preset.instruments, *preset.buses])
        raise ConfigError(
            f"Neither {drop.name} nor preset '{preset.name}' has '{wanted}'.", hint=f"There is: {listed}.", path=drop
        )
    key = there[spelt.index(wanted) if wanted in spelt else names.index(wanted.casefold())]
    printed = [*(stem for stem in reused.choice.delivered if stem in graph.printed), *graph.instruments, *graph.buses]
    if key not in printed:
        prints = ", ".join(display_name(one) if one not in graph.printed else one for one in printed) or "nothing"
        raise PresetError(f"Preset '{preset.name}' prints nothing on {wanted}.", hint=f"It prints: {prints}.")
    return key


def _stretch(
    graph: Graph, reused: Reused, key: str, first: int, end: int, tell: Callable[[str], None]
) -> Iterator[FloatArray]:
    """Yield the frames from `first` up to `end` of all that is printed, in blocks; nothing after them is computed."""
    import numpy as np

    for block in graph.run(reused, tell):
        inside = block.stems[key][:, max(0, first - block.start) : max(0, end - block.start)]  # (C, T)
        if inside.shape[1]:
            yield np.ascontiguousarray(inside)
        if block.start + block.frames >= end:
            return


def _loudest(reused: Reused, key: str, frames: int) -> int:
    """Return the first frame of the stretch with most energy, to within a second: of the dry stem, else of them all."""
    import numpy as np

    stems = [key] if key in reused.choice.delivered else reused.choice.delivered
    rate = reused.sample_rate
    energy = [
        float(np.square(sum(reused.read(stem, at, rate) for stem in stems)).sum())
        for at in range(0, reused.frames, rate)
    ]
    length = max(1, round(frames / rate))
    sums = np.convolve(energy, np.ones(min(length, len(energy))), mode="valid")
    return int(np.argmax(sums)) * rate
