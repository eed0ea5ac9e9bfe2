"""For how long nobody has touched keyboard or mouse, as far as this system says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

__all__ = ["idle_seconds"]

Ask = Callable[[Sequence[str]], str]
"""Runs a program and returns what it printed; '' when it is not there, or fails."""

_PATIENCE_SECONDS = 5.0
_MUTTER = "org.gnome.Mutter.IdleMonitor"
_GNOME = (
    *("gdbus", "call", "--session", "--dest", _MUTTER, "--object-path", "/org/gnome/Mutter/IdleMonitor/Core"),
    *("--method", f"{_MUTTER}.GetIdletime"),
)
_X11 = ("xprintidle",)
_LOGIND = ("loginctl", "show", "--property=IdleHint", "--property=IdleSinceHint")
_MACOS = ("ioreg", "-r", "-c", "IOHIDSystem", "-d", "1")


def idle_seconds(
    ask: Ask | None = None,
    *,
    platform: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
    now: Callable[[], float] = time.time,
) -> float | None:
    """Return for how many seconds nobody has touched keyboard or mouse; None where this system does not say.

    Asks GetLastInputInfo on Windows, the I/O registry on macOS, and on Linux GNOME, then xprintidle where it is
    installed, then systemd-logind, whose "no" counts only without a desktop: some desktops never tell it. Sound that
    plays touches nothing. Takes some milliseconds, as a program is run on all but Windows.
    """
    ask = _asked if ask is None else ask
    if platform == "win32":
        return _windows()
    if platform == "darwin":
        found = re.search(r'"HIDIdleTime" = (\d+)', ask(_MACOS))
        return int(found[1]) / 1e9 if found else None
    if platform != "linux":
        return None
    found = re.fullmatch(r"\(uint64 (\d+),\)", ask(_GNOME).strip()) or re.fullmatch(r"(\d+)", ask(_X11).strip())
    if found:
        return int(found[1]) / 1e3
    has_desktop = bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
    return _of_logind(ask(_LOGIND), has_desktop=has_desktop, now=now())


def _of_logind(answer: str, *, has_desktop: bool, now: float) -> float | None:
    said = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    if said.get("IdleHint") == "yes" and said.get("IdleSinceHint", "").isdecimal():
        return max(0.0, now - int(said["IdleSinceHint"]) / 1e6)
    return 0.0 if said.get("IdleHint") == "no" and not has_desktop else None


def _asked(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        # Not installed, or its desktop hangs.
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _windows() -> float | None:
    if sys.platform != "win32":
        return None
    else:  # noqa: RET505 - mypy takes what follows a platform's return for dead
        import ctypes

        class LastInput(ctypes.Structure):
            _fields_ = (("size", ctypes.c_uint), ("ticks", ctypes.c_uint))

        last = LastInput(ctypes.sizeof(LastInput), 0)
        if not ctypes.windll.user32.GetLastInputInfo(ctypes.byref(last)):
            return None
        now: int = ctypes.windll.kernel32.GetTickCount()
        return _ticks_between(last.ticks, now)


def _ticks_between(before: int, after: int) -> float:
    """Return seconds between two counts of milliseconds of 32 bits, which begin again after 49 days."""
    return (after - before & 0xFFFFFFFF) / 1e3
