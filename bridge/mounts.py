"""On what kind of file system does a folder lie? Others' changes are not reported from network ones."""

from __future__ import annotations

import os
import re
import struct
import sys
from pathlib import Path

__all__ = ["filesystem_of", "is_network", "says_remote"]

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    [
        "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
        "nfs3", "nfs4", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "webdav",
    ]
)  # fmt: skip
_LOCAL_FUSE = frozenset(["fuseblk", "fuse.ntfs-3g", "fuse.exfat", "fuse.mergerfs", "fuse.bindfs", "fuse.lxcfs"])
_DRIVE_REMOTE = 4
"""Windows: what GetDriveTypeW answers for a mapped drive."""
_STATFS_BYTES = 4096
"""Room for the answer of macOS, which has 2168."""
_STATFS_FLAGS = struct.Struct("=64xI")
_MNT_LOCAL = 0x1000


def is_network(path: Path) -> bool:
    """Tell folders and files whose changes may be made elsewhere, and whose locks and leases mean little."""
    return _is_remote(path)


def filesystem_of(path: Path, mounts: Path = _MOUNTS) -> str:
    """Name the file system as Linux does ('ext4', 'nfs4', 'fuse.sshfs'); empty where that cannot be known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        real = os.path.realpath(path)
    except (OSError, ValueError):
        return ""
    best, kind = "", ""
    for line in lines:
        head, separator, tail = line.partition(" - ")
        fields = head.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        # Of mounts over one another the last one counts.
        if inside and len(point) >= len(best):
            best, kind = point, tail.split(" ")[0]
    return kind


def says_remote(answer: bytes) -> bool:
    """Read `struct statfs` of macOS: whether the file system lies elsewhere."""
    (flags,) = _STATFS_FLAGS.unpack_from(answer)
    return not flags & _MNT_LOCAL


if sys.platform == "win32":

    def _is_remote(path: Path) -> bool:
        import ctypes

        drive = os.path.splitdrive(os.path.realpath(path))[0]
        if drive.startswith("\\\\"):
            return not drive.startswith(("\\\\?\\", "\\\\.\\")) or drive.upper().startswith("\\\\?\\UNC")
        return int(ctypes.windll.kernel32.GetDriveTypeW(drive + "\\")) == _DRIVE_REMOTE

elif sys.platform == "darwin":

    def _is_remote(path: Path) -> bool:
        import ctypes

        library = ctypes.CDLL(None)
        # On Intel the plain name is that of an older call, with another answer.
        statfs = getattr(library, "statfs$INODE64", None) or library.statfs
        answer = ctypes.create_string_buffer(_STATFS_BYTES)
        places = [os.path.realpath(path), *map(str, Path(os.path.realpath(path)).parents)]
        there = any(statfs(os.fsencode(place), answer) == 0 for place in places)
        return there and says_remote(answer.raw)

else:

    def _is_remote(path: Path) -> bool:
        kind = filesystem_of(path)
        return kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)
