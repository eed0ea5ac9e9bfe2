"""How much memory this process has in use, and how much it may have, on every system."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["limit_memory", "memory_bytes"]

_HARD_SHARE = 2
"""The system's own limit counts what is asked for and not what is used, so it lies higher."""


if sys.platform == "linux":
    import resource

    def memory_bytes() -> int:
        """Return the memory in use, in bytes; on macOS the most that ever was."""
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()

    def limit_memory(most_bytes: int) -> None:
        """Let the system refuse memory far beyond `most_bytes`, where it can: a leak may be quicker than any watch."""
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = most_bytes * _HARD_SHARE
        if hard == resource.RLIM_INFINITY or wanted < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))

elif sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS."""

        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
            ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        )

    def memory_bytes() -> int:
        """Return the memory in use, in bytes."""
        counters = _Counters()
        counters.cb = ctypes.sizeof(counters)
        kernel = ctypes.windll.kernel32
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Counters), wintypes.DWORD)
        kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb)
        return int(counters.WorkingSetSize)

    def limit_memory(most_bytes: int) -> None:
        """Leave the limit to the watch."""

else:
    import resource

    def memory_bytes() -> int:
        """Return the most memory that ever was in use, in bytes."""
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024

    def limit_memory(most_bytes: int) -> None:
        """Leave the limit to the watch."""
