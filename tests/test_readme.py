"""What README and docs show is true: commands parse, YAML loads, files and settings exist, it installs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import typer

from bridge import config
from bridge.cli.main import app
from bridge.domain.drop import IMPORT_SCRIPT, MANIFEST
from bridge.presets import loader

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "training/README.md")
NAMES += ("docs/plugins.md", "docs/reaper.md", "docs/session-formats.md", "docs/settings.md", "docs/watching.md")
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
BLOCKS = [
    (page, language, code)
    for page, text in PAGES.items()
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]


def blocks(language: str) -> list[str]:
    return [code for _, kind, code in BLOCKS if kind == language]


COMMANDS = sorted(
    {shlex.join(shlex.split(line, comments=True)) for code in blocks("console") for line in code.splitlines()}
    | set(re.findall(r"`(stem-bridge [^`]+)`", "".join(PAGES.values())))
)


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert {language for _, language, _ in BLOCKS} == {"console", "text", "sh", "powershell", "yaml"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_is_shown_parses(line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "make":
        (target,) = arguments[:1]
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return
    assert program == "stem-bridge"
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and arguments != ["--help"]:
        command = command.commands[arguments.pop(0)]
    command.make_context(program, arguments, resilient_parsing=arguments == ["--help"])


def test_the_yaml_that_is_shown_is_a_preset_that_loads(tmp_path: Path) -> None:
    (text,) = (code for page, kind, code in BLOCKS if kind == "yaml" and page == "README.md")
    file = tmp_path / "my-vocal.yaml"
    file.write_text(text, encoding="utf-8")
    assert loader.load(file).buses.keys() == {"VOX", "MUSIC"}


def test_the_table_of_presets_lists_what_ships() -> None:
    (table,) = re.findall(r"^\| for \| shipped presets \|\n((?:\|.*\n)+)", PAGES["README.md"], re.MULTILINE)
    listed = re.findall(r"`([a-z-]+)`", table)
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def test_the_table_of_settings_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| `([^`]+)` \| ", PAGES["docs/settings.md"], re.MULTILINE)
    parts = config.Settings().model_dump(exclude={"version", "inboxes"})
    settings = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
    assert dict(rows) == {name: shown(name, value) for name, value in settings.items()}
    assert len(rows) == len(settings)


def shown(name: str, value: object) -> str:
    if name == "separation.stems":
        return "all"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "none" if value in (None, "") else str(value)


@pytest.mark.parametrize(
    "module", sorted(set(re.findall(r"python -m ((?:benchmarks|docs|training)[\w.]*)", "".join(PAGES.values()))))
)
def test_every_module_that_is_to_be_run_is_there(module: str) -> None:
    place = ROOT / module.replace(".", "/")
    assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()


def test_the_drop_that_is_drawn_has_the_names_of_a_drop() -> None:
    (drawn,) = (code for code in blocks("text") if "Vocals.wav" in code)
    assert {"stems", "dry", "mix", IMPORT_SCRIPT, MANIFEST} <= set(re.findall(r"^  ([\w.]+)", drawn, re.MULTILINE))


def test_every_file_that_is_named_is_there() -> None:
    named = {
        name for text in PAGES.values() for name in re.findall(r"`((?:bridge|tests|presets|docs)/[\w/.-]+)`", text)
    }
    places = {ROOT / name for name in named}
    for page, text in PAGES.items():
        places |= {(ROOT / page).parent / link for link in re.findall(r"\]\((?!https?:)([\w./-]+)", text)}
    assert not [place for place in sorted(places) if not place.exists()]


def test_the_torch_that_is_named_is_the_one_that_is_tested() -> None:
    (pinned,) = re.findall(r"^(torch==\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"torch==[\w.]+", PAGES["README.md"])) == {pinned}


@pytest.mark.skipif(os.name == "nt", reason="the line for Linux and macOS")
def test_the_install_line_makes_a_command_that_runs(tmp_path: Path) -> None:
    """Run as it stands, in a copy of the checkout; this environment lends the libraries, so that none is fetched."""
    skip = shutil.ignore_patterns(".*", "out", "dist", "build", "__pycache__", "shared", "tests", "benchmarks")
    shutil.copytree(ROOT, tmp_path / "copy", ignore=skip)
    (line,) = (line for code in blocks("sh") for line in code.splitlines() if "constraints.txt" in line)
    lent = sysconfig.get_path("purelib")
    settings = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": lent}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", f"{line}\nstem-bridge --version"],
        cwd=tmp_path / "copy",
        env={**os.environ, **settings, "PATH": path},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("stem-bridge ")
