"""Where presets lie: the user's folders first, then the shipped ones; find one, list all, begin a new one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bridge.config import default_file
from bridge.disk import is_file
from bridge.domain.preset import Preset
from bridge.errors import PresetError
from bridge.presets.loader import load
from bridge.presets.schema import schema
from bridge.presets.slips import slips
from bridge.resources import shipped
from bridge.words import did_you_mean, sentence

__all__ = ["SCHEMA_FILE", "Entry", "entries", "file_of", "files", "find", "project_folders", "schema", "slips_of"]
__all__ += ["template", "user_folder"]

PROJECT_FOLDER = "stem-bridge-presets"
"""Name of a folder with the presets of one project."""
SCHEMA_FILE = "stem-bridge-preset.json"
"""What the first line of a new preset points at, for editors."""


_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Entry:
    """One preset of a list; a broken one is listed with what is wrong."""

    name: str
    path: Path
    description: str
    shipped: bool
    error: str = ""
    """Empty, or why it cannot be used."""
    tags: tuple[str, ...] = ()
    hides: tuple[Path, ...] = ()
    """Files of the same name in later folders, in order; none of them is used."""


def find(name_or_path: str, folders: Sequence[Path] = ()) -> Preset:
    """Load a preset by name (user folders first, then the shipped ones) or by the path of its file.

    Raises PresetError, with the nearest name when there is none of this one.
    """
    return load(file_of(name_or_path, folders), partial(_base, folders))


def slips_of(name_or_path: str, folders: Sequence[Path] = ()) -> tuple[PresetError, ...]:
    """Return all that is wrong with a preset that `find` refuses, in the order of its lines; none for any other."""
    try:
        return slips(file_of(name_or_path, folders), partial(_base, folders))
    except PresetError as error:
        return (error,)


def file_of(name_or_path: str, folders: Sequence[Path] = ()) -> Path:
    """Return the file that `find` loads; raises PresetError for a name of none."""
    home = name_or_path.startswith(("~/", "~\\"))
    path = Path(name_or_path).expanduser() if home else Path(name_or_path)
    if path.suffix.lower() in _ENDINGS or path.name != name_or_path:
        return path
    by_name = {file.stem.casefold(): file for file, _ in reversed(list(_files(folders)))}
    found = by_name.get(name_or_path.casefold())
    if found is None:
        names = sorted(file.stem for file in by_name.values())
        hint = did_you_mean(name_or_path, names) or f"presets are {', '.join(names)}; or give the path of a .yaml file"
        raise PresetError(f"There is no preset '{name_or_path[:80]}'.", hint=sentence(hint))
    return found


def files(folders: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Return the file of every preset there is, without opening one; of presets of one name, the one that `find` takes.

    Raises PresetError when a folder cannot be read.
    """
    return tuple(file for file, _ in _seen(folders))


def entries(folders: Sequence[Path] = ()) -> list[Entry]:
    """List every preset by name; where a user's preset hides a shipped one, the user's is listed."""
    listed: list[Entry] = []
    everything = [file for file, _ in _files(folders)]
    for file, is_shipped in _seen(folders):
        hides = tuple(other for other in everything if other != file and other.stem.casefold() == file.stem.casefold())
        try:
            preset = load(file, partial(_base, folders))
            entry = Entry(file.stem, file, preset.description, is_shipped, tags=preset.tags, hides=hides)
        except PresetError as exc:
            entry = Entry(file.stem, file, "", is_shipped, error=exc.message, hides=hides)
        listed.append(entry)
    return sorted(listed, key=lambda entry: entry.name.casefold())


def project_folders(render: Path) -> tuple[Path, ...]:
    """Return where presets of a render's project may lie: beside the render, and up to two folders above it."""
    return tuple(folder / PROJECT_FOLDER for folder in render.absolute().parents[:3])


def user_folder() -> Path:
    """Return the folder for the user's own presets that is always looked into."""
    return default_file().parent / "presets"


