"""The work of a pull: pin, make room, fetch, check, and only then write the pin down."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bridge.errors import ModelError, NoSpaceError
from bridge.models import hub
from bridge.models.checks import sha256_of
from bridge.models.config import check_fits
from bridge.models.lock import write_pin
from bridge.models.model import HubSource, Model
from bridge.models.places import Places
from bridge.models.status import MemberStatus, PullProgress
from bridge.units import format_bytes
from bridge.words import reason_of

__all__ = ["fetch_missing"]


def fetch_missing(
    model: Model,
    verify: Callable[[Model], Sequence[MemberStatus]],
    places: Places,
    progress: Callable[[PullProgress], None],
) -> None:
    """Fetch what `verify` says is missing or wrong of a hub model, and pin the model if it was not.

    Raises ModelError, NoSpaceError; a file that is not what it should be is removed, and nothing is pinned.
    """
    assert isinstance(model.source, HubSource)
    pin = None
    with hub.session(model.name):
        if model.source.revision is None:
            pin = hub.ask_for_pin(model.name, model.source, tuple(one.file for one in model.members), places)
            model = model.pinned(pin.revision, pin.files)
        _fetch(model, [one for one in verify(model) if one.state != "ready"], places, progress)
    if pin is not None:
        try:
            write_pin(model.name, pin, places.lock)
        except OSError as exc:
            raise ModelError(
                f"Cannot write {places.lock}: {reason_of(exc)}.",
                hint="Check that you may write there.",
                path=places.lock,
            ) from exc


def _fetch(
    model: Model, todo: Sequence[MemberStatus], places: Places, progress: Callable[[PullProgress], None]
) -> None:
    assert isinstance(model.source, HubSource)
    total = sum(one.member.size or 0 for one in todo)
    _check_space(model, total, places)
    before = 0
    for status in todo:
        member = status.member
        step = partial(_report, progress, model.name, member.file, before, total)
        step(0)
        if status.state == "wrong" and status.path:
            _discard(status.path, places.hub)
        path = hub.fetch(model.name, model.source, member, places, step)
        actual = sha256_of(path)
        if actual != member.sha256:
            _discard(path, places.hub)
            raise hub.wrong_bytes(model.name, member, actual, places)
        check_fits(model, path)
        before += member.size or 0
    if todo:
        _report(progress, model.name, todo[-1].member.file, total, total, 0)


def _report(
    progress: Callable[[PullProgress], None], model: str, file: str, before: int, total: int, done: int
) -> None:
    progress(PullProgress(model, file, min(before + done, total), total))


def _check_space(model: Model, needed: int, places: Places) -> None:
    try:
        places.hub.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(places.hub).free
    except OSError as exc:
        raise ModelError(
            f"Cannot write to {places.hub}: {reason_of(exc)}.",
            hint="Allow it, or set HF_HOME to another folder.",
            path=places.hub,
        ) from exc
    if free < needed:
        raise NoSpaceError(
            f"{model.name} needs {format_bytes(needed)}, only {format_bytes(free)} are free in {places.hub}.",
            hint="Free some space, or set HF_HOME to a folder on another disk.",
            path=places.hub,
        )


def _discard(path: Path, hub_folder: Path) -> None:
    """Remove a file from the hub's cache with the links that lead to it; never anything outside the cache."""
    try:
        inside = path.resolve().is_relative_to(hub_folder.resolve())
        while inside:
            following = path.parent / path.readlink() if path.is_symlink() else None
            path.unlink(missing_ok=True)
            if following is None:
                return
            path = following
    except OSError as exc:
        raise ModelError(
            f"Cannot remove the damaged file {path}: {reason_of(exc)}.",
            hint="Remove it by hand.",
            path=path,
        ) from exc
