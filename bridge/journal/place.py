"""Where a journal may lie: on a disk of this machine, since locks of network file systems cannot be relied on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bridge.errors import ConfigError

__all__ = ["is_network", "network_mount", "require_local"]

_NETWORK = {
    "afs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.davfs2",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
}
_DRIVE_REMOTE = 4
"""What GetDriveTypeW says of a mapped drive."""


def require_local(folder: Path) -> None:
    """Raise ConfigError when the folder is, as far as can be told, on a network file system."""
    if is_network(folder):
        raise ConfigError(
            f"{folder} is on a network file system, which cannot keep the journal safe.",
            hint="Set STEM_BRIDGE_DATA to a folder on a local disk.",
            path=folder,
        )


def is_network(folder: Path) -> bool:
    """Return whether a folder, there or not, is on a network file system; False where that cannot be told."""
    absolute = Path(os.path.realpath(folder))
    if sys.platform == "win32":
        import ctypes

        return (
            absolute.drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(absolute.anchor) == _DRIVE_REMOTE
        )
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return False
    return network_mount(absolute, os.fsdecode(mounts))


def network_mount(folder: Path, mountinfo: str) -> bool:
    """Return whether the mount that holds `folder` is of the network, by the text of /proc/self/mountinfo."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        mount = Path(_unescaped(fields[4]))
        # A later line covers an earlier one at the same place.
        if folder.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), right.split(" ", 1)[0]
    return kind in _NETWORK


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
