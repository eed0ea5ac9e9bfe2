"""Plugins as files: found in the configured folders and nowhere else, and known by the content of their programs.

A VST3 is a folder `Name.vst3/Contents/<system>/` (or, on Windows, one plain file), an Audio Unit a folder
`Name.component/Contents/MacOS/`. Nothing is loaded here.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bridge.disk import is_file, is_folder
from bridge.domain.plugins import PluginOptions
from bridge.domain.preset import Chain, MidSide, Parallel, Plugin, Preset
from bridge.effects.plugins.blame import blamed
from bridge.effects.plugins.states import read_state
from bridge.errors import PluginError
from bridge.words import did_you_mean, reason_of, sentence

__all__ = [
    "ENDINGS",
    "PluginFile",
    "find_file",
    "find_preset",
    "fingerprint",
    "list_files",
    "missing",
    "open_file",
    "standard_folders",
]

ENDINGS = (".vst3", ".component")
_PRESET_ENDINGS = (".vstpreset", ".aupreset")
_DEEPEST = 4
"""Makers put their plugins into folders of their own; nobody goes deeper."""
_MOST_FILES = 5000
_UNSAFE = re.compile(r'[\x00-\x1f\x7f:*?"<>|]')


@dataclass(frozen=True)
class PluginFile:
    """One plugin file or bundle that is there."""

    path: Path
    programs: tuple[Path, ...]
    """The files in it that hold code."""

    @property
    def to_load(self) -> Path:
        """What a host is given: the bundle; on Windows the program inside."""
        inside = [one for one in self.programs if one.suffix.lower() == ".vst3" and one != self.path]
        return inside[0] if sys.platform == "win32" and inside else self.path

    def stamp(self) -> str:
        """Return a text that is another when a program is: sizes and times, nothing is read."""
        facts = [(str(one), *_facts(one)) for one in self.programs]
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def sha256(self) -> str:
        """Return the SHA-256 of names and content of all programs, hex. Raises PluginError when one is unreadable."""
        total = hashlib.sha256()
        try:
            for one in self.programs:
                with one.open("rb") as file:
                    total.update(one.name.encode("utf-8", "surrogatepass") + b"\0")
                    total.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as exc:
            raise PluginError(
                f"The plugin {self.path} cannot be read: {reason_of(exc)}.",
                hint="Check its permissions, or install it again.",
                path=self.path,
            ) from exc
        return total.hexdigest()


def find_file(name: str, options: PluginOptions) -> PluginFile | None:
    """Find a plugin by the name of its file, or by its path below one of the folders; None when it is not there.

    Raises PluginError for a name that leads out of the folders, by itself or through a link, for one that is no
    plugin, and for one that holds nothing for this system.
    """
    wanted = _below(name, ENDINGS, "plugin")
    if not options.folders:
        raise PluginError(
            f"The preset uses the plugin {name}, and no folder of plugins is configured.",
            hint="Name the folders of your plugins in bridge.yaml: 'plugins: {folders: [...]}'.",
        )
    for folder in options.folders:
        direct = folder / wanted
        hits = [direct] if os.path.exists(direct) else []  # noqa: PTH110 - False for a name that no disk could hold
        if not hits and len(wanted.parts) == 1:
            hits = [path for path in _walk(folder) if path.name.casefold() == wanted.name.casefold()]
        if hits:
            return _open(hits[0], folder)
    return None


def missing(name: str, options: PluginOptions) -> PluginError:
    """Make the error for a plugin that is not there."""
    there = sorted({path.name for folder in options.folders for path in _walk(folder)})
    hint = did_you_mean(name, there) or "install it, correct 'path', or write 'missing: skip' to go on without"
    places = ", ".join(map(str, options.folders))
    return PluginError(f"The plugin {name} is not in {places}.", hint=sentence(hint))


def find_preset(plugin: Plugin, options: PluginOptions) -> Path | None:
    """Find the state file that a step names: as the preset's loader found it beside the preset, or in the folders.

    Raises PluginError when it is not there, or leads out; what is in it says `read_state`.
    """
    if not plugin.preset:
        return None
    if (found := Path(plugin.preset)).is_absolute():
        if is_file(found):
            return found
    else:
        wanted = _below(plugin.preset, _PRESET_ENDINGS, "plugin preset")
        for folder in options.folders:
            if is_file(folder / wanted):
                _check_inside(folder / wanted, folder)
                return folder / wanted
    raise PluginError(
        f"The state {plugin.preset} of {plugin.path} is not there.",
        hint="Put it beside the preset file, or into a folder of 'plugins: {folders: [...]}'.",
    )


def fingerprint(preset: Preset, options: PluginOptions) -> tuple[str, ...]:
    """Return what is at work of the user's plugins, a text for each step in order: another version is another text.

    Raises PluginError as `find_file` does, PresetError as `read_state`; what is not there has a text of its own.
    """
    chains = [preset.stems[name].chain for name in sorted(preset.stems)]
    chains += [preset.buses[name].chain for name in sorted(preset.buses)]
    players = [preset.instruments[name] for name in sorted(preset.instruments)]
    chains += [(one.plugin, *one.mix.chain) for one in players]
    return tuple(_print(step, options) for chain in chains for step in _steps(chain))


def list_files(folders: Sequence[Path]) -> list[Path]:
    """List plugins in folders and what lies below them, each once, by path."""
    return sorted({path for folder in folders for path in _walk(folder)})


def open_file(path: Path, folders: Sequence[Path]) -> PluginFile:
    """Open a listed path. Raises PluginError as `find_file` does."""
    home = next((folder for folder in folders if path.is_relative_to(folder)), path.parent)
    return _open(path, home)


def standard_folders(platform: str = sys.platform, home: Path | None = None) -> tuple[Path, ...]:
    """Return where plugins of a system lie by custom, whether these folders are there or not."""
    user = home or Path.home()
    if platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", user / "AppData" / "Local"))
        common = Path(os.environ.get("COMMONPROGRAMFILES", r"C:\Program Files\Common Files"))
        return (local / "Programs" / "Common" / "VST3", common / "VST3")
    if platform == "darwin":
        roots = (user / "Library", Path("/Library"))
        return tuple(root / "Audio" / "Plug-Ins" / kind for root in roots for kind in ("VST3", "Components"))
    return (user / ".vst3", Path("/usr/lib/vst3"), Path("/usr/local/lib/vst3"))


def _steps(chain: Chain) -> Iterator[Plugin]:
    for step in chain:
        if isinstance(step, Parallel):
            for branch in step.branches:
                yield from _steps(branch)
        elif isinstance(step, MidSide):
            yield from (*_steps(step.mid), *_steps(step.side))
        elif isinstance(step, Plugin) and not step.bypass and step.wet > 0.0:
            yield step


def _print(step: Plugin, options: PluginOptions) -> str:
    try:
        file = find_file(step.path, options)
    except PluginError:
        if _skips(step, options):
            return "skipped"
        raise
    if file is None:
        return "skipped"
    blame = blamed(options.records, (sha256 := file.sha256()))
    if blame and blame.blocked and _skips(step, options):
        return "skipped"
    state = find_preset(step, options)
    content = hashlib.sha256(read_state(state)).hexdigest() if state else ""
    return f"{sha256} {content}"


def _skips(step: Plugin, options: PluginOptions) -> bool:
    return (step.missing or options.missing) == "skip"


def _below(name: str, endings: tuple[str, ...], what: str) -> PurePosixPath:
    """Read a relative path as any system would write it; refuse whatever could lead out."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or _UNSAFE.search(name) or not path.parts or len(path.parts) > _DEEPEST:
        raise PluginError(
            f"'{name[:80]}' is no name of a {what}.",
            hint="Give the name of its file; it is looked for in the folders of 'plugins: {folders: [...]}'.",
        )
    if path.suffix.lower() not in endings:
        raise PluginError(f"'{name[:80]}' is no {what}.", hint=f"Its name ends with {' or '.join(endings)}.")
    return path


