"""The test plugins as VST3 bundles: built from tests/effects/vst3 once for every version of their sources."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

__all__ = ["install", "plugins"]

_SOURCES = Path(__file__).resolve().parent / "effects" / "vst3"
_DPF = Path(os.environ.get("DPF", "/usr/share/dpf"))
_PROGRAMS = {"TestTrim": "trim", "TestFault": "fault", "TestSynth": "synth"}
_COPIES = ("CrashOnLoad", "ExitOnLoad", "HangOnLoad", "SlowToLoad", "PrintOnLoad", "ThreadOnLoad", "OrphanOnLoad")
_COPIES += ("LateToLoad", "PaintOnLoad", "HangOnUnload")
"""Names under which TestFault misbehaves while it is loaded."""


def plugins() -> Path:
    """Return the folder of the built plugins; skips the test where they cannot be built, fails it in CI."""
    if not sys.platform.startswith("linux") or not shutil.which("g++") or not (_DPF / "distrho").is_dir():
        message = "the test plugins need Linux and: apt-get install -y --no-install-recommends g++ dpf-source"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return _built()


def install(folder: Path, *names: str) -> Path:
    """Copy built plugins into a folder of a test, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copytree(plugins() / f"{name}.vst3", folder / f"{name}.vst3")
    return folder


@cache
def _built() -> Path:
    digest = hashlib.sha256(platform.machine().encode())
    for file in sorted(_SOURCES.rglob("*.*")):
        digest.update(file.read_bytes())
    user = os.getuid() if sys.platform != "win32" else 0
    there = Path(tempfile.gettempdir()) / f"stem-bridge-test-plugins-{user}-{digest.hexdigest()[:16]}"
    if not there.is_dir():
        made = Path(tempfile.mkdtemp(prefix="stem-bridge-vst3-"))
        framework = _with_few_controllers(made)
        for name, source in _PROGRAMS.items():
            _compile(_SOURCES / source, framework, _program(made, name))
        shutil.rmtree(framework)
        _compile_shell(_program(made, "TestShell"))
        for name in ("TestTrim", "TestFault"):
            shutil.copy(_program(made, name), _program(made, "TestShell").with_name(f"{name}.so"))
        for name in _COPIES:
            shutil.copy(_program(made, "TestFault"), _program(made, name))
        try:
            made.rename(there)
        except OSError:
            # Another process of the suite was quicker.
            shutil.rmtree(made)
    return there


def _with_few_controllers(folder: Path) -> Path:
    """Copy DPF so that an instrument has 1 parameter for MIDI controllers, not 2080: a host asks each 1000 times."""
    copy = folder / "dpf"
    shutil.copytree(_DPF / "distrho", copy)
    header = copy / "src" / "DistrhoPluginVST.hpp"
    text = header.read_text("utf-8")
    assert "130*16" in text, "another version of DPF; look for kVst3InternalParameterMidiCC_end"
    header.write_text(text.replace("130*16", "1"), "utf-8")
    return copy


def _program(folder: Path, name: str) -> Path:
    inside = folder / f"{name}.vst3" / "Contents" / f"{platform.machine()}-linux"
    inside.mkdir(parents=True, exist_ok=True)
    return inside / f"{name}.so"


def _compile_shell(program: Path) -> None:
    command = ["g++", "-std=gnu++14", "-O1", "-fPIC", "-fvisibility=hidden", "-shared"]
    subprocess.run([*command, str(_SOURCES / "shell" / "plugin.cpp"), "-o", str(program), "-ldl"], check=True)


def _compile(source: Path, framework: Path, program: Path) -> None:
    command = ["g++", "-std=gnu++14", "-O1", "-w", "-fPIC", "-fvisibility=hidden", "-shared"]
    command += ["-DDISTRHO_PLUGIN_TARGET_VST3", f"-I{source}", f"-I{framework}"]
    command += [str(source / "plugin.cpp"), str(framework / "DistrhoPluginMain.cpp"), "-o", str(program), "-ldl"]
    subprocess.run(command, check=True)
