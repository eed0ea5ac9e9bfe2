"""The page where the daemon's order can be read.

    hear -> look -> reopen -> begin -> listen to the worker, or sleep -> tell

Every turn asks the journal and the disk how things stand; events, signals and requests only make a turn come sooner.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from bridge.config import Settings
from bridge.daemon import control
from bridge.daemon.agenda import Agenda
from bridge.daemon.board import Board
from bridge.daemon.choices import write_choices
from bridge.daemon.desk import Desk
from bridge.daemon.gate import Gate
from bridge.daemon.keep import keep_for
from bridge.daemon.live import Live
from bridge.daemon.outboxes import Outboxes
from bridge.daemon.outcomes import Outcomes
from bridge.daemon.places import Places
from bridge.daemon.reconcile import Reconciler
from bridge.daemon.requests import cancel, retry
from bridge.daemon.signals import heard
from bridge.daemon.start import announce, check, make_new_folders, rebuild_if_new
from bridge.daemon.tell import Messenger, Told
from bridge.daemon.wake import Wake
from bridge.domain.work import State
from bridge.errors import RenderChangedError, RetryError, SetupError, WorkerError
from bridge.intake.inbox import Listing, list_inbox
from bridge.intake.watcher import Watcher
from bridge.journal.journal import open_journal
from bridge.neighbour import Awake, lower_priority
from bridge.worker.client import Worker

__all__ = ["Daemon"]

_LISTEN_SECONDS = 0.2
_TEND_SECONDS = 1.0
_BETWEEN_LOOKS_SECONDS = 0.2
_SOON_SECONDS = 0.1
_SHORTEST_IDLE_SECONDS = 60.0
"""For a worker that was started before there was a job for it."""
_TRIP_SECONDS = 5.0
_TO_DO: frozenset[State] = frozenset({"waiting", "ready", "running"})
_UNDONE: frozenset[State] = _TO_DO | {"stalled", "retry", "publishing"}
_SOON_AGAIN = (WorkerError.__name__, RenderChangedError.__name__)


class Daemon:
    """Watches the inboxes of the settings until it is stopped; `stop` and `reload` may be called from anywhere."""

    def __init__(
        self,
        settings: Settings,
        state_folder: Path,
        told: Told,
        *,
        load: Callable[[], Settings] | None = None,
        include_existing: bool = False,
        worker_command: tuple[str, ...] | None = None,
        grace_seconds: float = 60.0,
        first_pause_seconds: float = 5.0,
        lister: Callable[..., Listing] = list_inbox,
    ) -> None:
        """`load` reads the settings again. `grace_seconds`: how long a job may still take after the first `stop`."""
        self._settings = settings
        self._state_folder = state_folder
        self._told = told
        self._load = load or (lambda: settings)
        self._include_existing = include_existing
        self._command = worker_command
        self._grace_seconds = grace_seconds
        self._first_pause_seconds = first_pause_seconds
        self._lister = lister
        self._agenda = Agenda()
        self._wake = Wake()
        self._gate = Gate()
        self._touched: set[Path] = set()
        self._stops = 0
        self._stop_by = float("inf")
        self._stop_is_said = False
        self._reload_wanted = self._tripped = self._looked = self._settles = False
        self._changed = True

    def stop(self) -> None:
        """End in good order: the job in hand may still take a while; called again, end at once."""
        self._stops += 1
        self._stop_by = min(self._stop_by, time.monotonic() + self._grace_seconds)
        self._wake.set()

    def reload(self) -> None:
        """Read settings and presets again, and try again what waited for them."""
        self._reload_wanted = True
        self._wake.set()

    def run(self, once: bool = False) -> int:
        """Run until stopped, or with `once` until nothing is left to do; returns 0, or 1 when a render was left undone.

        Raises SetupError when the folders or the journal cannot be used.
        """
        check(self._settings, self._told.say)
        with ExitStack() as opened:
            self._open(opened, once)
            self._desk.recover(at_start=True)
            while not self._is_over(once):
                try:
                    self._hear()
                    self._look()
                    self._reopen()
                    self._begin()
                    self._listen_or_sleep()
                    self._tell("stopping" if self._stops else "paused" if self._why_paused() else "running")
                except RetryError as error:
                    self._trip(error)
            self._desk.take_back(cancelled=False)
            self._changed = True
            self._tell("stopped")
            undone = self._outcomes.failures > 0 or self._has(_UNDONE) or self._reconciler.is_left_waiting
            if once and undone:
                self._board.say("Not every render is done. What is left, and why: stem-bridge jobs list")
            return int(once and undone)

    # The steps of a turn

    def _hear(self) -> None:
        """Signals and requests, once a second at least, and the pace that the DAW allows."""
        if self._tripped:
            self._desk.recover(at_start=False)
            self._tripped = False
        if self._stops and not self._stop_is_said and self._desk.current is not None:
            self._stop_is_said = True
            self._board.say(f"Ending after {self._desk.current.path.name}; a second signal stops at once.")
        if self._agenda.take("tend"):
            self._agenda.within("tend", _TEND_SECONDS)
            self._watcher.tend(time.monotonic())
            self._messenger.tend()
            if self._watcher.health():
                self._agenda.within("rescan", self._watcher.rescan_seconds(self._settings.intake.rescan_seconds))
            self._answer_requests()
            self._live.tend(self._settings, paused=bool(self._why_paused()))
        if self._reload_wanted:
            self._reload_wanted = False
            self._read_settings()
        self._worker.pace(self._gate.pace(self._settings.daemon))

    def _look(self) -> None:
        """Compare the inboxes with the journal: when something happened, when something settled, and by the clock."""
        touched = self._watcher.touched()
        if self._wake.wait(0.0) or touched:
            self._touched |= touched
            self._agenda.within("look", _BETWEEN_LOOKS_SECONDS if self._looked else 0.0)
        if self._agenda.take("rescan"):
            self._agenda.within("rescan", self._settings.intake.rescan_seconds * random.uniform(0.75, 1.25))
            self._agenda.within("look", 0.0)
            self._agenda.within("choices", 0.0)
            self._reconciler.refresh_presets()
        if self._agenda.take("look"):
            self._reconciler.look(self._touched)
            self._touched.clear()
            self._agenda.by("look", self._reconciler.next_due())
            self._looked = self._reconciler.has_looked()
            self._changed = True

    def _reopen(self) -> None:
        """Outboxes that can be written to again get what was kept for them."""
        opened = self._outboxes.tend()
        if opened:
            self._desk.settle_outboxes(opened)
            self._changed = True

    def _begin(self) -> None:
        """The next work, if the worker is free and nothing forbids it."""
        if self._desk.current is not None or self._stops or self._why_paused():
            return
        closed = self._desk.closed_inboxes(self._journal) | self._reconciler.away()
        work = self._journal.next(time.time(), paused=closed)
        if work is not None and self._places.trouble(work.inbox) is not None:
            # Its disk went away since the last look.
            self._agenda.within("look", _BETWEEN_LOOKS_SECONDS)
        elif work is not None:
            self._desk.take(work, of=sum(self._journal.counts({"ready", "retry"}).values()))
            self._changed = True
            self._agenda.forget("idle")
            self._agenda.within("next", 0.0)

    def _listen_or_sleep(self) -> None:
        if self._desk.current is not None:
            self._awake.hold()
            if self._desk.turn(_LISTEN_SECONDS):
                self._changed = True
                self._idle_later()
            return
        if self._agenda.take("next"):
            return
        self._awake.let_go()
        self._warm_up()
        if self._agenda.take("idle"):
            self._worker.close()
        if self._wake.wait(self._agenda.seconds_left()):
            self._wake.set()  # for `_look`, which asks too while a job runs

    def _warm_up(self) -> None:
        """Start the worker while a render settles, once; it is up when the job begins."""
        was_settling, self._settles = self._settles, self._reconciler.is_settling
        if self._settles and not was_settling and not self._stops and not self._why_paused():
            self._worker.warm()
            self._idle_later(_SHORTEST_IDLE_SECONDS)

    def _idle_later(self, at_least_seconds: float = 0.0) -> None:
        self._agenda.forget("idle")
        self._agenda.within("idle", max(at_least_seconds, 60.0 * self._settings.daemon.idle_minutes))

    def _tell(self, state: Literal["running", "paused", "stopping", "stopped"]) -> None:
        problems = tuple(
            dict.fromkeys((*self._watcher.health(), *self._outboxes.reasons(), *self._reconciler.problems))
        )
        self._agenda.forget("tell")
        if self._board.update(state, self._desk.current, self._why_paused(), problems, changed=self._changed):
            self._changed = False
        else:
            self._agenda.within("tell", _SOON_SECONDS)
        if self._agenda.take("choices"):
            # Last: no render waits for it.
            write_choices(self._state_folder, self._settings)

    # What the steps are made of

    def _open(self, opened: ExitStack, once: bool) -> None:
        """Take the journal, alone; then whatever must be closed again, in the order that lets nothing be lost."""
        settings = self._settings
        self._journal = opened.enter_context(open_journal(self._state_folder))
        self._board = Board(self._state_folder, self._journal, self._told)
        rebuild_if_new(settings, self._journal, self._board.say)
        make_new_folders(settings, self._journal)
        announce(settings, self._told)
        self._messenger = Messenger(say=self._board.say)
        opened.callback(self._messenger.close)
        started = lower_priority if settings.daemon.priority == "low" else (lambda _: None)
        worker = self._make_worker(started)
        self._worker = opened.enter_context(worker)
        self._live = Live(self._journal, self._state_folder, self._board.say, lambda: self._make_worker(started))
        opened.callback(self._live.close)
        self._awake = opened.enter_context(Awake())
        self._places = Places(self._journal.folders, self._wake.set)
        self._outboxes = Outboxes(self._places.trouble, first_pause_seconds=self._first_pause_seconds)
        self._outcomes = Outcomes(
            self._journal,
            settings,
            self._state_folder,
            self._board,
            self._messenger,
            self._outboxes,
            self._places,
            worker.log_tail,
        )
        self._desk = Desk(
            self._journal, worker, settings, self._state_folder, self._board, self._outcomes, self._outboxes
        )
        self._reconciler = Reconciler(
            self._journal,
            settings,
            self._board.say,
            self._outcomes.put_aside,
            self._places,
            late=self._wake.set,
            lister=self._lister,
            include_existing=self._include_existing,
            impatient=once,
        )
        opened.enter_context(heard(self.stop, self.reload))
        self._watching = opened.enter_context(ExitStack())
        self._watch()

    def _make_worker(self, started: Callable[[int], None]) -> Worker:
        return Worker(started=started) if self._command is None else Worker(command=self._command, started=started)

    def _watch(self) -> None:
        self._watching.close()
        inboxes = [inbox.path.absolute() for inbox in self._settings.inboxes]
        self._watcher = self._watching.enter_context(Watcher(inboxes, self._wake.set))
        for name in ("tend", "rescan"):
            self._agenda.within(name, 0.0)

    def _read_settings(self) -> None:
        """Take the settings as they are now; where they are wrong, go on with those that we have."""
        try:
            settings = self._load()
            check(settings, self._board.say)
            make_new_folders(settings, self._journal)
            announce(settings, self._told)
        except SetupError as error:
            self._board.failed(None, error)
            return
        self._settings = self._desk.settings = self._outcomes.settings = settings
        self._reconciler.configure(settings)
        self._desk.try_again_what_waited_for_the_user()
        self._watch()

    def _answer_requests(self) -> None:
        wishes = control.collect(self._state_folder / control.CONTROL)
        for problem in wishes.problems:
            self._board.say(problem)
        for wish in wishes.requests:
            self._agenda.within("look", 0.0)
            if wish.do == "retry":
                retry(wish.work, self._journal, self._desk, self._board.say)
            elif wish.do == "cancel":
                cancel(wish.work, self._journal, self._desk, self._board.say)
            elif wish.do == "keep":
                keep_for(self._settings, self._state_folder, wish.drop, self._board)
            elif wish.do in ("pause", "resume"):
                self._gate.is_shut = wish.do == "pause"
            elif wish.do == "reload":
                self.reload()
            elif wish.do == "stop":
                self.stop()
            elif wish.do != "rescan":
                self._gate.transport.heard(wish.do != "stopped", wish.seconds)

    def _why_paused(self) -> str:
        return self._gate.why_closed(self._settings.daemon)

    def _is_over(self, once: bool) -> bool:
        if self._stops:
            stands = self._stops > 1 or time.monotonic() >= self._stop_by or bool(self._why_paused())
            return self._desk.current is None or stands
        if not once or not self._looked or self._desk.current is not None or self._tripped:
            return False
        works = self._journal.works({"retry"})
        return not self._has(_TO_DO) and not any(work.error in _SOON_AGAIN for work in works)

    def _has(self, states: frozenset[State]) -> bool:
        inboxes = {inbox.path.absolute() for inbox in self._settings.inboxes}
        return any(inbox in inboxes for inbox, _ in self._journal.counts(states))

    def _trip(self, error: RetryError) -> None:
        """The journal could not be written: let go of everything, wait, and begin as after a crash."""
        self._told.failed(None, error)
        self._desk.let_go()
        self._tripped = True
        self._wake.wait(_TRIP_SECONDS)
