"""The control folder: small files that commands and ReaScripts rename into it, each one request, read once and removed.

A request is a JSON object in a file that ends in `.json`: {"do": "rescan"}, {"do": "retry", "work": "3f2a"},
{"do": "playing", "seconds": 10}. Whoever writes one writes it under a hidden name first and renames it. Hostile by
assumption: size, shape and every value are checked, links are not followed, pipes are not waited for.
"""

from __future__ import annotations

import os
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bridge.disk import rename
from bridge.errors import ConfigError
from bridge.words import reason_of

__all__ = ["CONTROL", "Do", "Request", "Requests", "ask", "collect"]

CONTROL = "control"
"""Folder inside the state folder."""
_MOST_BYTES = 4096
_PLAIN_NAME = r"^([^./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*)?$"
"""Of something that lies in a folder: not hidden, not '..', and safe to show."""
_MOST_AT_ONCE = 200

Do = Literal[
    "retry", "cancel", "pause", "resume", "rescan", "reload", "stop", "playing", "recording", "stopped", "keep"
]
_OF_A_WORK = frozenset({"retry", "cancel"})


class Request(BaseModel):
    """One wish. `playing` and `recording` hold for `seconds`, so that a DAW that dies does not silence us for ever."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    do: Do
    work: Annotated[str, Field(pattern=r"^([0-9a-f]{1,32}|all)?$")] = ""
    """For `retry` and `cancel`: the id of a work or its beginning, or `all`."""
    seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = 30.0
    drop: Annotated[str, Field(max_length=255, pattern=_PLAIN_NAME)] = ""
    """For `keep`: the name of the drop whose audition is to become a drop."""

    @model_validator(mode="after")
    def _names_a_work(self) -> Request:
        if (self.do in _OF_A_WORK) != bool(self.work):
            raise ValueError(f"'{self.do}' {'needs' if self.do in _OF_A_WORK else 'has no'} 'work'")
        if (self.do == "keep") != bool(self.drop):
            raise ValueError(f"'{self.do}' {'needs' if self.do == 'keep' else 'has no'} 'drop'")
        return self


@dataclass(frozen=True)
class Requests:
    """What lay in the control folder."""

    requests: tuple[Request, ...]
    """In the order they came."""
    problems: tuple[str, ...]
    """Sentences about files that were no requests; they are removed too."""


def ask(state_folder: Path, request: Request) -> None:
    """Leave a request for the daemon that runs on this state folder; raises ConfigError when that cannot be written."""
    folder = state_folder / CONTROL
    name = uuid.uuid4().hex
    part = folder / f".{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(request.model_dump_json() + "\n", encoding="utf-8")
        rename(part, folder / f"{name}.json")
    except OSError as exc:
        raise ConfigError(
            f"Cannot leave a request in {folder}: {reason_of(exc)}.",
            hint="Allow writing to that folder.",
            path=folder,
        ) from exc


def collect(folder: Path) -> Requests:
    """Read and remove what lies in the control folder; never raises, and takes a bounded number at once."""
    requests: list[Request] = []
    problems: list[str] = []
    for path in _waiting(folder):
        try:
            requests.append(Request.model_validate_json(_text_of(path)))
        except (OSError, ValidationError, RecursionError) as exc:
            why = exc.errors(include_url=False)[0]["msg"] if isinstance(exc, ValidationError) else str(exc)
            problems.append(f"{path.name} in the control folder is no request: {why}.")
        try:
            path.unlink()
        except OSError:
            # A folder of such a name, or not ours to remove: it is looked at again, and does no harm.
            continue
    return Requests(tuple(requests), tuple(problems))


def _waiting(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as listing:
            found = [
                (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
                for entry in listing
                if entry.name.endswith(".json") and not entry.name.startswith(".") and not entry.is_dir()
            ]
    except OSError:
        return []
    return [folder / name for _, name in sorted(found)[:_MOST_AT_ONCE]]


def _text_of(path: Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a plain file")
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise OSError("it is too large")
    return text
