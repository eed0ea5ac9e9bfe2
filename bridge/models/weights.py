"""Where the weights of a model are, and whether they are the right ones; fetches them when asked, never by itself.

A file is used only after its whole SHA-256 was compared with the pin: the registry's, or for models that this release
does not know to the last bit, the one the first pull wrote down (see `lock`). Own folders have no pin; their files
are only told apart by their checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bridge.errors import ModelError
from bridge.models import legacy
from bridge.models.checks import Checks, write_whole
from bridge.models.config import check_fits, unreadable
from bridge.models.lock import with_pin
from bridge.models.model import FolderSource, HubSource, Member, Model
from bridge.models.own import file_of
from bridge.models.places import Places
from bridge.models.registry import TRIAL
from bridge.models.status import MemberStatus, PullProgress

__all__ = ["MemberStatus", "PullProgress", "checksums", "locate", "pull", "unusable", "verify"]


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
    if isinstance(model.source, HubSource):
        pinned = with_pin(model, places.lock)
        if any(one.state != "ready" for one in verify(pinned, (), places)):
            from bridge.models.fetch import fetch_missing  # loads an HTTP client, which nobody else needs

            fetch_missing(pinned, lambda complete: verify(complete, (), places), places, progress or (lambda _: None))
    return locate(model, (), places)


def _ready(model: Model, folders: Sequence[Path], places: Places) -> list[tuple[Path, str]]:
    pinned, checks = with_pin(model, places.lock), Checks(places.cache)
    found = []
    for member in pinned.members:
        status = _status(pinned, member, folders, places, checks)
        if status.state != "ready" or status.path is None or status.actual is None:
            raise unusable(pinned, status)
        found.append((status.path, status.actual))
    for path, _ in found:
        check_fits(pinned, path)
    return found


def _status(
    model: Model, member: Member, folders: Sequence[Path], places: Places, checks: Checks, *, fresh: bool = False
) -> MemberStatus:
    path = None
    try:
        path, expected = _candidate(model, member, folders, places)
        if path is None or not path.is_file():
            return MemberStatus(member, path, "missing", expected, None)
        actual = checks.sha256(path, fresh=fresh)
        right = expected is None or actual == expected
        if right and path.suffix == ".th":
            path, actual = _converted(path, actual, places, checks, fresh=fresh)
    except OSError as exc:
        place = path or exc.filename or member.file
        raise unreadable(Path(place), exc) from exc
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


def unusable(model: Model, status: MemberStatus) -> ModelError:
    """Say why a weight file cannot be used, in the one wording for all commands: which file, where, and what helps."""
    path, expected = status.path, status.expected
    fetch = f"run: stem-bridge models pull {model.name}"
    trial = f"choose the model {TRIAL} (-m, or separation.model), which comes along for trying out"
    if isinstance(model.source, FolderSource):
        again = anew = "Put the file back."
    elif isinstance(model.source, HubSource):
        again, anew = f"To begin at once, {trial}; to fetch it, {fetch}", f"To fetch it anew, {fetch}"
    else:
        again = anew = "Install Stem Bridge again."
    if status.state == "wrong":
        what = f"The checksum of {path} is wrong: expected {expected}, found {status.actual}."
        return ModelError(what, hint=anew, path=path)
    by_hand = f" (sha256 {expected})" if expected else ""
    if not expected and not isinstance(model.source, FolderSource):
        by_hand = " (no checksum is pinned yet)"
    what = f"The weights of {model.name} are missing: {path or status.member.file}{by_hand} is not there."
    return ModelError(what, hint=again, path=path)
