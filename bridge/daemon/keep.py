"""From an audition to a drop: what was only for listening becomes one that stays, beside the drop it was made of."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bridge.config import Settings
from bridge.daemon.live import AUDITION
from bridge.daemon.tell import Told
from bridge.delivery.manifest import read, verify
from bridge.delivery.publish import publish
from bridge.delivery.stage import discard_stage, hold_stage, open_stage
from bridge.disk import disk_errors
from bridge.domain.drop import MANIFEST, Drop, Staged
from bridge.errors import BridgeError, ConfigError, DeliveryError

__all__ = ["keep", "keep_for", "outbox_with"]


def keep_for(settings: Settings, state_folder: Path, name: str, told: Told) -> None:
    """Do what a request asks: keep the audition of a drop where that drop is, and say what came of it."""
    try:
        drop = keep(state_folder, name, outbox_with(name, [inbox.outbox.absolute() for inbox in settings.inboxes]))
    except BridgeError as error:
        told.failed(None, error)
    else:
        told.say(f"  kept: {drop.folder}")


def outbox_with(name: str, outboxes: Iterable[Path]) -> Path:
    """Return the outbox that holds the drop of this name as its own child; raises ConfigError when none does."""
    for outbox in outboxes:
        if name in _names_with_a_manifest(outbox):
            return outbox
    raise ConfigError(f"No outbox holds a drop '{name}'.", hint="Say where to put it with --outbox.")


def keep(state_folder: Path, name: str, outbox: Path) -> Drop:
    """Copy the audition of the drop called `name` into `outbox` as a new drop; the audition stays.

    Raises ConfigError when there is none of this name, DeliveryError when it was replaced meanwhile, NoSpaceError and
    DestinationError when the outbox cannot take it.
    """
    folder = state_folder / AUDITION
    slot = folder / name
    there = sorted(_names_with_a_manifest(folder))
    if name not in there:
        hint = f"Auditions are: {', '.join(there)}." if there else "Set presets.live to true, and change a preset."
        raise ConfigError(f"There is no audition of '{name}'.", hint=hint)
    job_id = uuid.uuid4().hex
    with hold_stage(outbox, job_id):
        with open_stage(outbox, job_id) as stage:
            stage.require_space(sum(file.bytes for file in read(slot / MANIFEST).files))
            with disk_errors("copy", slot):
                shutil.copytree(slot, stage.folder, dirs_exist_ok=True)
            if problems := verify(stage.folder):
                raise DeliveryError(
                    f"The audition of '{name}' was replaced meanwhile: {problems[0]}.", hint="Try again.", path=slot
                )
            stage.finish()
        try:
            return publish(Staged(stage.folder, name, outbox))
        except BaseException:
            discard_stage(outbox, job_id)
            raise


def _names_with_a_manifest(folder: Path) -> set[str]:
    """List the folders that are no links, not hidden, and hold a manifest: what a name may mean, and nothing else."""
    found = set()
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                found.update([entry.name] if Path(entry.path, MANIFEST).is_file() else [])
    return found
