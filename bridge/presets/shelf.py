"""Where presets lie: the user's folders first, then the shipped ones; find one, list all, begin a new one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.domain.preset import Preset
from bridge.errors import PresetError
from bridge.presets.loader import load
from bridge.presets.schema import schema
from bridge.resources import shipped
from bridge.words import did_you_mean, sentence

__all__ = ["Entry", "entries", "find", "schema", "template"]

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


def find(name_or_path: str, folders: Sequence[Path] = ()) -> Preset:
    """Load a preset by name (user folders first, then the shipped ones) or by the path of its file.

    Raises PresetError, with the nearest name when there is none of this one.
    """
    home = name_or_path.startswith(("~/", "~\\"))
    path = Path(name_or_path).expanduser() if home else Path(name_or_path)
    if path.suffix.lower() in _ENDINGS or path.name != name_or_path:
        return load(path)
    by_name = {file.stem.casefold(): file for file, _ in reversed(list(_files(folders)))}
    found = by_name.get(name_or_path.casefold())
    if found is None:
        names = sorted(file.stem for file in by_name.values())
        hint = did_you_mean(name_or_path, names) or f"presets are {', '.join(names)}; or give the path of a .yaml file"
        raise PresetError(f"There is no preset '{name_or_path[:80]}'.", hint=sentence(hint))
    return load(found)


def entries(folders: Sequence[Path] = ()) -> list[Entry]:
    """List every preset by name; where a user's preset hides a shipped one, the user's is listed."""
    listed: dict[str, Entry] = {}
    for file, is_shipped in _files(folders):
        if file.stem.casefold() in listed:
            continue
        try:
            entry = Entry(file.stem, file, load(file).description, is_shipped)
        except PresetError as exc:
            entry = Entry(file.stem, file, "", is_shipped, error=exc.message)
        listed[file.stem.casefold()] = entry
    return sorted(listed.values(), key=lambda entry: entry.name.casefold())


def template(name: str) -> str:
    """Write a commented preset to begin with; it loads as it is."""
    return _TEMPLATE.format(name=json.dumps(name, ensure_ascii=False))


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    for folder, is_shipped in [*((folder, False) for folder in folders), (shipped("presets"), True)]:
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
        yield from ((file, is_shipped) for file in files if file.suffix.lower() in _ENDINGS and file.is_file())


_TEMPLATE = """\
# yaml-language-server: $schema=stem-bridge-preset.json
# (write that file with: stem-bridge presets schema > stem-bridge-preset.json)
version: 1
name: {name}
description: What it does, for whoever reads the list.

stems:
  vocals:
    reference_lufs: -20        # the chain hears the stem at this loudness; its level is restored afterwards
    chain:                     # printed into the file, in this order; [] leaves the stem dry
      - HighpassFilter: {{cutoff_frequency_hz: 90}}
      - Compressor: {{threshold_db: -22, ratio: 3, attack_ms: 10, release_ms: 120, link: true}}
      - HighShelfFilter: {{cutoff_frequency_hz: 9000, gain_db: 2}}
      # - Reverb: {{room_size: 0.4, wet_level: 0.1, dry_level: 0.5}}
      # - Distortion: {{drive_db: 12, wet: 0.2, bypass: true}}
      # - parallel:            # branches hear the same input and are summed; [] is the dry path
      #     - []
      #     - [{{Compressor: {{threshold_db: -35, ratio: 8}}}}, {{Gain: {{gain_db: -6}}}}]
    tail: auto                 # how long it may ring on after the end: auto, or seconds
    gain_db: 0                 # gain_db, pan and mute are faders of the session, never printed
    pan: 0
    mute: false
    bus: VOX
  "*": {{bus: MUSIC}}            # every other stem

buses:
  VOX: {{color: "#d1495b"}}
  MUSIC: {{color: "#30638e"}}
  VERB: {{color: "#8a8a8a", reaper_fx: [ReaVerbate]}}   # live effects, inserted in REAPER

sends:
  - {{from: VOX, to: VERB, level_db: -16}}

output: {{dry: true}}            # deliver the dry stem too where a chain prints
"""
