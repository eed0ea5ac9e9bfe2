"""What `stem-bridge doctor` looks at: each check yields findings, and each finding that is not ok says how to mend it.

Libraries with native code are tried in a child process: a broken one may take its process along.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bridge.cli.output import shell
from bridge.disk import is_folder
from bridge.errors import BridgeError
from bridge.units import format_bytes
from bridge.words import reason_of

if TYPE_CHECKING:
    from bridge.config import Settings

__all__ = ["Finding", "Machine", "check_all", "check_device", "check_ffmpeg", "check_folder", "check_plugins"]
__all__ += ["look_around"]

_CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
_CHILD_SECONDS = 120.0
_LITTLE_SPACE_BYTES = 2_000_000_000
"""Stems of a five-minute song in float, twice, with room for the archived mix."""

_LINUX_INSTALLS = {
    "apt-get": "sudo apt-get install ffmpeg",
    "dnf": "sudo dnf install ffmpeg-free",
    "pacman": "sudo pacman -S ffmpeg",
    "zypper": "sudo zypper install ffmpeg",
}

_TORCH = """
import json, torch
cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
name = torch.cuda.get_device_name() if cuda else ""
answer = {"version": torch.__version__, "built_for": torch.version.cuda, "cuda": cuda, "mps": mps, "name": name}
print(json.dumps(answer))
"""
_SOUND = """
import json, pedalboard, soundfile, soxr
print(json.dumps({"libsndfile": soundfile.__libsndfile_version__}))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Literal["ok", "warn", "fail"]
    """`warn`: something is missing that not everybody needs. `fail`: must be mended first."""
    subject: str
    message: str
    mend: str = ""
    """The command or the step that mends it; empty where nothing is wrong."""


@dataclass(frozen=True)
class Machine:
    """What this computer says about its processors."""

    nvidia: tuple[str, ...]
    """Names of the NVIDIA cards that the driver lists."""
    torch: dict[str, Any] | None
    """What torch says about itself; None when it does not even load."""
    trouble: str = ""
    """Why torch does not load."""


def check_all(config: Path | None) -> Iterator[Finding]:
    """Look at everything; with a settings file that cannot be read, the rest is checked against the defaults."""
    from bridge.config import Settings, load

    yield Finding("ok", "stem-bridge", f"{version('stem-bridge')}, Python {platform.python_version()}")
    try:
        settings = load(config)
    except BridgeError as exc:
        yield _fault("settings", exc)
        settings = Settings()
    else:
        where = settings.file or "no file yet, so defaults; to write one: stem-bridge init"
        yield Finding("ok", "settings", str(where))
    yield check_device(settings.separation.device, look_around())
    yield _check_sound_libraries()
    yield check_ffmpeg(shutil.which("ffmpeg"), platform.system())
    yield from _check_models(settings)
    yield from _check_presets(settings)
    yield from check_plugins(settings)
    for inbox in settings.inboxes:
        yield check_folder("inbox", inbox.path, writes=False)
        yield check_folder("outbox", inbox.outbox)
    yield check_folder("temporary", Path(tempfile.gettempdir()))
    yield _check_cache(settings)


def _check_cache(settings: Settings) -> Finding:
    """Say what is kept of earlier separations."""
    from bridge.separation.store import usage_of_store

    store = settings.cache.options()
    if store is None:
        return Finding("ok", "cache", "off: every segment is separated anew")
    kept, jobs = usage_of_store(store.folder)
    of_jobs = f", and {format_bytes(jobs.bytes)} of unfinished jobs" if jobs.files else ""
    return Finding(
        "ok", "cache", f"{store.folder}: {format_bytes(kept.bytes)} of {format_bytes(store.max_bytes)}{of_jobs}"
    )


def look_around() -> Machine:
    """Ask the NVIDIA driver and torch what is here."""
    smi = shutil.which("nvidia-smi")
    cards: tuple[str, ...] = ()
    if smi:
        listed, _ = _child([smi, "--query-gpu=name", "--format=csv,noheader"])
        cards = tuple(line.strip() for line in (listed or "").splitlines() if line.strip())
    answer, trouble = _child([sys.executable, "-P", "-c", _TORCH])
    return Machine(cards, json.loads(answer) if answer else None, trouble)


