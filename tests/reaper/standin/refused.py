"""What a wrong call ends with."""

from __future__ import annotations

__all__ = ["RefusedError"]


class RefusedError(Exception):
    """The call is wrong; the script gets it as a Lua error, and the test as a violation."""