def _base(folders: Sequence[Path], wanted: str, path: Path | None) -> Path | Iterable[str]:
    """Find what a preset extends; one of its own name is the next below it, so that a shipped one can be varied."""
    named = Path(wanted)
    if named.suffix.lower() in _ENDINGS:
        found = (path.parent if path else Path()) / named
        return found if is_file(found) else ()
    files = [file for file, _ in _files(folders)]
    same = [file for file in files if file.stem.casefold() == wanted.casefold()]
    own = [number for number, file in enumerate(same) if path is not None and file.resolve() == path.resolve()]
    below = same[own[0] + 1 :] if own else same
    if own and path is not None and not below:
        return path  # a circle
    return below[0] if below else [file.stem for file in files]


def template(name: str) -> str:
    """Write a commented preset to begin with; it loads as it is."""
    return _TEMPLATE.format(name=json.dumps(name, ensure_ascii=False))


def _seen(folders: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Leave out the files that one of an earlier folder hides."""
    seen: dict[str, tuple[Path, bool]] = {}
    for file, is_shipped in _files(folders):
        seen.setdefault(file.stem.casefold(), (file, is_shipped))
    return list(seen.values())


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    own = dict.fromkeys([*folders, user_folder()])
    for folder, is_shipped in [*((folder, False) for folder in own), (shipped("presets"), True)]:
        try:
            files = sorted(folder.iterdir())
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise PresetError(
                f"The preset folder {folder} cannot be read.",
                hint="Check that it is a folder you may read.",
                path=folder,
            ) from exc
        yield from ((file, is_shipped) for file in files if file.suffix.lower() in _ENDINGS and is_file(file))


_TEMPLATE = """\
# yaml-language-server: $schema=stem-bridge-preset.json
version: 1
name: {name}
description: What it does, for whoever reads the list.
tags: [vocals]
# extends: vocal-air          # begin from another preset, and write down only what is different
variables: {{air_db: 2}}        # a value by name: write $air_db where it belongs

stems:
  vocals:
    reference_lufs: -20        # the chain hears the stem at this loudness; its level is restored afterwards
    chain:                     # printed into the file, in this order; [] leaves the stem dry
      - HighpassFilter: {{cutoff_frequency_hz: 90, slope_db: 12}}
      - Compressor: {{threshold_db: -22, ratio: 3, attack_ms: 10, release_ms: 120, link: true}}
      - HighShelfFilter: {{cutoff_frequency_hz: 9000, gain_db: $air_db}}
      # - DeEsser: {{threshold_db: -30}}
      # - Delay: {{delay_seconds: 1/8d, feedback: 0.3, mix: 0.15}}   # note values follow the tempo
      # - mid_side: {{mid: [], side: [{{Gain: {{gain_db: 2}}}}]}}
      # - Reverb: {{room_size: 0.4, wet_level: 0.1, dry_level: 0.5}}
      # - Distortion: {{drive_db: 12, wet: 0.2, bypass: true}}
      # - parallel:            # branches hear the same input and are summed; [] is the dry path
      #     - []
      #     - [{{Compressor: {{threshold_db: -35, ratio: 8}}}}, {{Gain: {{gain_db: -6}}}}]
    target_lufs: dry           # printed as loud as it was; or a number, or target_peak_db: its highest sample
    tail: auto                 # how long it may ring on after the end: auto, or seconds
    gain_db: 0                 # gain_db, pan and mute are faders of the session, never printed
    pan: 0
    mute: false
    bus: VOX
  "*":                         # every other stem
    # chain: [{{Ducker: {{under: vocals, depth_db: 3}}}}]   # steps back while the voice sings
    bus: MUSIC

buses:
  VOX: {{color: "#d1495b"}}      # print: true delivers the submix as a file, chain: [...] goes into it
  MUSIC: {{color: "#30638e"}}    # parent: BUS feeds another bus, adopt: ["MUS*"] uses a track that you have
  VERB: {{color: "#8a8a8a", reaper_fx: [ReaVerbate]}}   # live effects, inserted in REAPER
  # HALL: {{chain: [{{plugin: {{path: Hall.vst3, live: true}}}}]}}   # or a plugin of yours, in the state it has here

sends:
  - {{from: VOX, to: VERB, level_db: -16}}

# instruments:                 # your own plugins play the .mid that lies beside the render under its name
#   keys: {{plugin: {{path: Surge.vst3}}, tracks: ["Keys*"], bus: MUSIC}}

output: {{dry: true}}            # deliver the dry stem too where a chain prints
"""
