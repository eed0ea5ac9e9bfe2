"""What lies in the inboxes, compared with what the journal knows. Start-up, events and the clock all end up here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from bridge.config import Inbox, Settings
from bridge.daemon.done_folder import DONE, put_away
from bridge.daemon.jobs import preset_names
from bridge.domain.render import FileIdentity
from bridge.domain.work import State, Work
from bridge.errors import BridgeError, PresetError, ReadError, SetupError
from bridge.intake.inbox import Found, Listing, list_inbox
from bridge.intake.ready import Readiness, readiness
from bridge.intake.settle import Settling
from bridge.intake.sidecar import read_sidecar
from bridge.journal.journal import Journal

__all__ = ["Reconciler"]

_NOT_BEGUN: frozenset[State] = frozenset({"waiting", "stalled", "ready", "retry"})
_SOONEST_SECONDS = 0.5
_LATEST_SECONDS = 30.0
_IMPATIENT_SECONDS = 60.0


class Reconciler:
    """Compares inboxes with the journal and moves works up to `ready`, `stalled`, `parked`, `recorded` or `gone`."""

    def __init__(
        self,
        journal: Journal,
        settings: Settings,
        say: Callable[[str], None],
        parked: Callable[[Work, BridgeError], None],
        *,
        include_existing: bool = False,
        impatient: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`impatient`: what looks unfinished although it has settled is stalled at once. `parked` is told of each."""
        self._journal = journal
        self._say = say
        self._parked = parked
        self._include_existing = include_existing
        self._impatient = impatient
        self._clock = clock
        self._known: dict[Path, FileIdentity] = {}
        """Files about which the journal has been asked, and that need nothing before they change."""
        self._look_again_at: float | None = None
        self.problems: tuple[str, ...] = ()
        """Of the last look, in sentences."""
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Go on with other settings; whatever was settling starts again."""
        self._settings = settings
        self._settling = Settling(settings.intake.settle_seconds, self._clock)
        self._known.clear()
        self.refresh_presets()

    def refresh_presets(self) -> None:
        """Read again which presets there are."""
        try:
            self._presets = preset_names(self._settings)
        except PresetError as error:
            self._presets = ()
            self._say(error.message)

    def look(self, touched: Collection[Path] = ()) -> None:
        """Compare once. `touched` are files that events named: they have not settled, whatever they look like."""
        self._look_again_at = None
        problems: list[str] = []
        for inbox in self._settings.inboxes:
            place = inbox.path.absolute()
            outboxes = [one.outbox for one in self._settings.inboxes]
            listing = list_inbox(place, outboxes=[*outboxes, place / DONE], presets=self._presets)
            problems += listing.problems
            self._settle(self._compare(inbox, place, listing), touched)
        for problem in problems:
            if problem not in self.problems:
                self._say(problem)
        self.problems = tuple(problems)

    def next_due(self) -> float | None:
        """Say when a look would find more than this one, on the clock's scale."""
        dues = [due for due in (self._settling.next_due(), self._look_again_at) if due is not None]
        return min(dues, default=None)

    def _compare(self, inbox: Inbox, place: Path, listing: Listing) -> list[tuple[Work, Found]]:
        """Bring the journal up to what is there, in one transaction; returns what is still to settle."""
        pending: list[tuple[Work, Found]] = []
        is_new = listing.complete and self._journal.is_new_inbox(place)
        recorded = 0
        with self._journal.together():
            for found in listing.files:
                if self._known.get(found.path) == found.identity:
                    continue
                work = self._journal.see(found.path, found.identity, place)
                if is_new and not self._include_existing and work.state == "waiting":
                    work, recorded = self._journal.move(work, "recorded"), recorded + 1
                elif self._include_existing and work.state == "recorded":
                    work = self._journal.move(work, "waiting")
                if work.state in ("waiting", "stalled"):
                    pending.append((work, found))
                else:
                    self._known[found.path] = found.identity
                    if work.state == "done" and inbox.after == "move":
                        put_away(work, self._say)
            if is_new:
                self._journal.remember_inbox(place)
            if listing.complete:
                self._miss(place, {found.path for found in listing.files})
        if recorded:
            self._say(
                f"{recorded} sound files were in {place} before its first watch and are left alone; "
                "watch --include-existing takes them."
            )
        return pending

    def _miss(self, place: Path, there: Collection[Path]) -> None:
        """Close what vanished before it was worked on."""
        for path in [path for path in self._known if path.is_relative_to(place) and path not in there]:
            del self._known[path]
        for work in self._journal.works(_NOT_BEGUN):
            if work.inbox == place and work.path not in there and not os.path.lexists(work.path):
                self._settling.forget(work.path)
                self._journal.move(work, "gone")

    def _settle(self, pending: list[tuple[Work, Found]], touched: Collection[Path]) -> None:
        grace_seconds = 0.0 if self._impatient else 60.0 * self._settings.intake.unfinished_grace_minutes
        judged: list[tuple[Work, Found, Readiness]] = []
        for work, found in pending:
            if not self._settling.observe(found.path, found.identity, found.path in touched):
                continue
            quiet_seconds = self._settling.quiet_seconds(found.path)
            verdict = readiness(found.path, quiet_seconds=quiet_seconds, grace_seconds=grace_seconds)
            if self._impatient and verdict.state == "waiting" and quiet_seconds > _IMPATIENT_SECONDS:
                verdict = replace(verdict, state="stalled")
            judged.append((work, found, verdict))
            if verdict.state in ("waiting", "stalled"):
                wait = min(max(quiet_seconds / 5, _SOONEST_SECONDS), _LATEST_SECONDS)
                due = self._clock() + wait
                self._look_again_at = due if self._look_again_at is None else min(due, self._look_again_at)
        with self._journal.together():
            for work, found, verdict in judged:
                self._judge(work, found, verdict)

    def _judge(self, work: Work, found: Found, verdict: Readiness) -> None:
        if verdict.state in ("ready", "refused"):
            self._settling.forget(found.path)
            self._known[found.path] = found.identity
        if verdict.state == "ready":
            self._journal.move(work, "ready", priority=_priority(found.path))
        elif verdict.state == "refused":
            error = verdict.error or ReadError(verdict.reason, hint=verdict.hint, path=found.path)
            self._parked(self._journal.move(work, "parked", error=error), error)
        elif (work.state, work.reason) != (verdict.state, verdict.reason):
            error = ReadError(verdict.reason, hint=verdict.hint, path=found.path)
            self._journal.move(work, verdict.state, error=error)
            if verdict.state == "stalled":
                self._say(f"{verdict.reason} {verdict.hint}".strip())


def _priority(render: Path) -> int:
    try:
        sidecar = read_sidecar(render)
    except SetupError:
        # Said when its job is made; until then it waits like any other.
        return 0
    return sidecar.priority if sidecar is not None else 0
