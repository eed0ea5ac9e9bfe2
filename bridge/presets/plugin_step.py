"""The step `plugin`: one of the user's own plugins, named by its file, never by a path that could lead elsewhere."""

from __future__ import annotations

import re
from typing import Any

from bridge.disk import is_file
from bridge.domain.preset import ParameterValue, Plugin
from bridge.presets.catalog import STEP_FIELDS
from bridge.presets.fields import Value, choice, entries, flag, read, string
from bridge.strict_yaml import Node

__all__ = ["INSERT_FIELDS", "PLUGIN_FIELDS", "parameters_schema", "plugin_step"]

_SAFE = r'(?![/\\])(?!(?:.*[/\\])?\.\.(?:[/\\]|$))[^\x00-\x1f\x7f:*?"<>|]{1,200}'
"""A relative path that stays below where it begins, on every system."""
_MOST_PARAMETERS = 500

PLUGIN_FIELDS = {
    "path": string(
        _SAFE + r"(?i:\.vst3|\.component)",
        "File name of a VST3, or of an Audio Unit on macOS, in one of the folders of 'plugins' in bridge.yaml.",
        required=True,
    ),
    "plugin_name": string(r"[^\x00-\x1f\x7f]{1,200}", "Which one, where the file holds several."),
    "preset": string(
        _SAFE + r"(?i:\.vstpreset|\.aupreset)",
        "File with a state of the plugin, beside this preset or in one of the plugin folders.",
    ),
    "missing": choice(
        ("fail", "skip"), "What happens where the plugin is not there; without it, what bridge.yaml says."
    ),
}
INSERT_FIELDS = {
    **PLUGIN_FIELDS,
    **STEP_FIELDS,
    "live": flag("Inserted in REAPER in this state instead of printed; last in its chain, VST3 only."),
}
"""Of a plugin that is a step of a chain, not an instrument."""
_NAME = re.compile(r"\w{1,200}")


def plugin_step(node: Node, *, plays: bool = False) -> Plugin:
    """Read what stands below `plugin:`; one that `plays` hears nothing and so has no `wet`. Raises the node's error.

    A state that lies beside the preset's file is named by its whole path from here on, all others by what was written.
    """
    parts = entries(node, "plugin")
    if plays and "live" in parts:
        raise parts["live"].fail("an instrument is always printed", "take 'live' out; its effects may be live")
    values = read(node, PLUGIN_FIELDS if plays else INSERT_FIELDS, "plugin", inner=("parameters",))
    if values.get("live") and not str(values["path"]).casefold().endswith(".vst3"):
        raise parts["live"].fail("only a VST3 can be live", "take 'live' out, and it is printed")
    if "preset" in values:
        values["preset"] = _beside(parts["preset"], str(values["preset"]))
    bypass, wet = bool(values.pop("bypass", False)), float(values.pop("wet", 1.0))
    parameters = _parameters(parts["parameters"]) if "parameters" in parts else {}
    return Plugin(parameters=parameters, bypass=bypass, wet=wet, **values)  # type: ignore[arg-type]  # PLUGIN_FIELDS


def parameters_schema(*kinds: str) -> dict[str, Any]:
    """Return what the JSON Schema says of `parameters`; values may be of these kinds, too."""
    return {
        "type": ["object", "null"],
        "maxProperties": _MOST_PARAMETERS,
        "description": "The plugin's own parameters, by the names that 'stem-bridge plugins show' prints.",
        "additionalProperties": {"type": ["number", "boolean", "string", *kinds]},
    }


def _beside(node: Node, name: str) -> str:
    file = node.source.path
    if file is None:
        return name
    folder = file.absolute().parent
    found = folder.joinpath(*re.split(r"[/\\]", name))
    if not is_file(found):
        return name
    if not found.resolve().is_relative_to(folder.resolve()):
        raise node.fail(f"'{name}' is a link that leads out of the preset's folder", "copy the file there instead")
    return str(found)


def _parameters(node: Node) -> dict[str, ParameterValue]:
    given = entries(node, "parameters")
    if len(given) > _MOST_PARAMETERS:
        raise node.fail(f"more than {_MOST_PARAMETERS} parameters", "save them as a .vstpreset, and name it: 'preset:'")
    return {_name(child, name): _value(child, name) for name, child in given.items()}


def _name(node: Node, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise node.fail(
            f"'{name[:60]}' is no name of a parameter", "its names are in the output of: stem-bridge plugins show"
        )
    return name


def _value(node: Node, name: str) -> Value:
    value = node.value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and 0 < len(value) <= 200:
        return value
    raise node.fail(f"'{name}' must be a number, true, false or a text", "such as -12.5, or '-12.5 dB'")
