"""The flags that are settings: one list for all commands, and each means the setting of its name."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from bridge import config
from bridge.cli import options

ALL = (*options.SEPARATION, *options.OUTPUT)
VALUES = {
    "separation.stems": ("vocals,drums", ("vocals", "drums")),
    "separation.two_stems": ("vocals", "vocals"),
    "separation.overlap": ("0.5", 0.5),
    "separation.shifts": ("3", 3),
    "separation.residual": ("drop", "drop"),
    "separation.device": ("cpu", "cpu"),
    "separation.precision": ("bfloat16", "bfloat16"),
    "presets.bpm": ("93.5", 93.5),
    "separation.threads": ("2", 2),
    "output.format": ("flac", "flac"),
    "output.subtype": ("PCM_24", "PCM_24"),
    "output.session": ("reaper,ardour", ("reaper", "ardour")),
}


def flags_of(*line: str) -> options.Flags:
    """Run a command that has all flags, and return what it was given."""
    seen: list[options.Flags] = []
    app = typer.Typer()

    @app.command()
    @options.settings(*ALL)
    def command(flags: options.Flags = options.NONE_GIVEN) -> None:
        seen.append(flags)

    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_a_flag_that_is_not_given_says_nothing() -> None:
    assert flags_of() == dict.fromkeys(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_flag_sets_the_setting_of_its_name(name: str) -> None:
    text, value = VALUES[name]
    flags = flags_of(f"--{name.rpartition('.')[2].replace('_', '-')}", text)
    assert {one for one, given in flags.items() if given is not None} == {name}
    part, key = name.split(".")
    settings = config.load(flags=flags, environment={})
    assert getattr(getattr(settings, part), key) == value
