"""What of the API tells how tracks play: groups, instruments, envelopes, the play rate; under its own names."""

# ruff: noqa: N802
# The methods have the names of the API.

from __future__ import annotations

from tests.reaper.standin.refused import RefusedError
from tests.reaper.standin.state import Envelope, Take, Track
from tests.reaper.standin.window import Window

__all__ = ["Mixer"]


class Mixer(Window):
    """One method per function; arguments are checked before, pointers are objects."""

    def Master_GetPlayRate(self, _proj: object) -> float:
        return self._project.play_rate

    def GetSetTrackGroupMembership(self, track: Track, group: str, mask: int, _value: int) -> int:
        if mask or group != "VOLUME_VCA_FOLLOW":
            raise RefusedError("only asking who follows a VCA is modelled")
        return int(track.vca is not None)

    def GetSetTrackGroupMembershipHigh(self, track: Track, group: str, mask: int, value: int) -> int:
        self.GetSetTrackGroupMembership(track, group, mask, value)
        return 0  # of the groups 33 to 64

    def GetEnvelopeStateChunk(self, envelope: Envelope, _text: str, _is_undo: bool) -> tuple[bool, str]:
        return True, f"{envelope.chunk}\nACT {int(envelope.is_active)} -1\nVIS 1 1 1\n>\n"

    def TrackFX_GetInstrument(self, track: Track) -> int:
        return next((number for number, fx in enumerate(track.fx) if fx.is_instrument), -1)

    def TrackFX_GetCount(self, track: Track) -> int:
        return len(track.fx)

    def TakeFX_GetCount(self, _take: Take) -> int:
        return 0
