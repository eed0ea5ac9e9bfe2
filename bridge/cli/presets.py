"""`stem-bridge presets`: list, show, check, begin a new one, and the schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli import options, output
from bridge.errors import PresetError
from bridge.words import reason_of

if TYPE_CHECKING:
    from bridge.config import Settings

__all__ = ["app"]

app = typer.Typer(help="What is done with the stems: list, show, check, new, audition.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A preset's name, or the path of its file.")]


@app.command("list")
def list_presets(
    tag: Annotated[str | None, typer.Option("--tag", metavar="WORD", help="Only those with this tag.")] = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """List all presets: those of this project's folders, your own, and the shipped ones.

    Where several have one name, that of the nearer folder is used: the project's, then yours, then the shipped one.
    """
    from bridge.config import load
    from bridge.presets.shelf import entries, project_folders
    from bridge.words import did_you_mean

    every = entries(_folders(load(config)))
    found = [one for one in every if tag is None or tag.casefold() in one.tags]
    if tag is not None and not found:
        tags = sorted({word for one in every for word in one.tags})
        hint = did_you_mean(tag, tags) or f"Tags are {', '.join(tags)}."
        raise PresetError(f"No preset has the tag '{tag[:40]}'.", hint=hint)
    if json:
        for entry in found:
            output.event(
                "preset",
                name=entry.name,
                path=entry.path,
                description=entry.description,
                shipped=entry.shipped,
                error=entry.error,
                tags=list(entry.tags),
                hides=list(entry.hides),
            )
        return
    rows = []
    project = project_folders(Path.cwd() / "render")
    for entry in found:
        gist = f"BROKEN: {entry.error}" if entry.error else entry.description.partition(". ")[0]
        whose = "" if entry.shipped else "project" if entry.path.parent in project else "yours"
        rows.append((entry.name, whose, f"(hides {entry.hides[0]}) {gist}" if entry.hides else gist))
    output.table(rows)


@app.command()
def show(preset: Name, config: options.Config = None) -> None:
    """Print a preset's file, and say where it lies."""
    path = _file_of(preset, config)
    output.say(str(path))
    output.result(path.read_text(encoding="utf-8").rstrip())


@app.command()
def check(
    presets: Annotated[list[str], typer.Argument(metavar="NAME|FILE", help="Presets to check.")],
    config: options.Config = None,
) -> None:
    """Check presets: read them, build every chain, and run it on a second of noise.

    All slips of each are told, with their lines.
    """
    from bridge.config import load
    from bridge.effects.plugins.rack import Rack
    from bridge.effects.tryout import try_out
    from bridge.errors import EffectError, PluginError
    from bridge.presets.shelf import find, slips_of

    settings = load(config)
    folders = _folders(settings)
    faults = 0
    for name in presets:
        if slips := slips_of(name, folders):
            for slip in slips:
                output.error(slip)
            faults += len(slips)
            continue
        try:
            preset = find(name, folders)
            with Rack(settings.plugins.options(), output.say) as rack:
                try_out(preset, rack=rack)
        except (PresetError, PluginError, EffectError) as exc:
            output.error(exc)
            faults += 1
        else:
            output.result(f"{name}: ok" + (f" ({preset.description})" if preset.description else ""))
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
    file: Annotated[
        Path,
        typer.Argument(metavar="NAME|FILE", parser=options.path, help="A file, or a name in the folder of your own."),
    ],
) -> None:
    """Write a commented preset to begin with, and beside it the schema that editors complete by."""
    from bridge.presets.shelf import template, user_folder

    path = file if file.suffix.lower() in (".yaml", ".yml") else file.with_name(file.name + ".yaml")
    if str(file) == file.name != path.name:
        path = user_folder() / path
    if not path.stem.isprintable():
        raise PresetError("A preset's name must be text.", hint="Give a name of letters and digits.", path=path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as text:
            text.write(template(path.stem))
        _write_schema(path.parent)
    except FileExistsError as exc:
        raise PresetError(f"{path} exists already.", hint="Give another name.", path=path) from exc
    except OSError as exc:
        raise PresetError(
            f"{path} cannot be written: {reason_of(exc)}.", hint="Give another folder.", path=path
        ) from exc
    output.say(f"Edit it, then run: stem-bridge presets check {output.shell(path)}")
    output.result(str(path))


@app.command()
@options.settings("presets.bpm")
def audition(
    preset: Name,
    drop: options.Drop,
    stem: Annotated[
        str, typer.Option("--stem", metavar="NAME", help="Which stem, printed bus or instrument.")
    ] = "vocals",
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, max=600.0, help="How long.")] = 10.0,
    at: Annotated[
        float | None,
        typer.Option("--at", "--start", metavar="SECONDS", min=0.0, help="From where; else the loudest place."),
    ] = None,
    flags: options.Flags = options.NONE_GIVEN,
    config: options.Config = None,
) -> None:
    """Write some seconds of what a job would print of a drop's stems into a file to listen to, and print its path."""
    from bridge.cli.audition import audition as write
    from bridge.cli.which import drop_meant
    from bridge.config import load, state_folder
    from bridge.delivery.manifest import read
    from bridge.domain.drop import MANIFEST
    from bridge.presets.shelf import find, project_folders

    settings = load(config, flags=flags)
    folder = drop_meant(drop, settings).resolve()
    render = Path(read(folder / MANIFEST).render.path)
    found = find(preset, (*project_folders(render), *_folders(settings)))
    into = state_folder() / "auditions"
    file = write(found, folder, settings, into=into, stem=stem, seconds=seconds, start=at, tell=output.say)
    output.say("To listen to; it is no part of a drop, and may be deleted.")
    output.result(str(file))


def _folders(settings: Settings) -> tuple[Path, ...]:
    """Return where presets lie for whoever works in the current folder."""
    from bridge.presets.shelf import project_folders

    return (*project_folders(Path.cwd() / "render"), *settings.presets.folders)


def _write_schema(folder: Path) -> None:
    """Write what the first line of a new preset points at; one that is there is brought up to date."""
    import json

    from bridge.presets.shelf import SCHEMA_FILE
    from bridge.presets.shelf import schema as preset_schema

    (folder / SCHEMA_FILE).write_text(json.dumps(preset_schema(), indent=1) + "\n", encoding="utf-8", newline="\n")


def _file_of(preset: str, config: Path | None) -> Path:
    """Return the file of a valid preset."""
    from bridge.config import load
    from bridge.presets.shelf import file_of, find

    folders = _folders(load(config))
    find(preset, folders)
    return file_of(preset, folders)
