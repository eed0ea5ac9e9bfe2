"""When a job may begin, and how fast it goes: what people asked for, what the DAW does, what the settings say."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge.config import Daemon as DaemonSettings
from bridge.neighbour import Pace, Transport, in_hours

__all__ = ["Gate"]


class Gate:
    """Closed by a request, by a DAW that plays or records, and in quiet hours."""

    def __init__(self, local_time: Callable[[], time.struct_time] = time.localtime) -> None:
        self.is_shut = False
        """Somebody asked for a pause that has not ended."""
        self.transport = Transport()
        self._local_time = local_time

    def why_closed(self, settings: DaemonSettings) -> str:
        """Say why no job may begin; empty when one may."""
        if self.is_shut:
            return "Paused by request."
        if self.transport.pace(settings.while_playing) == "stop":
            return "The DAW plays or records."
        if in_hours(settings.quiet_hours, self._local_time()):
            return f"Quiet hours ({settings.quiet_hours})."
        return ""

    def pace(self, settings: DaemonSettings) -> Pace:
        """Return how fast the job under way may go; quiet hours let it end."""
        return "stop" if self.is_shut else self.transport.pace(settings.while_playing)
