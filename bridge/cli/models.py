"""`stem-bridge models`: which models there are, fetch them, check their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli import options, output

if TYPE_CHECKING:
    from bridge.models.weights import PullProgress

__all__ = ["app"]

app = typer.Typer(help="What separates: list, pull, verify.", no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Names of models; see: stem-bridge models list")]


@app.command("list")
def list_models(config: options.Config = None, json: options.Json = False) -> None:
    """List all models, and which of them are on this computer."""
    from bridge.config import load
    from bridge.errors import ModelError
    from bridge.models.registry import find, names
    from bridge.models.weights import locate
    from bridge.units import format_bytes

    folders = load(config).models.folders
    rows = [("model", "here", "download", "stems", "")]
    for model in (find(name) for name in names()):
        try:
            here = bool(locate(model, folders))
        except ModelError:
            here = False
        sizes = [member.size for member in model.members]
        size = format_bytes(sum(one or 0 for one in sizes)) if all(sizes) else "unknown"
        if json:
            output.event(
                "model",
                name=model.name,
                here=here,
                stems=model.stems,
                bytes=sum(one or 0 for one in sizes) if all(sizes) else None,
                trial=model.is_trial,
                description=model.description,
                licence=model.licence,
            )
        rows.append(
            (
                model.name,
                "yes" if here else "no",
                "comes along" if model.is_trial else size,
                str(len(model.stems)),
                model.description,
            )
        )
    if not json:
        output.table(rows)


@app.command()
def pull(models: Names, verbose: options.Verbose = 0) -> None:
    """Fetch the weights of models and check them."""
    from bridge.cli.progress import Download
    from bridge.models.registry import find
    from bridge.models.weights import pull as fetch

    for model in [find(name) for name in models]:
        with Download(model.name) as bar:

            def step(progress: PullProgress, bar: Download = bar) -> None:
                bar.step(progress.file, progress.done_bytes, progress.total_bytes)

            paths = fetch(model, progress=step)
        for path in paths:
            output.result(str(path))


@app.command()
def verify(
    models: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Default: all that are here.")] = None,
    config: options.Config = None,
) -> None:
    """Read the weight files in full and compare their checksums."""
    from bridge.config import load
    from bridge.models.registry import find, names
    from bridge.models.weights import unusable
    from bridge.models.weights import verify as check

    folders = load(config).models.folders
    wrong = 0
    for model in [find(name, folders) for name in models or names()]:
        statuses = check(model, folders)
        if not models and all(one.state == "missing" for one in statuses):
            continue
        for one in statuses:
            output.result(f"{one.state:8}{model.name}  {one.path or one.member.file}  {one.actual or ''}".rstrip())
            if one.state != "ready":
                output.error(unusable(model, one))
                wrong += 1
    if wrong:
        raise typer.Exit(2)
