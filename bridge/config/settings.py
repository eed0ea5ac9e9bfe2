"""All settings as one frozen value: defaults, then bridge.yaml, then STEM_BRIDGE_* variables, then flags.

A fault is a ConfigError that says where the value came from (file and line, variable or flag) and what is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from bridge.config.job import Cache, Models, Output, Plugins, Presets, Separation
from bridge.config.layers import Layers
from bridge.config.places import CONFIG_VARIABLE, default_file
from bridge.config.values import Part
from bridge.config.watch import Daemon, Inbox, Intake, Tell
from bridge.disk import is_file
from bridge.domain.preset import OutputOptions, Preset
from bridge.errors import ConfigError

__all__ = ["Settings", "load"]


class Settings(Part):
    """Every setting, resolved; nothing changes it afterwards."""

    version: Literal[1] = 1
    inboxes: tuple[Inbox, ...] = ()
    intake: Intake = Intake()
    separation: Separation = Separation()
    output: Output = Output()
    daemon: Daemon = Daemon()
    tell: Tell = Tell()
    presets: Presets = Presets()
    models: Models = Models()
    plugins: Plugins = Plugins()
    cache: Cache = Cache()
    file: Path | None = Field(default=None, exclude=True)
    """The bridge.yaml that was read; None when there is none."""
    stated: frozenset[str] = Field(default=frozenset(), exclude=True)
    """Settings that a flag gave, dotted: these also win over a preset's own."""

    def inbox_of(self, render: Path) -> Inbox | None:
        """Return the inbox that `render` lies in; None where it lies in none."""
        return next((one for one in self.inboxes if _real(render).is_relative_to(_real(one.path))), None)

    def model_of(self, inbox: Inbox | None) -> str:
        """Return the model of renders in `inbox`, or in none: its own, else `separation.model`."""
        return self.separation.model if inbox is None or inbox.model is None else inbox.model

    def output_for(self, preset: Preset) -> OutputOptions:
        """Decide the output of a job: a flag wins over the preset, and the preset over file and variables."""
        ours = self.output.model_dump()
        for key in preset.stated_output:
            if f"output.{key}" not in self.stated:
                ours[key] = getattr(preset.output, key)
        return OutputOptions(**ours)


def load(
    file: Path | None = None, *, flags: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Resolve all settings.

    `file` (else the variable STEM_BRIDGE_CONFIG) must exist; without either, `default_file()` is read if it is there.
    Relative folders in it are relative to it. `flags` are dotted settings, such as 'separation.overlap', where None
    means not given. Raises ConfigError for an unreadable file, an unknown setting, a value that is not allowed,
    `stems` together with `two_stems`, and for folders that contain each other.
    """
    layers = Layers(Settings)
    path = file
    if path is None and environment.get(CONFIG_VARIABLE):
        path = Path(environment[CONFIG_VARIABLE]).expanduser()
    if path is None and is_file(default_file()):
        path = default_file()
    if path is not None:
        layers.add_file(path)
    layers.add_variables(environment)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers.add_flags(given)
    settings = Settings.model_validate(layers.validated(path, frozenset(given)))
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """Refuse what no single setting shows: two ways to choose stems, and folders that would feed each other."""
    if settings.separation.stems and settings.separation.two_stems:
        raise ConfigError(
            "Both 'stems' and 'two_stems' are set.",
            hint="Keep one of them: 'two_stems' delivers one stem and the rest of the mix.",
            path=settings.file,
        )
    inboxes = [one.path for one in settings.inboxes]
    pairs = [(one, other) for number, one in enumerate(inboxes) for other in inboxes[number + 1 :]]
    pairs += [(inbox, one.outbox) for one in settings.inboxes for inbox in inboxes]
    for one, other in pairs:
        a, b = (_real(folder) for folder in (one, other))
        if a == b or a.is_relative_to(b) or b.is_relative_to(a):
            raise ConfigError(
                f"{settings.file}: the folders {one} and {other} are the same, or one contains the other.",
                hint="Give every inbox and outbox a folder of its own, side by side, so that no drop becomes a render.",
                path=settings.file,
            )


def _real(path: Path) -> Path:
    """Follow links, and write a name as its system compares it; a link that leads to itself stays as it is."""
    return Path(os.path.normcase(os.path.realpath(path)))
