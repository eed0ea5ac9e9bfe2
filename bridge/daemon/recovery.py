"""What an earlier instance left half done: attempts that died, drops that may or may not have appeared, old staging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.config import Settings
from bridge.delivery.manifest import Manifest, read, verify
from bridge.delivery.stage import discard_stage
from bridge.disk import is_file, is_folder
from bridge.domain.drop import IMPORT_SCRIPT, MANIFEST, STAGING, Drop, Staged
from bridge.domain.work import Identified, Work
from bridge.errors import DeliveryError
from bridge.journal.journal import Delivered, Journal

__all__ = ["drops_in", "find_delivered", "find_staged", "rebuild"]

_FOLDER = "drop"


def find_staged(work: Work, outbox: Path, *, hashes: bool) -> Staged | None:
    """Return the complete staged folder of a work that was about to appear; one that is not whole is removed.

    `hashes` compares the content too, which may take seconds: at the start, not while others wait.
    """
    folder = outbox / STAGING / work.job_id / _FOLDER
    if is_folder(folder) and not verify(folder, hashes=hashes):
        return Staged(folder, work.path.stem, outbox)
    discard_stage(outbox, work.job_id)
    return None


def find_delivered(work: Work, outbox: Path, claimed: Callable[[Path], bool], *, hashes: bool) -> Drop | None:
    """Return the whole drop that a work made before its instance died; not one that another work has `claimed`."""
    if work.keys is None:
        return None
    for folder, manifest in drops_in(outbox):
        if manifest.drop_id == work.keys.drop_key and not claimed(folder) and not verify(folder, hashes=hashes):
            return Drop(folder, folder / IMPORT_SCRIPT, folder / MANIFEST)
    return None


def rebuild(journal: Journal, settings: Settings) -> int:
    """Fill an empty journal with what the manifests in the outboxes tell; returns how many drops that were."""
    return journal.rebuild(
        Delivered(
            drop=folder,
            render=Path(manifest.render.path),
            keys=Identified(
                audio_key=manifest.render.audio_key,
                separation_key=manifest.model.separation_key,
                drop_key=manifest.drop_id,
                seconds=manifest.render.format.value().seconds,
            ),
        )
        for inbox in settings.inboxes
        for folder, manifest in reversed(list(drops_in(inbox.outbox.absolute())))
    )


def drops_in(outbox: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield every drop in an outbox, the newest first."""
    try:
        folders = [entry for entry in outbox.iterdir() if is_file(entry / MANIFEST) and not entry.is_symlink()]
    except OSError:
        return
    found = []
    for folder in folders:
        try:
            found.append((folder, read(folder / MANIFEST)))
        except DeliveryError:
            # Somebody else's folder, or damaged: it tells us nothing.
            continue
    yield from sorted(found, key=lambda one: one[1].created, reverse=True)
