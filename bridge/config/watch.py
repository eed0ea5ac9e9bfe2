"""Settings of `watch`: its inboxes, when a render is finished, how the daemon behaves, whom it tells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.config.values import Command, Folder, Hours, Part

__all__ = ["Daemon", "Inbox", "Intake", "Tell"]


class Inbox(Part):
    """A folder the DAW renders into, and what becomes of its renders."""

    path: Folder
    """Where renders appear."""
    outbox: Folder
    """Where drops appear; neither folder may contain the other."""
    preset: str = "clean"
    """Name of a preset, or the path of its file."""
    model: str | None = None
    """Another model than `separation.model`, for this inbox."""
    after: Literal["keep", "move"] = "keep"
    """What becomes of a render once its drop is there: it stays, or it moves into `done` in its inbox."""


class Intake(Part):
    """When a render in an inbox counts as finished."""

    settle_seconds: Annotated[float, Field(strict=True, ge=0.5, le=3600.0)] = 3.0
    """A render is finished when it has not changed for this long; 0.5..3600."""
    rescan_seconds: Annotated[float, Field(strict=True, ge=1.0, le=86400.0)] = 60.0
    """How often inboxes are listed in full, whatever the system reports; 1..86400."""
    unfinished_grace_minutes: Annotated[float, Field(strict=True, ge=0.0, le=10080.0)] = 10.0
    """For how long a file that looks unfinished is waited for before it is called stalled; 0..10080."""


class Daemon(Part):
    """How `watch` works beside everything else on the computer."""

    attempts: Annotated[int, Field(strict=True, ge=1, le=100)] = 3
    """How often a render is tried whose worker dies; 1..100."""
    patience_minutes: Annotated[float, Field(strict=True, ge=0.1, le=1440.0)] = 10.0
    """A worker that says nothing for this long is ended; 0.1..1440."""
    idle_minutes: Annotated[float, Field(strict=True, ge=0.0, le=10080.0)] = 15.0
    """The worker gives its memory back after this long without work; 0..10080."""
    priority: Literal["low", "normal"] = "low"
    """CPU priority of the worker."""
    spare_cores: Annotated[int, Field(strict=True, ge=0, le=256)] = 1
    """Cores left to other programs where `separation.threads` is 0."""
    while_playing: Literal["pause", "throttle", "ignore"] = "pause"
    """What to do while the DAW reports that it plays or records."""
    quiet_hours: Hours = ""
    """Times of day in which no job starts, such as '20:00-23:30'; '' = none."""


class Tell(Part):
    """Who hears of what `watch` did."""

    desktop: Annotated[bool, Field(strict=True)] = True
    """Show a notification where the desktop can."""
    finished: Command = ()
    """Program and arguments, run when a drop is there; {render} and {drop} stand for their paths."""
    failed: Command = ()
    """Program and arguments, run when a render is put aside; {render} and {reason} stand for what happened."""
    reaper: Command = ()
    """REAPER's program and arguments; when set, every drop comes into the project that is open there."""