def check_device(wanted: str, machine: Machine) -> Finding:
    """Say what computes: the device that is wanted, and whether a graphics card lies idle."""
    torch = machine.torch
    if torch is None:
        again = f"{_pip()} install --force-reinstall torch"
        return Finding("fail", "device", f"torch does not load: {machine.trouble}", again)
    release = torch["version"].partition("+")[0]
    found = f"cuda ({torch['name']})" if torch["cuda"] else "mps (Apple)" if torch["mps"] else "cpu"
    idle = bool(machine.nvidia) and not torch["cuda"]
    if idle and torch["built_for"] is None:
        message = f"{machine.nvidia[0]} is here, but this torch ({torch['version']}) can only use the CPU"
        mend = f"{_pip()} install --force-reinstall torch=={release} --index-url {_CUDA_INDEX}"
    elif idle:
        message = f"{machine.nvidia[0]} is here, but torch {torch['version']} cannot use it: its driver is too old"
        mend = f"install NVIDIA's current driver (this torch needs one for CUDA {torch['built_for']}), and restart"
    else:
        message, mend = f"{found}, {os.cpu_count()} CPU cores, torch {torch['version']}", ""
    kind = wanted.partition(":")[0]
    if kind in ("cuda", "mps") and not torch[kind]:
        here = f"separation.device is '{wanted}', which is not here"
        return Finding("fail", "device", f"{here}; {message}", mend or "set separation.device to auto in bridge.yaml")
    return Finding("warn" if idle else "ok", "device", message, mend)


def check_ffmpeg(found: str | None, system: str) -> Finding:
    """Say whether M4A can be read; nothing else needs ffmpeg."""
    if found:
        return Finding("ok", "ffmpeg", found)
    linux = next((how for tool, how in _LINUX_INSTALLS.items() if shutil.which(tool)), "install the package ffmpeg")
    mend = {"Darwin": "brew install ffmpeg", "Windows": "winget install Gyan.FFmpeg"}.get(system, linux)
    return Finding("warn", "ffmpeg", "not found: M4A cannot be read (every other format can)", mend)


def check_folder(role: str, folder: Path, *, writes: bool = True) -> Finding:
    """Try what is done there: list it, and where it `writes` make a folder with a file in it, rename it, remove it."""
    subject = f"{role} folder"
    if not is_folder(folder):
        made = "mkdir" if os.name == "nt" else "mkdir -p"
        return Finding("fail", subject, f"{folder} is not there", f"{made} {shell(folder)}")
    try:
        next(folder.iterdir(), None)
        if writes:
            _try_writing(folder)
        free = shutil.disk_usage(folder).free
    except OSError as exc:
        return Finding("fail", subject, f"{folder} is blocked: {reason_of(exc)}", _unblock(folder, exc))
    if writes and free < _LITTLE_SPACE_BYTES:
        message = f"{folder}: only {format_bytes(free)} are free"
        return Finding("warn", subject, message, "free some space: a five-minute song needs about 2 GB for a while")
    return Finding("ok", subject, f"{folder}, {format_bytes(free)} free")


def _try_writing(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".stem-bridge-doctor-", dir=folder) as made_here:
        trial = Path(made_here) / "a"
        trial.mkdir()
        (trial / "file").write_bytes(b"1")
        trial.rename(trial.with_name("b"))


def _check_sound_libraries() -> Finding:
    answer, trouble = _child([sys.executable, "-P", "-c", _SOUND])
    if not answer:
        again = f"{_pip()} install --force-reinstall soundfile soxr pedalboard"
        return Finding("fail", "sound libraries", f"they do not load: {trouble}", again)
    names = [f"libsndfile {json.loads(answer)['libsndfile']}"]
    names += [f"{name} {version(name)}" for name in ("soundfile", "soxr", "pedalboard", "demucs", "numpy")]
    return Finding("ok", "sound libraries", ", ".join(names))


