"""A child process and all that it starts: ended together, and never left behind by a parent that is killed.

POSIX: the child leads a session of its own, and its group is killed as one; that the parent is gone it hears from its
pipe. Windows: a Job Object, which the system closes with the parent and which ends what is in it then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

from bridge.programs import group_of_its_own

__all__ = ["ProcessTree"]

_SET_QUOTA_AND_TERMINATE = 0x0101
"""What assigning a process to a job asks for: PROCESS_SET_QUOTA | PROCESS_TERMINATE."""
_EXTENDED_LIMITS = 9
_KILL_ON_CLOSE = 0x2000


class _BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


class ProcessTree:
    """The processes that one child stands for."""

    def __init__(self, kernel: Any = None) -> None:
        """`kernel`: kernel32 of Windows; None = this system's, if it is one."""
        self._kernel = kernel or _kernel()
        self._job: int | None = None

    def options(self) -> dict[str, Any]:
        """Return how to start the child: in a group of its own, so that Ctrl-C in the terminal reaches us alone."""
        return group_of_its_own(windows=bool(self._kernel))

    def adopt(self, pid: int) -> None:
        """Tie a child that was just started to us; what the system refuses is passed over."""
        self.close()
        if not self._kernel:
            return
        job = self._kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _KILL_ON_CLOSE
        process = self._kernel.OpenProcess(_SET_QUOTA_AND_TERMINATE, False, pid)
        if job and process:
            self._kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
            if self._kernel.AssignProcessToJobObject(job, process):
                self._job = job
        for handle in (process, job if self._job is None else None):
            if handle:
                self._kernel.CloseHandle(handle)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End the child and all that it started, at once; quiet when it has ended."""
        if process.poll() is not None:
            return
        if self._job is not None:
            self._kernel.TerminateJobObject(self._job, 1)
        elif sys.platform != "win32":
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()

    def close(self) -> None:
        """Let go of a child that has ended; what it left running ends too, where the system knows of it."""
        if self._job is not None:
            self._kernel.CloseHandle(self._job)
            self._job = None


if sys.platform == "win32":

    def _kernel() -> Any:
        """Return kernel32 with the types of what is called, which on 64 bits are not what ctypes assumes."""
        handle, number = ctypes.c_void_p, ctypes.c_uint32
        kernel = ctypes.WinDLL("kernel32")
        for name, result, arguments in (
            ("CreateJobObjectW", handle, (handle, ctypes.c_wchar_p)),
            ("OpenProcess", handle, (number, ctypes.c_int, number)),
            ("SetInformationJobObject", ctypes.c_int, (handle, ctypes.c_int, handle, number)),
            ("AssignProcessToJobObject", ctypes.c_int, (handle, handle)),
            ("TerminateJobObject", ctypes.c_int, (handle, number)),
            ("CloseHandle", ctypes.c_int, (handle,)),
        ):
            call = getattr(kernel, name)
            call.restype, call.argtypes = result, arguments
        return kernel

else:

    def _kernel() -> Any:
        """There is none here."""
        return None
