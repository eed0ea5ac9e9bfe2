"""What lies in the inboxes, compared with what the journal knows. Start-up, events and the clock all end up here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from bridge.config import Inbox, Settings
from bridge.daemon.done_folder import DONE, put_away
from bridge.daemon.jobs import preset_names
from bridge.daemon.patrol import Patrol, Round
from bridge.daemon.places import PATIENCE_SECONDS, SILENT_SECONDS, Places
from bridge.domain.render import FileIdentity
from bridge.domain.work import State, Work
from bridge.errors import BridgeError, PresetError, ReadError, SetupError
from bridge.intake.inbox import Found, Listing, list_inbox
from bridge.intake.ready import Readiness, readiness
from bridge.intake.settle import Settling
from bridge.intake.sidecar import read_sidecar
from bridge.journal.journal import Journal
from bridge.words import counted

__all__ = ["Reconciler"]

_NOT_BEGUN: frozenset[State] = frozenset({"waiting", "stalled", "ready", "retry"})
_SOONEST_SECONDS = 0.5
_LATEST_SECONDS = 30.0
_IMPATIENT_SECONDS = 60.0
_AT_ONCE = 256
"""Files that are judged before the first of them may begin; with thousands a disk would seem not to answer."""


class Reconciler:
    """Compares inboxes with the journal and moves works up to `ready`, `stalled`, `parked`, `recorded` or `gone`."""

    def __init__(
        self,
        journal: Journal,
        settings: Settings,
        say: Callable[[str], None],
        parked: Callable[[Work, BridgeError], None],
        places: Places,
        *,
        include_existing: bool = False,
        impatient: bool = False,
        late: Callable[[], object] = lambda: None,
        lister: Callable[..., Listing] = list_inbox,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`impatient`: what looks unfinished although it has settled is stalled at once. `parked` is told of each.

        `late` is called, in another thread, when an inbox answers for which nobody waited any more.
        """
        self._journal = journal
        self._say = say
        self._parked = parked
        self._include_existing = include_existing
        self._impatient = impatient
        self._places = places
        self._late = late
        self._list = lister
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._patrols: dict[Path, Patrol] = {}
        self._known: dict[Path, FileIdentity] = {}
        """Files about which the journal has been asked, and that need nothing before they change."""
        self._stalled: dict[Path, str] = {}
        """Why files are stalled of which that was said, by us and not by an earlier run."""
        self._look_again_at: float | None = None
        self.problems: tuple[str, ...] = ()
        """Of the last look, in sentences."""
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Go on with other settings; whatever was settling starts again."""
        self._settings = settings
        self._settling = Settling(settings.intake.settle_seconds, self._clock)
        self._known.clear()
        places = [inbox.path.absolute() for inbox in settings.inboxes]
        self._patrols = {one: self._patrols.get(one) or Patrol(one, self._late, self._clock) for one in places}
        self.refresh_presets()

    def refresh_presets(self) -> None:
        """Read again which presets there are."""
        try:
            self._presets = preset_names(self._settings)
        except PresetError as error:
            self._presets = ()
            self._say(error.message)

    def look(self, touched: Collection[Path] = ()) -> None:
        """Compare once. `touched` are files that events named: they have not settled, whatever they look like.

        What asks a disk runs beside us. An inbox that does not answer at once is gone on with at the next look.
        """
        self._look_again_at = None
        for inbox in self._settings.inboxes:
            patrol = self._patrols[inbox.path.absolute()]
            patrol.touched.update(touched)
            patrol.go_on(0.0)
            if not patrol.is_out:
                named, patrol.touched = patrol.touched, set()
                patrol.begin(self._round(inbox, patrol, named))
                patrol.go_on(self._patience_seconds)
            if patrol.is_out:
                self._again_by(self._clock() + SILENT_SECONDS)
        problems = tuple(dict.fromkeys(problem for one in self._patrols.values() for problem in one.said()))
        for problem in problems:
            if problem not in self.problems:
                self._say(problem)
        self.problems = problems

    def next_due(self) -> float | None:
        """Say when a look would find more than this one, on the clock's scale."""
        dues = [due for due in (self._settling.next_due(), self._look_again_at) if due is not None]
        return min(dues, default=None)

    @property
    def is_settling(self) -> bool:
        """Say whether some file is being watched that may be a render soon."""
        return self._settling.next_due() is not None

    def away(self) -> set[Path]:
        """Return the inboxes that are not there, do not answer, or are not what they were."""
        return {place for place, patrol in self._patrols.items() if patrol.away or patrol.is_silent}

    @property
    def is_left_waiting(self) -> bool:
        """Say whether an inbox does not answer."""
        return any(patrol.is_silent for patrol in self._patrols.values())

    def has_looked(self) -> bool:
        """Say whether every inbox was looked into, or let us wait in vain."""
        return all(patrol.rounds or patrol.is_silent for patrol in self._patrols.values())

    def _again_by(self, due: float) -> None:
        self._look_again_at = due if self._look_again_at is None else min(due, self._look_again_at)

    def _round(self, inbox: Inbox, patrol: Patrol, touched: Collection[Path]) -> Round:
        """One inbox. Every `yield` asks its disk for something, beside the loop, and may take for ever."""
        place, presets = inbox.path.absolute(), self._presets
        outboxes = [*(one.outbox for one in self._settings.inboxes), place / DONE]
        before, listing, after = yield lambda: (
            self._places.look(place),
            self._list(place, outboxes=outboxes, presets=presets),
            self._places.look(place),
        )
        patrol.problems, patrol.away = listing.problems, before is None
        trouble = None if before is None else self._places.judge(place, before)
        if trouble is not None or (before is not None and (after is None or after.disk != before.disk)):
            # Not this folder, or not any more: nothing in it is new, and nothing that is missing is gone.
            patrol.away = True
            patrol.problems = (f"{trouble.reason} {trouble.hint}",) if trouble is not None else listing.problems
            return
        pending, done = self._compare(inbox, place, listing)
        missing = self._missing(place, listing)
        settled = [
            one for one in pending if self._settling.observe(one[1].path, one[1].identity, one[1].path in touched)
        ]
        if done or missing:
            gone, sentences = yield lambda: (
                [work for work in missing if not os.path.lexists(work.path)],
                [sentence for work in done for sentence in _put_away(work)],
            )
            for sentence in sentences:
                self._say(sentence)
            self._miss(gone)
        for first in range(0, len(settled), _AT_ONCE):
            judged = yield partial(self._look_at, settled[first : first + _AT_ONCE])
            self._settle(judged)

    def _compare(self, inbox: Inbox, place: Path, listing: Listing) -> tuple[list[tuple[Work, Found]], list[Work]]:
        """Bring the journal up to what is there, in one transaction; returns what is to settle, and to put away."""
        pending: list[tuple[Work, Found]] = []
        done: list[Work] = []
        is_new = listing.complete and self._journal.folders.is_new_inbox(place)
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
                    self._say_stalled(work)
                else:
                    self._known[found.path] = found.identity
                    if work.state == "done" and inbox.after == "move":
                        done.append(work)
            if is_new:
                self._journal.folders.remember_inbox(place)
        if recorded:
            self._say(
                f"What was in {place} before its first watch is left alone ({counted(recorded, 'sound file')}); "
                "watch --include-existing takes it."
            )
        return pending, done

    def _missing(self, place: Path, listing: Listing) -> list[Work]:
        """Return what was not begun and is not in the listing."""
        if not listing.complete:
            return []
        there = {found.path for found in listing.files}
        for path in [path for path in self._known if path not in there and path.is_relative_to(place)]:
            del self._known[path]
        return self._journal.missing(place, _NOT_BEGUN, there)

    def _miss(self, gone: Collection[Work]) -> None:
        """Close what vanished before it was worked on."""
        for work in gone:
            if self._still(work, _NOT_BEGUN):
                self._settling.forget(work.path)
                self._journal.move(work, "gone")

    def _still(self, work: Work, states: Collection[State]) -> bool:
        """Say whether nothing happened to a work while its disk was asked."""
        now = self._journal.get(work.id)
        return now.state in states and (now.attempts, now.identity) == (work.attempts, work.identity)

    def _look_at(self, some: Collection[tuple[Work, Found]]) -> list[tuple[Work, Found, Readiness, int]]:
        return [(work, found, *self._readiness(found)) for work, found in some]

    def _readiness(self, found: Found) -> tuple[Readiness, int]:
        """Judge a settled file, and say how urgent its sidecar calls it. Asks the disk; touches nothing of ours."""
        grace_seconds = 0.0 if self._impatient else 60.0 * self._settings.intake.unfinished_grace_minutes
        quiet_seconds = self._settling.quiet_seconds(found.path)
        verdict = readiness(found.path, quiet_seconds=quiet_seconds, grace_seconds=grace_seconds)
        if self._impatient and verdict.state == "waiting" and quiet_seconds > _IMPATIENT_SECONDS:
            verdict = replace(verdict, state="stalled")
        return verdict, _priority(found.path) if verdict.state == "ready" else 0

    def _settle(self, judged: Collection[tuple[Work, Found, Readiness, int]]) -> None:
        for _, found, verdict, _ in judged:
            if verdict.state in ("waiting", "stalled"):
                wait = min(max(self._settling.quiet_seconds(found.path) / 5, _SOONEST_SECONDS), _LATEST_SECONDS)
                self._again_by(self._clock() + wait)
        with self._journal.together():
            for work, found, verdict, priority in judged:
                if self._still(work, ("waiting", "stalled")):
                    self._judge(work, found, verdict, priority)

    def _judge(self, work: Work, found: Found, verdict: Readiness, priority: int) -> None:
        if verdict.state in ("ready", "refused"):
            self._settling.forget(found.path)
            self._known[found.path] = found.identity
        if verdict.state == "ready":
            self._journal.move(work, "ready", priority=priority)
        elif verdict.state == "refused":
            error = verdict.error or ReadError(verdict.reason, hint=verdict.hint, path=found.path)
            self._parked(self._journal.move(work, "parked", error=error), error)
        elif (work.state, work.reason) != (verdict.state, verdict.reason):
            error = ReadError(verdict.reason, hint=verdict.hint, path=found.path)
            self._say_stalled(self._journal.move(work, verdict.state, error=error))

    def _say_stalled(self, work: Work) -> None:
        """Say why a file is not taken, once in every run: who reads this may not have seen the one before."""
        if work.state == "stalled" and self._stalled.get(work.path) != work.reason:
            self._stalled[work.path] = work.reason
            self._say(f"{work.reason} {work.hint}".strip())


def _put_away(work: Work) -> list[str]:
    sentences: list[str] = []
    put_away(work, sentences.append)
    return sentences


def _priority(render: Path) -> int:
    try:
        sidecar = read_sidecar(render)
    except SetupError:
        # Said when its job is made; until then it waits like any other.
        return 0
    return sidecar.priority if sidecar is not None else 0
