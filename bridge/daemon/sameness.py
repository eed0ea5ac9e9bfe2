"""Was this very work done before, and are its stems still there? Asked once a job's sound is known."""

from __future__ import annotations

from pathlib import Path

from bridge.delivery.manifest import Manifest, read, verify
from bridge.disk import is_file
from bridge.domain.drop import MANIFEST
from bridge.domain.work import Identified
from bridge.errors import DeliveryError
from bridge.journal.journal import Journal

__all__ = ["Sameness"]

_MOST_CANDIDATES = 5


class Sameness:
    """Looks into the journal, and then at the disk, which has the last word."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def drop(self, keys: Identified, outbox: Path, *, rebuild: bool) -> Path | None:
        """Return the drop that this work made in this outbox before, if any.

        One that the user removed counts as well, since a drop does not come back by itself; but with `rebuild`, when
        the user asked for it again, it does not.
        """
        if self._journal.done_drop(keys.drop_key) is None:
            return None
        made = [
            work.drop
            for work in self._journal.works({"done"})
            if work.drop is not None and work.keys is not None and work.keys.drop_key == keys.drop_key
        ]
        here = [drop for drop in reversed(made) if drop.parent == outbox]
        there = [drop for drop in here if is_file(drop / MANIFEST)]
        return there[0] if there else here[0] if here and not rebuild else None

    def stems(self, keys: Identified) -> Path | None:
        """Return a drop whose dry stems are those that this work would compute, bit for bit.

        Judged by the manifest and by sizes; the worker compares the content, which may take long, before it is used.
        """
        for drop in self._journal.drops_with_stems(keys.separation_key)[:_MOST_CANDIDATES]:
            try:
                manifest = read(drop / MANIFEST)
            except DeliveryError:
                continue
            fits = manifest.render.audio_key == keys.audio_key and _has_dry_stems(manifest)
            if fits and not verify(drop, hashes=False):
                return drop
        return None


def _has_dry_stems(manifest: Manifest) -> bool:
    """Only floating point is what came out of the separation; where effects were printed, the dry file is needed."""
    if manifest.output.subtype != "FLOAT" or manifest.output.common_gain_db:
        return False
    dry = {file.stem for file in manifest.files if file.kind == "dry"}
    stems = {file.stem for file in manifest.files if file.kind == "stem"}
    return all(stem in dry for stem in manifest.preset.printed if stem in stems)
