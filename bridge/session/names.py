"""What things are called inside a DAW's project: names that fit its file, identities that stay."""

from __future__ import annotations

import re
from urllib.parse import quote
from uuid import UUID, uuid5

from bridge.domain.session import SessionPlan

__all__ = ["guid", "identity", "one_line"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_OURS = UUID("6f2c1f4e-0d5b-5c53-9d3b-6b1f2c1e7a10")


def identity(plan: SessionPlan, key: str) -> str:
    """Name a track for ever: plain ASCII, since it is stored inside the user's project file."""
    return f"{quote(plan.drop_id, safe='')}/{quote(key, safe=':')}"


def guid(plan: SessionPlan, key: str) -> str:
    """Make the identity a GUID as DAWs write it, '{8-4-4-4-12}': the same for the same drop and key."""
    return f"{{{str(uuid5(_OURS, identity(plan, key))).upper()}}}"


def one_line(text: str) -> str:
    """Take out what a track name cannot hold; a project file is made of lines, and a NUL ends a C string."""
    return _CONTROL.sub(" ", text)