def _walk(folder: Path, depth: int = 1) -> Iterator[Path]:
    """Yield plugins below a folder, sorted; bundles are not entered, links to folders not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        # A standard folder that is not there, or may not be read, holds none.
        return
    for entry in entries[:_MOST_FILES]:
        if entry.name.lower().endswith(ENDINGS):
            yield Path(entry.path)
        elif depth < _DEEPEST and entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), depth + 1)


def _check_inside(path: Path, folder: Path) -> None:
    end = Path(os.path.realpath(path))  # unlike resolve(), it has an answer for a link that leads to itself
    if not end.is_relative_to(os.path.realpath(folder)):
        raise PluginError(
            f"{path} is a link that leads out of {folder}.",
            hint=f"Add the folder it leads to, {end.parent}, to 'plugins: {{folders: [...]}}'.",
            path=path,
        )


def _open(path: Path, folder: Path) -> PluginFile:
    _check_inside(path, folder)
    if path.is_file():
        return PluginFile(path, (path,))
    programs = tuple(sorted(_programs(path)))
    for one in programs:
        _check_inside(one, folder)
    here = {"win32": "-win", "darwin": "MacOS"}.get(sys.platform, "-linux")
    if not any(one.parent.name.endswith(here) for one in programs):
        others = ", ".join(sorted({one.parent.name for one in programs}))
        raise PluginError(
            f"The plugin {path} holds no program for this system{others and f', only {others}'}.",
            hint="Install the version of the plugin that is made for this system.",
            path=path,
        )
    return PluginFile(path, programs)


def _facts(program: Path) -> tuple[int, ...]:
    try:
        said = program.stat()
    except OSError:
        return ()  # gone, in the moment since it was found
    return (said.st_size, said.st_mtime_ns)


def _programs(bundle: Path) -> Iterator[Path]:
    for folder in sorted((bundle / "Contents").glob("*")):
        if is_folder(folder) and folder.name != "Resources":
            yield from (one for one in folder.glob("*") if one.is_file())
