"""What plugins there are: each asked in a process of its own, and remembered until its file, or Pedalboard, changes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bridge.domain.plugins import PluginOptions
from bridge.effects.plugins.blame import Blame, blamed, is_anyone_blamed, record_crash
from bridge.effects.plugins.files import list_files, open_file
from bridge.effects.plugins.host import Broken, Cage, Refused
from bridge.errors import PluginError

__all__ = ["BLOCKED", "UNKNOWN", "Scanned", "describe", "known", "scan", "scanned_at"]

BLOCKED = "Blocked:"
"""Begins the error of a plugin that crashed too often."""
UNKNOWN = "Not scanned yet; run: stem-bridge plugins scan"
_FILE = "scan.json"
_VERSION = 1
_MOST_BYTES = 64 << 20
_AT_ONCE = 4
_REMEMBERED = ("names", "name", "maker", "version", "category", "instrument", "error")


@dataclass(frozen=True)
class Scanned:
    """One plugin file and what came of asking it."""

    path: Path
    names: tuple[str, ...] = ()
    """Of all plugins in it."""
    name: str = ""
    """Of the only one; the others of what is said are its too, and empty for a shell."""
    maker: str = ""
    version: str = ""
    category: str = ""
    instrument: bool = False
    error: str = ""
    """Why it cannot be used; empty = it can."""

    @property
    def usable(self) -> bool:
        """Say whether a chain may hold it."""
        return not self.error and not self.instrument


def scan(
    folders: Sequence[Path], options: PluginOptions, told: Callable[[Scanned], None], *, again: bool = False
) -> list[Scanned]:
    """Ask every plugin in folders that is new or changed, or all with `again`; `told` hears of each that was asked.

    Returns all, by path. What is learned is written to the records folder, whole or not at all. A plugin that crashes,
    hangs or leaves is listed with its reason, counted, and after two of these is not asked again.
    """
    book = {} if again else _read(options.records)
    fresh: dict[str, dict[str, Any]] = {}
    waiting: list[tuple[Path, str]] = []
    for path in list_files(folders):
        stamp = _stamp(path, folders)
        if stamp and book.get(str(path), {}).get("stamp") == stamp:
            fresh[str(path)] = book[str(path)]
        else:
            waiting.append((path, stamp))
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        answers = pool.map(lambda one: _ask(one[0], folders, options), waiting)
        for (path, stamp), scanned in zip(waiting, answers, strict=True):
            fresh[str(path)] = {"stamp": stamp, **{key: getattr(scanned, key) for key in _REMEMBERED}}
            told(scanned)
    _write(options.records, fresh)
    return _listed(fresh.items(), folders, options)


def known(folders: Sequence[Path], options: PluginOptions) -> list[Scanned]:
    """Return every plugin in folders by path, from what the last scan learned; what is new since then says so."""
    book = _read(options.records)
    entries = []
    for path in list_files(folders):
        entry = book.get(str(path))
        if entry is None or entry.get("stamp") != _stamp(path, folders):
            entry = {"error": UNKNOWN}
        entries.append((str(path), entry))
    return _listed(entries, folders, options)


def scanned_at(options: PluginOptions) -> datetime | None:
    """Return when the last scan ended, local time; None when there was none."""
    if options.records is None:
        return None
    try:
        return datetime.fromtimestamp((options.records / _FILE).stat().st_mtime).astimezone()
    except OSError:
        return None


def describe(path: Path, folders: Sequence[Path], options: PluginOptions, plugin_name: str = "") -> dict[str, Any]:
    """Ask a plugin for everything: `names`, and `plugin` with its parameters, None for a shell without `plugin_name`.

    Raises PluginError when it cannot be loaded, is blocked, or breaks; then it is counted.
    """
    file = open_file(path, folders)
    sha256 = file.sha256()
    blame = blamed(options.records, sha256)
    if blame and blame.blocked:
        raise PluginError(_blocked(blame), hint="Let it in again with: stem-bridge plugins scan --retry", path=path)
    try:
        with Cage(memory_bytes=int(options.memory_gb * 1e9)) as cage:
            return cage.ask("describe", options.seconds_to_load, path=str(file.to_load), plugin_name=plugin_name)
    except Refused as exc:
        raise PluginError(exc.message, hint=exc.hint, path=path) from exc
    except Broken as exc:
        record_crash(options.records, sha256, path, str(exc))
        raise PluginError(f"It {exc}.", hint="Update it, or remove it.", path=path) from exc


def _ask(path: Path, folders: Sequence[Path], options: PluginOptions) -> Scanned:
    try:
        told = describe(path, folders, options)
    except PluginError as exc:
        return Scanned(path, error=exc.message)
    one = told.get("plugin") or {}
    texts = {key: str(one.get(key) or "")[:200] for key in ("name", "maker", "version", "category")}
    names = tuple(str(name)[:200] for name in told.get("names") or ())
    return Scanned(path, names, instrument=one.get("instrument") is True, **texts)


def _listed(
    entries: Iterable[tuple[str, dict[str, Any]]], folders: Sequence[Path], options: PluginOptions
) -> list[Scanned]:
    found, is_anyone = [], is_anyone_blamed(options.records)
    for name, entry in sorted(entries):
        path = Path(name)
        said = {key: entry[key] for key in _REMEMBERED if key in entry}
        said["names"] = tuple(said.get("names", ()))
        blame = _blame_of(path, folders, options) if is_anyone else None
        if blame and blame.blocked:
            said["error"] = _blocked(blame)
        found.append(Scanned(path, **said))
    return found


def _blame_of(path: Path, folders: Sequence[Path], options: PluginOptions) -> Blame | None:
    try:
        return blamed(options.records, open_file(path, folders).sha256())
    except PluginError:
        return None


def _blocked(blame: Blame) -> str:
    return f"{BLOCKED} it failed {blame.crashes} times, last it {blame.reason}."


def _stamp(path: Path, folders: Sequence[Path]) -> str:
    """Return what tells this state of a plugin and of Pedalboard from any other; empty when it cannot be told."""
    try:
        return f"{version('pedalboard')} {open_file(path, folders).stamp()}"
    except PluginError:
        return ""


def _read(records: Path | None) -> dict[str, dict[str, Any]]:
    """Read what was learned; a file that cannot be read is as none, since all can be asked again."""
    if records is None:
        return {}
    try:
        with (records / _FILE).open("rb") as file:
            said = json.loads(file.read(_MOST_BYTES))
        if said["version"] != _VERSION:
            return {}
        return {path: entry for path, entry in said["plugins"].items() if _is_sound(entry)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_sound(entry: Any) -> bool:
    texts = ("stamp", "name", "maker", "version", "category", "error")
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in texts)
        and isinstance(entry.get("instrument"), bool)
        and isinstance(entry.get("names"), list)
        and all(isinstance(name, str) for name in entry["names"])
    )


def _write(records: Path | None, plugins: dict[str, dict[str, Any]]) -> None:
    if records is None:
        return
    part = records / f".{uuid.uuid4().hex}.part"
    with suppress(OSError):  # asked again the next time
        records.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(json.dumps({"version": _VERSION, "plugins": plugins}), encoding="ascii")
            part.replace(records / _FILE)
        finally:
            part.unlink(missing_ok=True)
