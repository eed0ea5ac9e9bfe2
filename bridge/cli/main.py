"""The command `stem-bridge`: which commands exist, and which exit code they end with.

Only this module and the others of its room load at start; every command imports what it works with when it runs, so
that `--help` answers at once.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from bridge import __version__
from bridge.cli import (
    apply,
    batch,
    cache,
    demo,
    doctor,
    drops,
    evaluate,
    init,
    models,
    output,
    plugins,
    presets,
    process,
    reaper,
    service,
    watch,
    works,
)
from bridge.errors import BridgeError, SetupError

__all__ = ["app", "run"]

app = typer.Typer(
    name="stem-bridge",
    help="Render in your DAW; get the stems, processed and placed back in your session.",
    epilog="Exit codes: 0 all done, 1 some renders failed, 2 you must change something first, 130 interrupted.",
    rich_markup_mode=None,  # plain help: rich would take longer to load than everything else
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("watch")(watch.watch)
app.command("process")(process.process)
app.command("batch")(batch.batch)
app.command("apply")(apply.apply)
app.add_typer(works.app, name="jobs")
app.add_typer(drops.app, name="drops")
app.add_typer(presets.app, name="presets")
app.add_typer(plugins.app, name="plugins")
app.add_typer(models.app, name="models")
app.add_typer(cache.app, name="cache")
app.add_typer(reaper.app, name="reaper")
app.add_typer(service.app, name="service")
app.command("evaluate")(evaluate.evaluate)
app.command("doctor")(doctor.doctor)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    output.prepare_streams()
    try:
        with _ends_are_interrupts(), output.help_too():
            app(args=None if arguments is None else list(arguments), prog_name="stem-bridge")
    except BridgeError as exc:
        output.error(exc)
        sys.exit(2 if isinstance(exc, SetupError) else 1)


@contextmanager
def _ends_are_interrupts() -> Iterator[None]:
    """Let SIGTERM, and a terminal that closes, cancel as Ctrl-C does; a signal that is ignored (nohup) stays so."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _version(wanted: bool) -> None:
    if wanted:
        output.result(f"stem-bridge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Render in your DAW; get the stems, processed and placed back in your session."""
