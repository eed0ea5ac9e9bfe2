"""`stem-bridge presets`: list, show, check, begin a new one, and the schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli import options, output
from bridge.errors import PresetError

__all__ = ["app"]

app = typer.Typer(help="What is done with the stems: list, show, check, write.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A preset's name, or the path of its file.")]


@app.command("list")
def list_presets(config: options.Config = None, json: options.Json = False) -> None:
    """List all presets, shipped and your own."""
    from bridge.config import load
    from bridge.presets.shelf import entries

    found = entries(load(config).presets.folders)
    if json:
        for entry in found:
            output.event(
                "preset",
                name=entry.name,
                path=entry.path,
                description=entry.description,
                shipped=entry.shipped,
                error=entry.error,
            )
        return
    rows = []
    for entry in found:
        gist = f"BROKEN: {entry.error}" if entry.error else entry.description.partition(". ")[0]
        rows.append((entry.name, "" if entry.shipped else "yours", gist))
    output.table(rows)


@app.command()
def show(preset: Name, config: options.Config = None) -> None:
    """Print a preset's file."""
    output.result(_file_of(preset, config).read_text(encoding="utf-8").rstrip())


@app.command()
def check(
    presets: Annotated[list[str], typer.Argument(metavar="NAME|FILE", help="Presets to check.")],
    config: options.Config = None,
) -> None:
    """Check presets; the first fault of each is told with its line."""
    from bridge.config import load
    from bridge.presets.shelf import find

    folders = load(config).presets.folders
    faults = 0
    for name in presets:
        try:
            preset = find(name, folders)
        except PresetError as exc:
            output.error(exc)
            faults += 1
        else:
            output.result(f"{name}: ok ({preset.description})")
    if faults:
        raise typer.Exit(2)


@app.command()
def schema() -> None:
    """Print the JSON Schema of presets, for editors that complete and check while you type."""
    import json

    from bridge.presets.shelf import schema as preset_schema

    output.result(json.dumps(preset_schema(), indent=2))


@app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=options.path, help="Where to write it: NAME.yaml.")],
) -> None:
    """Write a commented preset to begin with."""
    from bridge.presets.shelf import template

    path = file if file.suffix.lower() in (".yaml", ".yml") else file.with_name(file.name + ".yaml")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as text:
            text.write(template(path.stem))
    except FileExistsError as exc:
        raise PresetError(f"{path} exists already.", hint="Give another name.", path=path) from exc
    except OSError as exc:
        raise PresetError(f"{path} cannot be written: {exc.strerror}.", hint="Give another folder.", path=path) from exc
    output.say(f"Edit it, then run: stem-bridge presets check {output.shell(path)}")
    output.result(str(path))


def _file_of(preset: str, config: Path | None) -> Path:
    """Return the file of a valid preset."""
    from bridge.config import load
    from bridge.presets.shelf import entries, find

    folders = load(config).presets.folders
    found = find(preset, folders)
    by_name = {entry.name.casefold(): entry.path for entry in entries(folders)}
    path = Path(preset).expanduser()
    return path if path.is_file() else by_name[found.name.casefold()]
