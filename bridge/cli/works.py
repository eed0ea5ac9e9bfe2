"""`stem-bridge jobs`: what the daemon knows of every render, and a word in its ear."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bridge.cli import options, output

if TYPE_CHECKING:
    from bridge.domain.work import Work
    from bridge.journal.journal import Journal

__all__ = ["app"]

app = typer.Typer(help="Renders in the inboxes: list, show, retry, cancel.", no_args_is_help=True)

_ID_LENGTH = 8
_RECENT = 5

Id = Annotated[
    str, typer.Argument(metavar="ID", help="A job's id or its beginning, or its render's name or path; or: all")
]


@app.command("list")
def list_jobs(
    every: Annotated[
        bool, typer.Option("--all", help=f"Also all that ended; else the last {_RECENT} of those.")
    ] = False,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """List renders that are waiting, being done, put aside, and the last that ended."""
    from bridge.config import state_folder
    from bridge.domain.work import ENDED
    from bridge.journal.journal import read_works

    works = read_works(state_folder())
    hidden: set[str] = set()
    if not every:
        quiet = [work.id for work in works if work.state in ENDED and work.state != "parked"]
        hidden = set(quiet[:-_RECENT])
        works = [work for work in works if work.id not in hidden]
    if json:
        for work in works:
            output.event("job", **_fields(work))
        return
    if not works:
        output.say("No job yet. Renders in the inboxes become jobs while this runs: stem-bridge watch")
        return
    names = shortest([work.id for work in works])
    output.table([(names[work.id], _state(work), output.one_line(work.path.name), _outcome(work)) for work in works])
    if hidden:
        output.say(f"{len(hidden)} more that ended: stem-bridge jobs list --all")


@app.command()
def show(job: Id, json: options.Json = False, verbose: options.Verbose = 0) -> None:
    """Tell all that is known of one job."""
    from bridge.config import state_folder
    from bridge.daemon.parked import PARKED
    from bridge.journal.journal import read_works

    state = state_folder()
    work = _one(read_works(state), job)
    if json:
        output.event("job", **_fields(work))
        return
    rows = [
        ("id", work.id),
        ("render", str(work.path)),
        ("inbox", str(work.inbox)),
        ("state", _state(work)),
        ("arrived", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(work.arrived))),
        ("attempts", str(work.attempts)),
        ("priority", str(work.priority)),
        ("drop", str(work.drop or "")),
        ("error", work.error),
        ("reason", work.reason),
        ("to do", work.hint),
    ]
    log = state / PARKED / work.id / "log.txt"
    if work.state == "parked" and log.exists():
        rows.append(("log", str(log)))
    output.table([(name, output.one_line(value)) for name, value in rows if value])


@app.command()
def retry(job: Id, verbose: options.Verbose = 0) -> None:
    """Try a job again, whatever came of it; `all` = those that failed."""
    _ask("retry", job)


@app.command()
def cancel(job: Id, verbose: options.Verbose = 0) -> None:
    """Let a job go; its render stays where it is. `all` = every one that has not ended."""
    _ask("cancel", job)


def _ask(what: Literal["retry", "cancel"], job: str) -> None:
    """Do it in the journal, or leave a request where the daemon that holds it looks."""
    from bridge.config import state_folder
    from bridge.daemon.control import Request, ask
    from bridge.errors import ConfigError
    from bridge.journal.journal import open_journal, read_works

    state = state_folder()
    wanted = "all" if job == "all" else _one(read_works(state), job).id
    try:
        with open_journal(state) as journal:
            changed = _change(what, wanted, journal, state)
    except ConfigError as exc:
        if exc.path is None or exc.path.name != "journal.lock" or "already runs" not in exc.message:
            raise
        ask(state, Request(do=what, work=wanted))
        output.say("The daemon has been told.")
        return
    if changed:
        output.say(f"{changed} changed.")
        if what == "retry":
            output.say("It is done by: stem-bridge watch")
    else:
        output.say("There is nothing to do: see stem-bridge jobs list")


def _change(what: str, wanted: str, journal: Journal, state: Path) -> int:
    """Change works in a journal that nobody else holds; returns how many."""
    from bridge.daemon.parked import forget_reason

    changed = 0
    for work in journal.works():
        if wanted not in ("all", work.id):
            continue
        if what == "cancel" and work.state in ("waiting", "stalled", "ready", "retry", "running"):
            journal.move(work, "cancelled")
            changed += 1
        elif what == "retry" and os.path.lexists(work.path):
            again = ("parked", "retry") if wanted == "all" else ("parked", "retry", "cancelled", "done", "recorded")
            if work.state in again:
                forget_reason(state, work)
                journal.move(work, "ready")
                changed += 1
    return changed


def _one(works: Iterable[Work], job: str) -> Work:
    """Find a job by the beginning of its id, or by the name or path of its render or drop: of several the last."""
    from bridge.errors import ConfigError

    wanted = job.strip().lower()
    works = list(works)
    found = [work for work in works if wanted and work.id.startswith(wanted)]
    place = Path(job).expanduser().absolute()
    found = found or [work for work in works if job == work.path.name or place in (work.path, work.drop)][-1:]
    found = found or [work for work in works if work.drop is not None and work.drop.name == job][-1:]
    if len(found) == 1:
        return found[0]
    which = f"More than one job begins with '{job}'" if found else f"There is no job '{job}'"
    raise ConfigError(f"{which}.", hint="See them all with: stem-bridge jobs list --all")


def shortest(ids: list[str]) -> dict[str, str]:
    """Shorten ids to what tells them apart, all to the same length."""
    length = _ID_LENGTH
    while len({one[:length] for one in ids}) < len(set(ids)):
        length += 1
    return {one: one[:length] for one in ids}


def _state(work: Work) -> str:
    if work.state == "retry":
        left = work.not_before - time.time()
        return f"retry in {left:.0f} s" if left > 0 else "retry"
    return work.state


def _outcome(work: Work) -> str:
    if work.state == "done":
        return output.one_line(str(work.drop or ""))
    return output.one_line(work.reason)


def _fields(work: Work) -> dict[str, object]:
    return {
        "id": work.id,
        "render": work.path,
        "inbox": work.inbox,
        "state": work.state,
        "arrived": work.arrived,
        "attempts": work.attempts,
        "priority": work.priority,
        "drop": work.drop,
        "error": work.error,
        "message": work.reason,
        "hint": work.hint,
    }
