"""What was done before: the journals of all batches, side by side in the state folder, and that of the daemon."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from bridge.domain.job import Job
from bridge.domain.work import Work
from bridge.errors import BridgeError
from bridge.journal.journal import read_works

__all__ = ["all_works", "drops_by_separation", "drops_of", "journal_folder"]

_JOURNALS = "batch"
"""Folder inside the state folder; one folder in it for each tree, place and set of options."""
_PACE = ("device", "threads", "batch", "gpu_memory_gb")
"""Options that change how fast a job goes, and not what comes out."""


def journal_folder(state: Path, job: Job, top: Path, out: Path, *, layout: str, bpm: float | None) -> Path:
    """Return the folder of a batch's journal: another tree, preset, model, option or place is other work.

    `job` is one job of the batch, `bpm` the tempo that the user says. The same batch gives the same folder.
    """
    separation = asdict(job.separation)
    for pace in _PACE:
        del separation[pace]
    what = [str(top), str(out), layout, job.preset.name, job.preset.sha256, separation, asdict(job.output)]
    text = json.dumps(what if bpm is None else [*what, bpm], ensure_ascii=True)
    return state / _JOURNALS / hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def all_works(state: Path) -> list[Work]:
    """Return what all journals know, those of other batches and of the daemon too; newest first."""
    works: list[Work] = []
    journals = state / _JOURNALS
    for folder in (state, *(sorted(journals.iterdir()) if journals.is_dir() else ())):
        try:
            works += read_works(folder)
        except BridgeError:
            # A journal that is damaged or of a newer version helps nobody here, and does no harm.
            continue
    return sorted(works, key=lambda work: work.arrived, reverse=True)


def drops_of(works: Iterable[Work]) -> list[Path]:
    """List the drops that were made, in the order of their works."""
    return [work.drop for work in works if work.state == "done" and work.drop is not None]


def drops_by_separation(works: Iterable[Work]) -> dict[str, list[Path]]:
    """List the drops that were made by what was separated how, in the order of their works."""
    drops: dict[str, list[Path]] = {}
    for work in works:
        if work.state == "done" and work.drop is not None and work.keys is not None:
            drops.setdefault(work.keys.separation_key, []).append(work.drop)
    return drops
