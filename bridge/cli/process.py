"""`stem-bridge process`: renders in, drops out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli import options

__all__ = ["process"]


@options.settings(*options.SEPARATION, *options.OUTPUT)
def process(
    renders: Annotated[
        list[Path], typer.Argument(metavar="RENDER", parser=options.path, help="Sound files, or folders of them.")
    ],
    preset: options.Preset = None,
    model: options.Model = None,
    outbox: options.Outbox = None,
    import_: Annotated[
        bool, typer.Option("--import", help="Bring the drops into the project that is open in REAPER.")
    ] = False,
    recursive: options.Recursive = False,
    flags: options.Flags = options.NONE_GIVEN,
    config: options.Config = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Separate renders, apply a preset, deliver each as a drop.

    Prints the path of every drop. A render that fails does not stop the others.
    """
    from bridge.cli.jobs import Planner, bring_in, reaper_command, run_jobs
    from bridge.cli.progress import feedback
    from bridge.config import load
    from bridge.intake.select import find_renders

    with feedback(json=json) as told:
        settings = load(config, flags=flags)
        reaper = reaper_command(settings) if import_ else ()
        planner = Planner(settings, preset, model, outbox)
        found = find_renders(renders, recursive=recursive)
        jobs = [planner.job(render) for render in found.renders]
        for refused in found.refused:
            told.failed(refused.path, refused)
        drops = run_jobs(jobs, told) if jobs else []
        if reaper:
            bring_in(drops, reaper, told)
        if len(jobs) + len(found.refused) > 1:
            told.say(f"{len(drops)} done, {len(jobs) - len(drops) + len(found.refused)} failed.")
    if found.refused or len(drops) < len(jobs):
        raise typer.Exit(1)
