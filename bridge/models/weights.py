"""Where the weights of a model are, and whether they are the right ones; fetches them when asked, never by itself.

A file is used only after its whole SHA-256 was compared with the pin: the registry's, or for models that this release
does not know to the last bit, the one the first pull wrote down (see `lock`). Own folders have no pin; their files
are only told apart by their checksum.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.errors import ModelError, NoSpaceError
from bridge.models import legacy
from bridge.models.checks import Checks, write_whole
from bridge.models.config import read_member
from bridge.models.lock import Pin, with_pin, write_pin
from bridge.models.model import FolderSource, HubSource, Member, Model
from bridge.models.own import file_of
from bridge.models.places import Places
from bridge.units import format_bytes

__all__ = ["MemberStatus", "PullProgress", "checksums", "locate", "pull", "verify"]


@dataclass(frozen=True)
class MemberStatus:
    """What is known about one weight file."""

    member: Member
    path: Path | None
    """Where it is, or should be; None when that is not known before the first pull."""
    state: Literal["ready", "missing", "wrong"]
    expected: str | None
    """SHA-256 of the pin, hex; None for own weights, and before the first pull of an unpinned model."""
    actual: str | None
    """SHA-256 of the file, hex; None when it is missing."""


@dataclass(frozen=True)
class PullProgress:
    """How far a pull is, over all files of the model."""

    model: str
    file: str
    done_bytes: int
    total_bytes: int


def locate(model: Model, folders: Sequence[Path] = (), places: Places | None = None) -> tuple[Path, ...]:
    """Return the checked weight files of a model, in the order of its members; never touches the network.

    `folders` are searched before the cache. Checks made earlier are remembered by file identity. Raises ModelError
    with file, folder, checksum and the command that helps, when a file is missing, wrong, or not of this model.
    """
    return tuple(path for path, _ in _ready(model, folders, places or Places.usual()))


def checksums(model: Model, folders: Sequence[Path] = (), places: Places | None = None) -> tuple[str, ...]:
    """Return the SHA-256 of what `locate` returns, in the same order; raises as `locate` does."""
    return tuple(sha256 for _, sha256 in _ready(model, folders, places or Places.usual()))


def verify(model: Model, folders: Sequence[Path] = (), places: Places | None = None) -> tuple[MemberStatus, ...]:
    """Read every weight file of a model in full and compare.

    Raises ModelError when the records are damaged, or an old checkpoint cannot be converted; not for missing weights.
    """
    places = places or Places.usual()
    pinned, checks = with_pin(model, places.lock), Checks(places.cache)
    return tuple(_status(pinned, one, folders, places, checks, fresh=True) for one in pinned.members)


def pull(
    model: Model, *, progress: Callable[[PullProgress], None] | None = None, places: Places | None = None
) -> tuple[Path, ...]:
    """Fetch what is missing of a published model from the hub, check it, and return its files as `locate` does.

    Files that are there and right are not fetched again; damaged ones are replaced. A model that this release does not
    pin is pinned now. Own and bundled models are only checked. Raises ModelError, NoSpaceError; then no new file is in
    use, and what was in use before is as it was.
    """
    places = places or Places.usual()
    if not isinstance(model.source, HubSource):
        return locate(model, (), places)
    pinned = with_pin(model, places.lock)
    todo = [one for one in verify(pinned, (), places) if one.state != "ready"]
    if todo:
        from bridge.models import hub  # loads an HTTP client, which nobody else needs

        with hub.session(model.name, places):
            pin = _pin_now(pinned, places)
            pinned = pinned.pinned(pin.revision, pin.files) if pin else pinned
            todo = [one for one in verify(pinned, (), places) if one.state != "ready"]
            _fetch(pinned, todo, places, progress or (lambda _: None))
        if pin:
            _write_pin(model.name, pin, places)
    return locate(model, (), places)


def _pin_now(model: Model, places: Places) -> Pin | None:
    """Ask the hub for a pin where there is none yet."""
    from bridge.models import hub

    if not isinstance(model.source, HubSource) or model.source.revision is not None:
        return None
    return hub.ask_for_pin(model.name, model.source, tuple(one.file for one in model.members), places)


def _write_pin(name: str, pin: Pin, places: Places) -> None:
    try:
        write_pin(name, pin, places.lock)
    except OSError as exc:
        raise ModelError(f"Cannot write {places.lock}: {exc.strerror or exc}", path=places.lock) from exc


def _fetch(
    model: Model, todo: Sequence[MemberStatus], places: Places, progress: Callable[[PullProgress], None]
) -> None:
    """Fetch and check files of a pinned hub model."""
    from bridge.models import hub

    assert isinstance(model.source, HubSource)
    total = sum(one.member.size or 0 for one in todo)
    _check_space(model, total, places)
    done = 0
    for status in todo:
        member = status.member
        if status.state == "wrong" and status.path:
            _discard(status.path, places.hub)
        before = done

        def step(count: int, file: str = member.file) -> None:
            nonlocal done
            done = min(total, done + count)
            progress(PullProgress(model.name, file, done, total))

        progress(PullProgress(model.name, member.file, done, total))
        path = hub.fetch(model.name, model.source, member, places, step)
        actual = Checks(places.cache).sha256(path, fresh=True)
        if actual != member.sha256:
            _discard(path, places.hub)
            raise hub.wrong_bytes(model.name, member, actual, places)
        _check_fits(model, path)
        done = before + (member.size or 0)
        progress(PullProgress(model.name, member.file, done, total))


def _check_space(model: Model, needed: int, places: Places) -> None:
    try:
        places.hub.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(places.hub).free
    except OSError as exc:
        raise ModelError(f"Cannot use the folder {places.hub}: {exc.strerror or exc}", path=places.hub) from exc
    if free < needed:
        raise NoSpaceError(
            f"{model.name} needs {format_bytes(needed)}, only {format_bytes(free)} are free in {places.hub}",
            hint="free some space, or set HF_HOME to a folder on another disk",
            path=places.hub,
        )


def _discard(path: Path, hub: Path) -> None:
    """Remove a damaged file from the hub's cache, along its chain of links, which never leaves the cache."""
    here = path
    for _ in range(4):
        following = here.parent / here.readlink() if here.is_symlink() else None
        if here.resolve().is_relative_to(hub.resolve()):
            here.unlink(missing_ok=True)
        if following is None:
            return
        here = following


