"""`stem-bridge plugins`: which of your own plugins there are, and what their parameters are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli import options, output
from bridge.errors import PluginError

if TYPE_CHECKING:
    from bridge.effects.plugins.scan import Scanned

__all__ = ["app"]

app = typer.Typer(help="Your own VST3 and AU plugins: scan, list, show.", no_args_is_help=True)


@app.command()
def scan(
    again: Annotated[bool, typer.Option("--again", help="Ask all of them, not only those that are new.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Let in again what is blocked after crashes.")] = False,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Load every plugin in your plugin folders once, each in a process of its own, and remember what it is."""
    from bridge.effects.plugins.blame import forget
    from bridge.effects.plugins.scan import scan as scan_plugins

    folders, chosen = _chosen(config)
    if retry and chosen.records is not None:
        forgiven = forget(chosen.records)
        output.say(f"Plugins let in again: {forgiven}.")

    def told(one: Scanned) -> None:
        output.say(f"{one.path.name}: {one.error or 'ok'}")

    found = scan_plugins(folders, chosen, told, again=again or retry)
    _show(found, json)
    if not json:
        usable = sum(one.usable for one in found)
        output.say(f"Plugins: {len(found)}, of which chains can use {usable}.")


@app.command("list")
def list_plugins(config: options.Config = None, json: options.Json = False) -> None:
    """List the plugins in your plugin folders, as the last scan found them; nothing is loaded."""
    from bridge.effects.plugins.scan import known

    folders, chosen = _chosen(config)
    _show(known(folders, chosen), json)


@app.command()
def show(
    plugin: Annotated[str, typer.Argument(metavar="PLUGIN", help="File name, or name, of a plugin of the list.")],
    name: Annotated[str, typer.Option("--name", help="Which one, where the file holds several.")] = "",
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Print the parameters of a plugin, by the names that presets use, with range, unit and value."""
    from bridge.effects.plugins.scan import describe, known
    from bridge.words import did_you_mean, sentence

    folders, chosen = _chosen(config)
    listed = known(folders, chosen)
    wanted = plugin.casefold()
    found = next((one for one in listed if wanted in (one.path.name.casefold(), one.path.stem.casefold())), None)
    found = found or next((one for one in listed if wanted in (one.name.casefold(), str(one.path).casefold())), None)
    if found is None:
        inside = ((one, each) for one in listed for each in one.names if each.casefold() == wanted)
        found, name = next(inside, (None, name))
    if found is None:
        near = did_you_mean(plugin, [one.path.name for one in listed])
        raise PluginError(
            f"There is no plugin '{plugin[:80]}' in {', '.join(map(str, folders))}.",
            hint=sentence(near or "see what is there with: stem-bridge plugins list"),
        )
    told = describe(found.path, folders, chosen, name)
    one: dict[str, Any] | None = told.get("plugin")
    if json:
        output.event("plugin", path=found.path, names=told.get("names"), **(one or {}))
    elif one is None:
        output.say(f"{found.path.name} holds several plugins; show one with --name:")
        output.table([(str(each),) for each in told.get("names") or ()])
    else:
        output.say(f"{one['name']} {one['version']} by {one['maker']}, latency {one['latency_frames']} frames")
        output.table([("parameter", "value", "unit", "range"), *(_row(each) for each in one["parameters"])])


def _row(parameter: dict[str, Any]) -> tuple[str, str, str, str]:
    if parameter["kind"] == "choice":
        span = ", ".join(parameter["choices"][:12]) + (", ..." if len(parameter["choices"]) > 12 else "")
    else:
        span = "" if parameter["low"] is None else f"{parameter['low']:g} to {parameter['high']:g}"
    value = parameter["value"]
    return parameter["name"], f"{value:g}" if isinstance(value, float) else str(value), parameter["unit"], span


def _show(found: list[Scanned], json: bool) -> None:
    rows = [("file", "plugin", "maker", "version", "")]
    for one in found:
        if json:
            output.event(
                "plugin",
                path=one.path,
                names=one.names,
                name=one.name,
                maker=one.maker,
                version=one.version,
                category=one.category,
                instrument=one.instrument,
                usable=one.usable,
                error=one.error,
            )
        title = one.name or (f"{len(one.names)} plugins" if one.names else "")
        note = one.error or ("an instrument: it plays notes under 'instruments' of a preset" if one.instrument else "")
        rows.append((one.path.name, title, one.maker, one.version, note))
    if not json and found:
        output.table(rows)


def _chosen(config: Path | None) -> tuple[tuple[Path, ...], Any]:
    """Return the configured folders and the options; raises PluginError where no folder is configured."""
    from bridge.config import load
    from bridge.effects.plugins.files import standard_folders

    chosen = load(config).plugins.options()
    if not chosen.folders:
        there = [str(folder) for folder in standard_folders() if folder.is_dir()]
        places = ", ".join(there or map(str, standard_folders()))
        raise PluginError(
            "No folder of plugins is configured.",
            hint=f"Add those you trust to bridge.yaml, 'plugins: {{folders: [...]}}'; usual ones here: {places}.",
        )
    return chosen.folders, chosen
