"""The wheel holds everything: where no checkout is, the command finds presets, ReaScripts and the bundled model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it, alone, into an empty environment; the libraries are lent by this one."""
    place = tmp_path_factory.mktemp("package")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    home = place / "venv"
    venv.create(home)
    bin_folder = home / ("Scripts" if os.name == "nt" else "bin")
    python = bin_folder / ("python.exe" if os.name == "nt" else "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip()
    # A path in a .pth file is added, but the .pth files in it are not read: this checkout's editable install stays out.
    Path(site, "lent.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return bin_folder / "stem-bridge"


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_installed_command_is_the_wheel_s_own(command: Path, tmp_path: Path) -> None:
    python = command.parent / "python"
    where = run(python, "-c", "import bridge; print(bridge.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(command.parent.parent)


def test_the_shipped_presets_are_found_and_valid(command: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in run(command, "presets", "list", "--json", cwd=tmp_path).splitlines()]
    ours = {path.stem for path in (ROOT / "presets").glob("*.yaml")}
    assert {line["name"] for line in lines} == ours >= {"clean", "karaoke", "mix-ready", "vocal-air"}
    assert not [line for line in lines if line["error"] or not line["shipped"]]


def test_the_bundled_model_is_found_and_right(command: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in run(command, "models", "list", "--json", cwd=tmp_path).splitlines()]
    assert [line["name"] for line in lines if line["trial"] and line["here"]] == ["htdemucs_mini"]
    assert run(command, "models", "verify", "htdemucs_mini", cwd=tmp_path).startswith("ready")


@pytest.mark.parametrize("folder", ["reaper_scripts", "demo", "models"])
def test_every_file_beside_the_code_is_in_the_wheel(command: Path, tmp_path: Path, folder: str) -> None:
    listing = f"sorted(str(path.relative_to(top)) for top in [shipped({folder!r})] for path in top.rglob('*.*'))"
    code = f"from bridge.resources import shipped; print(*{listing}, sep='\\n')"
    there = run(command.parent / "python", "-c", code, cwd=tmp_path).splitlines()
    source = ROOT / folder if folder == "reaper_scripts" else ROOT / "bridge" / "shipped" / folder
    tracked = sorted(str(path.relative_to(source)) for path in source.rglob("*.*"))
    assert there == tracked != []
