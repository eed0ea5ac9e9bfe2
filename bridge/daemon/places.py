"""Are the folders of the settings there, do they answer, and are they those that were watched before?

The disk is asked beside the loop, which waits for an answer for moments only: a network disk that went away must not
stop what has nothing to do with it. That a folder is the one it was is told by its mark (`bridge.landmark`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bridge.errand import Errand
from bridge.journal.folders import Folders
from bridge.landmark import MARK, Sight, leave_mark, look_at

__all__ = ["PATIENCE_SECONDS", "SILENT_SECONDS", "Places", "Trouble", "no_answer"]

PATIENCE_SECONDS = 0.15
"""How long the loop waits for a disk; a local one answers in a thousandth of that."""
SILENT_SECONDS = 5.0
"""After so long without an answer people are told."""


class Trouble(NamedTuple):
    """Why a folder cannot be used now."""

    reason: str
    """One sentence."""
    hint: str
    away: bool
    """It is not what it was, or not there: what is missing in it is not gone."""


def no_answer(folder: Path) -> Trouble:
    """Say that a folder's disk does not answer."""
    reason = f"The disk of {folder} does not answer: everything else goes on, and it is asked again by itself."
    return Trouble(reason, "Check the network, or disconnect that disk.", away=True)


class Places:
    """Knows the folders; for the thread of the loop alone."""

    def __init__(
        self,
        known: Folders,
        late: Callable[[], object] = lambda: None,
        *,
        look: Callable[[Path], Sight | None] = look_at,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`late` is called, in another thread, when a disk answers for which nobody waited any more."""
        self._known = known
        self._late = late
        self.look = look
        """What asks the disk; may take for ever."""
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._errands: dict[Path, Errand[Sight | None]] = {}

    def trouble(self, folder: Path) -> Trouble | None:
        """Look now, and say why this folder cannot be used; None when it can.

        A folder that was never seen is given its mark, or keeps the one it has.
        """
        errand = self._errands.setdefault(folder, Errand(self._late, clock=self._clock))
        patience = 0.0 if errand.is_out else self._patience_seconds
        if not errand.is_out:
            errand.begin(partial(self.look, folder))
        return self.judge(folder, errand.take()) if errand.is_done(patience) else no_answer(folder)

    def judge(self, folder: Path, sight: Sight | None) -> Trouble | None:
        """Compare what was seen of a folder with what is known of it."""
        if sight is None:
            hint = "Connect its disk, or make the folder; the work then goes on by itself."
            return Trouble(f"The folder {folder} is not there.", hint, away=True)
        before = self._known.place(folder)
        if before is None:
            self._mark(folder, sight, sight.mark or uuid.uuid4().hex)
            return None
        mark, disk = before
        if sight.mark == "":
            # The user's own hand: what lies there is left alone, as before any first watch.
            self._known.forget_inbox(folder)
            self._mark(folder, sight, mark or uuid.uuid4().hex)
        elif sight.mark is None and mark and sight.disk == disk:
            # Made again by the user, or only the file is gone.
            self._mark(folder, sight, mark)
        elif sight.mark != mark and mark:
            return Trouble(
                f"{folder} is not the folder that was used before: its disk is not connected, or another one is.",
                f"Connect the right disk. If this is its new place, make an empty file '{MARK}' in it.",
                away=True,
            )
        elif sight.disk != disk or (not mark and sight.mark):
            self._known.remember_place(folder, sight.mark or "", sight.disk)
        return None

    def _mark(self, folder: Path, sight: Sight, mark: str) -> None:
        written = sight.mark == mark or leave_mark(folder, mark)
        # Where nothing can be written nothing can be told apart either.
        self._known.remember_place(folder, mark if written else "", sight.disk)
