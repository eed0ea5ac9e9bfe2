"""States of the user's plugins as files of the drop, so that a DAW can load the same effect, live and editable."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bridge.delivery.names import safe_name, unique_name
from bridge.delivery.records import PLUGIN_STATES, PluginRecord, StateRecord
from bridge.disk import disk_errors
from bridge.domain.plugins import Insert
from bridge.domain.stems import display_name

__all__ = ["write_states"]

_NAME_BYTES = 60
_ENDING = ".vstpreset"


def write_states(folder: Path, inserts: Sequence[Insert]) -> tuple[PluginRecord, ...]:
    """Write `plugins/<stem> - <n> <name>.vstpreset` for every plugin that gave a state, and return all as records.

    Raises NoSpaceError, DestinationError.
    """
    taken: list[str] = []
    records = []
    for one in inserts:
        state = None
        if one.state:
            stem = display_name(one.stem)
            wanted = safe_name(f"{stem} - {one.position} {one.name}", max_bytes=_NAME_BYTES)
            taken.append(unique_name(wanted, taken, max_bytes=_NAME_BYTES))
            state = _write(folder, f"{taken[-1]}{_ENDING}", one.state)
        records.append(_record(one, state))
    return tuple(records)


def _write(folder: Path, name: str, state: bytes) -> StateRecord:
    path = folder / PLUGIN_STATES / name
    with disk_errors("write", path):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(state)
    return StateRecord(path=f"{PLUGIN_STATES}/{name}", bytes=len(state), sha256=hashlib.sha256(state).hexdigest())


def _record(one: Insert, state: StateRecord | None) -> PluginRecord:
    return PluginRecord(
        stem=one.stem,
        position=one.position,
        path=one.path,
        name=one.name,
        maker=one.maker,
        version=one.version,
        sha256=one.sha256,
        latency_frames=one.latency_frames,
        parameters=dict(one.parameters),
        wet=one.wet,
        live=one.live,
        state=state,
        skipped=one.skipped,
    )
