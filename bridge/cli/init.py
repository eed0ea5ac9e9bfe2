"""`stem-bridge init`: write commented settings, make inbox and outbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

import typer

from bridge.cli import options, output
from bridge.errors import ConfigError
from bridge.words import reason_of

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["init", "template"]


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", parser=options.path, help="Where inbox and outbox go.")
    ] = Path("~/StemBridge"),
    config: options.Config = None,
) -> None:
    """Write commented settings, make an inbox and an outbox."""
    import os

    from bridge.config import CONFIG_VARIABLE, default_file, load

    home = folder.expanduser().absolute()
    named = config or os.environ.get(CONFIG_VARIABLE)
    file = Path(named).expanduser() if named else default_file()
    try:
        for made in (home / "inbox", home / "outbox", file.parent):
            made.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as text:
            text.write(template(home))
    except FileExistsError as exc:
        raise ConfigError(
            f"{exc.filename} exists already.", hint="Edit it, or move it away and run this again.", path=file
        ) from exc
    except OSError as exc:
        raise ConfigError(
            f"{exc.filename} cannot be made: {reason_of(exc)}.", hint="Give a folder you may write to.", path=home
        ) from exc
    load(file)
    flag = f" --config {output.shell(config)}" if config else ""
    output.say(f"Settings are in {file}.")
    output.say(f"Render into {home / 'inbox'}; then run: stem-bridge watch{flag}")
    output.result(str(file))


def template(home: Path) -> str:
    """Write a commented bridge.yaml whose inbox and outbox lie in `home`; it loads as it is."""
    from bridge.config import Cache, Daemon, Intake, Output, Plugins, Separation, Tell

    return _TEMPLATE.format(
        inbox=_quoted(home / "inbox"),
        outbox=_quoted(home / "outbox"),
        presets=_quoted(home / "presets"),
        intake=_described(Intake),
        separation=_described(Separation),
        output=_described(Output),
        daemon=_described(Daemon),
        tell=_described(Tell),
        plugins=_described(Plugins),
        cache=_described(Cache),
    )


def _described(part: type[BaseModel]) -> str:
    """Write every setting of a part, switched off, with its default and what its docstring says."""
    rows = []
    for name, info in part.model_fields.items():
        default = "all" if name == "stems" else _yaml(info.default)
        words = f" ({', '.join(get_args(info.annotation))})" if get_origin(info.annotation) is Literal else ""
        rows.append((f"  # {name}: {default}", f" # {info.description}{words}"))
    width = max(len(setting) for setting, _ in rows)
    return "\n".join(setting.ljust(width) + comment for setting, comment in rows)


def _yaml(value: object) -> str:
    """Write a default as the file would say it."""
    if isinstance(value, str):
        return value or "''"
    return json.dumps(value)  # a tuple becomes a list


def _quoted(path: Path) -> str:
    """Write a path as YAML text that means the same on every system."""
    return "'" + path.as_posix().replace("'", "''") + "'"


_TEMPLATE = """\
# Settings of Stem Bridge. Lines with a '#' before the name show the default; remove that '#' to change it.
# Flags win over variables (STEM_BRIDGE_SEPARATION_OVERLAP=0.5), and those over this file.
version: 1

# Render into `path`; drops appear in `outbox`.
inboxes:
  - path: {inbox}
    outbox: {outbox}
    preset: clean     # see: stem-bridge presets list
    # model: htdemucs # another one for this inbox; else separation.model decides
    after: keep       # or `move`: renders that are done go into `done` in the inbox

intake:
{intake}

separation:
{separation}

output:
{output}

daemon:
{daemon}

tell:
{tell}

presets:
  # folders: [{presets}]   # your own presets; one there hides a shipped one of its name
  # live: false   # while `watch` runs: a preset that is saved is heard at once, in an audition of the newest drop
  # bpm: 120   # tempo of your renders, for note values in presets; else the DAW, a .mid or the drums say it

models:
  # folders: []   # folders of weights you brought yourself

plugins:
{plugins}

cache:
{cache}
"""
