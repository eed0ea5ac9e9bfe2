"""Are the folders of the settings fit for a daemon? Overlap is refused; clouds and what is missing are said."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bridge.config import Inbox
from bridge.disk import is_folder
from bridge.domain.drop import STAGING
from bridge.errors import ConfigError
from bridge.intake.filters import is_placeholder
from bridge.intake.plain import folder_identity
from bridge.mounts import is_network

__all__ = ["check_folders", "cloud_of"]

_CLOUD_NAMES = re.compile(
    r"onedrive( - .+)?|dropbox( \(.+\))?|google ?drive( .*)?|googledrive-.+|icloud ?drive|com~apple~clouddocs|nextcloud"
    r"|owncloud|pcloud ?drive|pclouddrive|box( sync)?|mega|synologydrive|creative cloud files.*|proton ?drive.*",
    re.IGNORECASE,
)
"""What cloud programs call their folders, one path part as a whole."""
_APPLE_PLACES = ("Library/CloudStorage", "Library/Mobile Documents")
_WINDOWS_VARIABLES = ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")
_PINNED = 0x80000 | 0x100000
"""Windows: 'always keep on this device' and 'free up space', set by cloud programs only."""
_CLOUD_TAG, _CLOUD_MASK = 0x9000001A, 0xFFFF0FFF
"""Windows: reparse tags of the cloud filter."""


def check_folders(inboxes: Sequence[Inbox], *, network: Callable[[Path], bool] = is_network) -> tuple[str, ...]:
    """Return a sentence for everything that works but will surprise.

    Raises ConfigError when an inbox and another inbox or an outbox are the same folder, by whatever name, or lie in one
    another; and when an outbox's staging folder is on another disk, since then no drop could appear in one rename.
    """
    _refuse_overlap(inboxes)
    for inbox in inboxes:
        _refuse_other_disk(inbox.outbox)
    return tuple(dict.fromkeys(words for inbox in inboxes for words in _surprises(inbox, network)))


def cloud_of(
    folder: Path,
    *,
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
    platform: str = sys.platform,
    lstat: Callable[[Path], os.stat_result] = os.lstat,
) -> str:
    """Name the folder through which a cloud program would sync `folder`; empty when none is seen.

    Told from the names of the path, from what the cloud program told the system (Windows), and from attributes that
    only cloud programs set.
    """
    places = [folder, *folder.parents]
    if platform == "win32":
        roots = [environment[name] for name in _WINDOWS_VARIABLES if environment.get(name)]
    elif platform == "darwin":
        roots = [str((home or Path.home()) / place) for place in _APPLE_PLACES]
    else:
        roots = []
    known = {root.replace("\\", "/").rstrip("/").casefold() for root in roots}
    for place in places:
        if _CLOUD_NAMES.fullmatch(place.name) or place.as_posix().rstrip("/").casefold() in known:
            return str(place)
    return next((str(place) for place in places if _is_marked(place, lstat)), "")


def _is_marked(folder: Path, lstat: Callable[[Path], os.stat_result]) -> bool:
    try:
        status = lstat(folder)
    except (OSError, ValueError):
        return False
    tag = getattr(status, "st_reparse_tag", 0)
    attributes = getattr(status, "st_file_attributes", 0)
    return bool(attributes & _PINNED) or tag & _CLOUD_MASK == _CLOUD_TAG or is_placeholder(status)


def _refuse_overlap(inboxes: Sequence[Inbox]) -> None:
    paths = [one.path for one in inboxes]
    pairs = [(one, other) for number, one in enumerate(paths) for other in paths[number + 1 :]]
    pairs += [(inbox, one.outbox) for one in inboxes for inbox in paths]
    for one, other in pairs:
        if _holds(one, other) or _holds(other, one):
            raise ConfigError(
                f"The folders {one} and {other} are the same, or one contains the other.",
                hint="Give every inbox and outbox a folder of its own, side by side, so that no drop becomes a render.",
                path=one,
            )


def _holds(outer: Path, inner: Path) -> bool:
    """Compare by names and by what the disk says, which also sees through links, mounts and upper and lower case."""
    a, b = Path(os.path.realpath(outer)), Path(os.path.realpath(inner))
    if Path(os.path.normcase(b)).is_relative_to(os.path.normcase(a)):
        return True
    place = folder_identity(a)
    return place is not None and any(folder_identity(one) == place for one in (b, *b.parents))


def _refuse_other_disk(outbox: Path) -> None:
    here, there = folder_identity(outbox), folder_identity(outbox / STAGING)
    if here and there and here[0] != there[0]:
        raise ConfigError(
            f"{outbox / STAGING} is on another disk than {outbox}.",
            hint="Remove that link or mount: drops are made there and must appear in one rename.",
            path=outbox,
        )


def _surprises(inbox: Inbox, network: Callable[[Path], bool]) -> Iterator[str]:
    if not is_folder(inbox.path):
        yield f"The inbox {inbox.path} is not there; it is watched as soon as it is."
    elif network(inbox.path):
        yield f"The inbox {inbox.path} lies on a network: renders are found a few seconds later than on a local disk."
    for folder, what in ((inbox.path, "inbox"), (inbox.outbox, "outbox")):
        cloud = cloud_of(folder)
        if cloud:
            yield (
                f"The {what} {folder} is synced by a cloud program ({cloud}): "
                "it may hold files back or upload every drop; a folder outside is better."
            )