def _check_models(settings: Settings) -> Iterator[Finding]:
    """Read the weights of every model that the settings name, and of the bundled one, in full."""
    from bridge.models.registry import find
    from bridge.models.weights import locate, verify

    folders = settings.models.folders
    wanted = [settings.model_of(inbox) for inbox in settings.inboxes]
    if not wanted or "model" in settings.separation.model_fields_set:
        wanted.insert(0, settings.separation.model)
    for name in dict.fromkeys([*wanted, "htdemucs_mini"]):
        try:
            model = find(name, folders)
            verify(model, folders)
            paths = locate(model, folders)
        except BridgeError as exc:
            yield _fault(f"model {name}", exc)
        else:
            yield Finding("ok", f"model {name}", f"{len(paths)} weight file(s), checksums right")


def _check_presets(settings: Settings) -> Iterator[Finding]:
    from bridge.presets.shelf import entries, find

    try:
        listed = entries(settings.presets.folders)
        for inbox in settings.inboxes:
            find(inbox.preset, settings.presets.folders)
    except BridgeError as exc:
        yield _fault("presets", exc)
        return
    for entry in listed:
        if entry.error:
            mend = f"correct it, then: stem-bridge presets check {shell(entry.path)}"
            yield Finding("warn", f"preset {entry.name}", entry.error, mend)
    yield Finding("ok", "presets", f"{sum(not entry.error for entry in listed)} can be used")


def check_plugins(settings: Settings) -> Iterator[Finding]:
    """Look at the plugin folders, at what the last scan found in them, and at what is blocked; load nothing."""
    from bridge.effects.plugins.scan import BLOCKED, UNKNOWN, known, scanned_at

    chosen = settings.plugins.options()
    if not chosen.folders:
        yield Finding("ok", "plugins", "no folder of your own plugins is named, so none is loaded")
        return
    for folder in chosen.folders:
        if not is_folder(folder):
            yield Finding("warn", "plugin folder", f"{folder} is not there", "correct plugins.folders in bridge.yaml")
    listed = known(chosen.folders, chosen)
    usable = sum(not one.error for one in listed)
    for one in listed:
        if one.error.startswith(BLOCKED):
            yield Finding("warn", f"plugin {one.path.stem}", one.error, "stem-bridge plugins scan --retry")
    when = scanned_at(chosen)
    if when is None or any(one.error == UNKNOWN for one in listed):
        new = sum(one.error == UNKNOWN for one in listed)
        yield Finding("warn", "plugins", f"{new} of {len(listed)} were never asked", "stem-bridge plugins scan")
        return
    yield Finding("ok", "plugins", f"{usable} of {len(listed)} can be used; scanned {when:%Y-%m-%d %H:%M}")


def _fault(subject: str, error: BridgeError) -> Finding:
    return Finding("fail", subject, error.message, error.hint)


def _child(command: list[str]) -> tuple[str | None, str]:
    """Run a command; returns what it printed, or None and why it did not work."""
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=_CHILD_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return None, str(exc)
    if run.returncode != 0:
        last = run.stderr.strip().splitlines()[-1:] or [f"exit code {run.returncode}"]
        return None, last[0]
    return run.stdout, ""


def _pip() -> str:
    """Write the command that installs into this very Python."""
    python = shell(sys.executable)
    return f"{python} -m pip" if find_spec("pip") else f"uv pip --python {python}"


def _unblock(folder: Path, error: OSError) -> str:
    """Say how each system gives a folder back."""
    system = platform.system()
    if error.errno == errno.EROFS:
        return "the disk is read-only: choose another folder in bridge.yaml"
    if error.errno == errno.ENOSPC:
        return "the disk is full: free some space"
    if system == "Darwin":
        return "System Settings > Privacy & Security > Full Disk Access: allow your terminal, then open it again"
    if system == "Windows":
        allow = f"Add-MpPreference -ControlledFolderAccessAllowedApplications {shell(sys.executable)}"
        return f"allow it in PowerShell as administrator: {allow}"
    return f"sudo chown -R $USER {shell(folder)} && chmod -R u+rwX {shell(folder)}"
