"""The ReaScripts in REAPER's resource folder: found, installed, taken away again. No file of REAPER is edited."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bridge.disk import is_file, rename
from bridge.errors import ConfigError
from bridge.session.lua import literal
from bridge.words import reason_of

__all__ = ["ADDER", "Inbox", "Installed", "Removed", "command_line", "config_text", "find", "install"]
__all__ += ["program", "uninstall"]

FOLDER = PurePosixPath("Scripts/Stem Bridge")
"""Where the scripts lie in the resource folder."""
ADDER = "stembridge_Add to action list.lua"
"""The one script that a user loads by hand; it makes the others known to REAPER."""
_CONFIG = "stembridge_config.lua"
_LIST = "stembridge_installed.json"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Inbox:
    """A watched folder, as scripts need it."""

    path: Path
    outbox: Path
    preset: str
    model: str


@dataclass(frozen=True)
class Installed:
    """What was written."""

    folder: Path
    kept: tuple[Path, ...]
    """Copies of files that somebody had changed."""

    @property
    def adder(self) -> Path:
        return self.folder / ADDER


@dataclass(frozen=True)
class Removed:
    """What was taken away, and what was left because somebody changed it."""

    removed: tuple[Path, ...]
    left: tuple[Path, ...]


def find(system: str, environment: Mapping[str, str], home: Path, given: Path | None = None) -> Path:
    """Return REAPER's resource folder: the one that holds `reaper.ini`.

    `given` is that folder of a portable installation, or any other. Else the usual places of `system` ('Linux',
    'Darwin', 'Windows'). Raises ConfigError when there is none.
    """
    if given is not None:
        folder = given.expanduser().absolute()
        if is_file(folder / "reaper.ini"):
            return folder
        raise ConfigError(
            f"There is no reaper.ini in {folder}.",
            hint="In REAPER: Options > Show REAPER resource path; give that folder.",
            path=folder,
        )
    places = _usual_places(system, environment, home)
    for place in places:
        if is_file(place / "reaper.ini"):
            return place
    raise ConfigError(
        f"REAPER was not found in {', '.join(str(place) for place in places)}.",
        hint="Start REAPER once; or name its folder (Options > Show REAPER resource path) with --resource-path.",
    )


def program(
    system: str, environment: Mapping[str, str], home: Path, which: Callable[[str], str | None]
) -> tuple[str, ...]:
    """Return the command that starts REAPER: of the search path, else of the usual places of `system` (see `find`).

    Raises ConfigError when there is none.
    """
    places = {
        "Windows": [
            Path(environment.get("PROGRAMFILES") or "C:/Program Files") / folder / "reaper.exe"
            for folder in ("REAPER (x64)", "REAPER (arm64ec)", "REAPER")
        ],
        "Darwin": [Path("/Applications/REAPER.app/Contents/MacOS/REAPER")],
    }.get(system, [home / "opt/REAPER/reaper", Path("/opt/REAPER/reaper"), Path("/usr/local/REAPER/reaper")])
    found = which("reaper") or next((str(place) for place in places if is_file(place)), None)
    if found is None:
        raise ConfigError(
            f"The program of REAPER was not found in {', '.join(str(place) for place in places)}.",
            hint="Name it in your settings, as a list, such as 'tell: {reaper: [/path/to/reaper]}'.",
        )
    return (found,)


def _usual_places(system: str, environment: Mapping[str, str], home: Path) -> list[Path]:
    if system == "Windows":
        roaming = Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
        return [roaming / "REAPER", Path("C:/REAPER"), Path("C:/Program Files/REAPER (x64)")]
    if system == "Darwin":
        return [home / "Library" / "Application Support" / "REAPER"]
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return [config / "REAPER", home / "opt" / "REAPER", home / "REAPER"]


def command_line(command: Sequence[str], environment: Mapping[str, str], *, windows: bool) -> str:
    """Write the command that starts the daemon as REAPER wants it: one line, words with spaces in double quotes.

    Of `environment` goes along what moves settings and state elsewhere; on Windows a user sets that for good.
    """
    kept = [f"{name}={environment[name]}" for name in ("STEM_BRIDGE_DATA",) if environment.get(name)]
    words = (*(("/usr/bin/env", *kept) if kept and not windows else ()), *command)
    return subprocess.list2cmdline(words)


def config_text(state: Path, command: str, inboxes: Sequence[Inbox]) -> str:
    """Write what the scripts must know of this computer, as a Lua data file."""
    data = {
        "version": 1,
        "state": str(state),
        "command": command,
        "inboxes": [
            {"path": str(one.path), "outbox": str(one.outbox), "preset": one.preset, "model": one.model}
            for one in inboxes
        ],
    }
    return f"return {literal(data)}\n"


def install(scripts: Path, resource: Path, config: str) -> Installed:
    """Put the scripts of the folder `scripts` into a resource folder, with their `config`; replaces an older release.

    A file that somebody changed since it was installed is copied to `<name>.mine` before it is replaced; one of an
    older release that there is no more goes. Raises ConfigError.
    """
    folder = resource / FOLDER
    wanted = {str(name): (scripts / name).read_bytes() for name in _names(scripts)}
    wanted[_CONFIG] = config.encode("utf-8", "surrogateescape")
    kept = []
    try:
        known = _read_list(folder)
        for name in known.keys() - wanted.keys():
            if _sha256(folder / name) == known[name]:
                (folder / name).unlink()
        for name, content in wanted.items():
            path = folder / name
            own = _sha256(path)
            if own not in (None, known.get(name), hashlib.sha256(content).hexdigest()) and name != _CONFIG:
                mine = path.with_name(f"{path.name}.mine")
                path.replace(mine)
                kept.append(mine)
            _write(path, content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in wanted.items()}
        _write(folder / _LIST, (json.dumps({"version": 1, "sha256": hashes}, indent=1) + "\n").encode())
    except OSError as exc:
        raise ConfigError(
            f"The scripts cannot be written to {folder}: {reason_of(exc)}.",
            hint="Allow writing there, and run this again.",
            path=folder,
        ) from exc
    return Installed(folder, tuple(kept))


def uninstall(resource: Path) -> Removed | None:
    """Take away exactly what was installed; a file that was changed since stays. None when nothing was installed.

    Raises ConfigError.
    """
    folder = resource / FOLDER
    removed, left = [], []
    try:
        known = _read_list(folder)
        if not known:
            return None
        for name, sha256 in sorted(known.items()):
            own = _sha256(folder / name)
            if own == sha256:
                (folder / name).unlink()
                removed.append(folder / name)
            elif own is not None:
                left.append(folder / name)
        (folder / _LIST).unlink()
        for place in (folder / "lib", folder, folder.parent):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    except OSError as exc:
        raise ConfigError(
            f"The scripts in {folder} cannot be removed: {reason_of(exc)}.",
            hint="Remove them yourself.",
            path=folder,
        ) from exc
    return Removed(tuple(removed), tuple(left))


def _names(scripts: Path) -> Iterator[PurePosixPath]:
    for path in sorted(scripts.rglob("*")):
        if path.is_file() and path.suffix in (".lua", ".wav"):
            yield PurePosixPath(path.relative_to(scripts).as_posix())


def _read_list(folder: Path) -> dict[str, str]:
    """Return names and hashes of what was installed; of a list that was tampered with, only what stays inside."""
    try:
        with (folder / _LIST).open("rb") as file:
            data = json.loads(file.read(_MOST_BYTES))
        listed = dict(data["sha256"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ConfigError(
            f"{folder / _LIST} does not say what was installed.",
            hint="Remove that folder yourself, and install again.",
            path=folder,
        ) from exc
    return {name: sha for name, sha in listed.items() if _is_inside(name) and isinstance(sha, str)}


def _is_inside(name: object) -> bool:
    if not isinstance(name, str) or "\\" in name or ":" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and len(path.parts) in (1, 2)


def _sha256(path: Path) -> str | None:
    """Return the hash of a plain file; None when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        rename(part, path)
    finally:
        part.unlink(missing_ok=True)
