"""`stem-bridge cache`: what is kept so that no segment is separated twice, and letting it go."""

from __future__ import annotations

import typer

from bridge.cli import options, output

__all__ = ["app"]

app = typer.Typer(help="Segments kept between jobs: show, clear.", no_args_is_help=True)


@app.command()
def show(config: options.Config = None, json: options.Json = False, verbose: options.Verbose = 0) -> None:
    """Tell where segments are kept, how much they take, and how much they may take."""
    from bridge.config import load
    from bridge.separation.store import usage_of_store
    from bridge.units import format_bytes

    store = load(config).cache.options()
    if store is None:
        output.event("cache", folder=None) if json else output.say("Nothing is kept: cache.folder is off.")
        return
    kept, jobs = usage_of_store(store.folder)
    if json:
        output.event(
            "cache", folder=store.folder, bytes=kept.bytes, max_bytes=store.max_bytes, unfinished_bytes=jobs.bytes
        )
        return
    rows = [
        ("folder", output.one_line(str(store.folder))),
        ("kept", f"{format_bytes(kept.bytes)} of {format_bytes(store.max_bytes)}"),
    ]
    if jobs.files:
        rows.append(("of unfinished jobs", f"{format_bytes(jobs.bytes)}, until they are done, or for three days"))
    output.table(rows)


@app.command()
def clear(config: options.Config = None, json: options.Json = False, verbose: options.Verbose = 0) -> None:
    """Delete all kept segments; drops and renders stay. Jobs under way go on."""
    from bridge.config import load
    from bridge.separation.store import clear_store
    from bridge.units import format_bytes

    store = load(config).cache.options()
    gone = 0 if store is None else clear_store(store.folder).bytes
    if json:
        output.event("cleared", bytes=gone)
    else:
        output.say(f"{format_bytes(gone)} deleted.")
