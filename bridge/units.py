"""Conversions between units, each named by both ends."""

from __future__ import annotations

import math

__all__ = ["db_to_gain", "format_bytes", "format_duration", "frames_to_seconds", "gain_to_db", "seconds_to_frames"]


def db_to_gain(db: float) -> float:
    """Convert decibels to a linear amplitude factor. The reverse of `gain_to_db`."""
    return float(10.0 ** (db / 20.0))


def gain_to_db(gain: float) -> float:
    """Convert a linear amplitude factor (>= 0) to decibels; 0 gives -inf. The reverse of `db_to_gain`."""
    return 20.0 * math.log10(gain) if gain > 0.0 else -math.inf


def frames_to_seconds(frames: int, sample_rate: int) -> float:
    """Convert frames to seconds. The reverse of `seconds_to_frames`."""
    return frames / sample_rate


def seconds_to_frames(seconds: float, sample_rate: int) -> int:
    """Convert seconds to the nearest frame. The reverse of `frames_to_seconds`."""
    return round(seconds * sample_rate)


def format_duration(seconds: float) -> str:
    """Write seconds as people do: '0:07', '3:25', '1:02:03'."""
    total = max(0, round(seconds))
    hours, rest = divmod(total, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def format_bytes(count: float) -> str:
    """Write a byte count as people do: '512 B', '3.7 MB', '1.2 GB' (powers of ten)."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000.0:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000.0
    return f"{size:.1f} TB"