def _ready(model: Model, folders: Sequence[Path], places: Places) -> list[tuple[Path, str]]:
    pinned, checks = with_pin(model, places.lock), Checks(places.cache)
    found = []
    for member in pinned.members:
        status = _status(pinned, member, folders, places, checks)
        if status.state != "ready" or status.path is None or status.actual is None:
            raise _unusable(pinned, status)
        found.append((status.path, status.actual))
    for path, _ in found:
        _check_fits(pinned, path)
    return found


def _status(
    model: Model, member: Member, folders: Sequence[Path], places: Places, checks: Checks, *, fresh: bool = False
) -> MemberStatus:
    path, expected = _candidate(model, member, folders, places)
    if path is None or not path.is_file():
        return MemberStatus(member, path, "missing", expected, None)
    try:
        actual = checks.sha256(path, fresh=fresh)
        right = expected is None or actual == expected
        if right and path.suffix == ".th":
            path, actual = _converted(path, actual, places, checks, fresh=fresh)
    except OSError as exc:
        raise ModelError(f"Cannot read the weights {path}: {exc.strerror or exc}", path=path) from exc
    return MemberStatus(member, path, "ready" if right else "wrong", expected, actual)


def _candidate(model: Model, member: Member, folders: Sequence[Path], places: Places) -> tuple[Path | None, str | None]:
    """Return the file that counts for a member, there or not, and the SHA-256 it must have."""
    source = model.source
    if not isinstance(source, HubSource):
        path = source.path / member.file
        if isinstance(source, FolderSource) and path.suffix == ".th":
            return path, legacy.LEGACY_SHA256.get(member.signature)
        return path, member.sha256
    for folder in folders:
        found = file_of(folder.expanduser(), member.signature)
        if found and found.suffix == ".th" and member.signature in legacy.LEGACY_SHA256:
            return found, legacy.LEGACY_SHA256[member.signature]
        if found and found.suffix == ".safetensors" and member.sha256 is not None:
            return found, member.sha256
    path_there = places.hub_file(source.repo, source.revision, member.file) if source.revision else None
    return path_there, member.sha256


def _converted(path: Path, sha256: str, places: Places, checks: Checks, *, fresh: bool) -> tuple[Path, str]:
    """Convert a checked `.th` file once; its checksum is written last, so a half-made file is never taken."""
    out = places.cache / "converted" / f"{path.stem.split('-')[0]}-{sha256}.safetensors"
    note = out.with_suffix(".sha256")
    if out.is_file() and note.is_file():
        actual = checks.sha256(out, fresh=fresh)
        if note.read_text(encoding="utf-8").strip() == actual:
            return out, actual
    legacy.convert(path, out, sha256=sha256)
    actual = checks.sha256(out, fresh=True)
    write_whole(note, actual + "\n")
    return out, actual


def _check_fits(model: Model, path: Path) -> None:
    """Weights of another network than the model says are refused before any job."""
    config = read_member(path)
    if config.sources != model.stems or config.samplerate != model.sample_rate:
        raise ModelError(
            f"The weights {path.name} do not belong to {model.name}: their stems are {', '.join(config.sources)}",
            hint=f"fetch them again: stem-bridge models pull {model.name}",
            path=path,
        )


def _unusable(model: Model, status: MemberStatus) -> ModelError:
    file, path = status.member.file, status.path
    if not isinstance(model.source, HubSource):
        again = "put the file back" if isinstance(model.source, FolderSource) else "install Stem Bridge again"
    else:
        again = f"run: stem-bridge models pull {model.name}"
    if status.state == "wrong":
        what = f"The checksum of {path} is wrong: expected {status.expected}, found {status.actual}"
        return ModelError(what, hint=again, path=path)
    place = f" in {path.parent}" if path else ""
    old = legacy.LEGACY_SHA256.get(status.member.signature, "")
    by_hand = f"sha256 {status.expected}" if status.expected else "no checksum is pinned yet"
    offline = f"; offline: {status.member.signature}-{old[:8]}.th in a folder of models" if old else ""
    return ModelError(
        f"The weights of {model.name} are missing: {file}{place} ({by_hand})", hint=f"{again}{offline}", path=path
    )
