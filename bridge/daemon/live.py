"""Live preset edits: a saved preset is heard at once, in one audition slot for each drop, outside of the outbox.

    a preset file changed -> the newest drop made with it -> its dry stems through the new chains -> audition/<drop>/

Only effects run, in a worker of its own that never loads a network; a job that separates meanwhile goes on. A slot is a
complete drop folder that is replaced as a whole; a new drop is made of it only when somebody wants to keep it.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.config import Settings
from bridge.delivery.durable import remove_tree
from bridge.delivery.manifest import Manifest, read
from bridge.delivery.stage import discard_stage, sweep
from bridge.domain.drop import MANIFEST, Staged
from bridge.domain.job import Job
from bridge.domain.preset import Preset
from bridge.errors import BridgeError, Cancelled
from bridge.journal.journal import Journal
from bridge.presets.shelf import find, project_folders, user_folder
from bridge.words import reason_of
from bridge.worker.client import Worker

__all__ = ["AUDITION", "Live"]

AUDITION = "audition"
"""Folder inside the state folder."""
_MOST_DROPS = 50
"""How many of the newest drops are looked through for one of a changed preset."""
_IDLE_SECONDS = 120.0
_OLD = ".old"
_ENDINGS = (".yaml", ".yml")

_Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class _Wish:
    """A drop that should be heard with a preset."""

    drop: Path
    manifest: Manifest
    preset: Preset


class Live:
    """Keeps the audition slots as the presets are. `tend` is called about once a second; nothing waits."""

    def __init__(
        self,
        journal: Journal,
        state_folder: Path,
        say: Callable[[str], None],
        worker: Callable[[], Worker] = Worker,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = state_folder / AUDITION
        self._journal = journal
        self._say = say
        self._new_worker = worker
        self._clock = clock
        self._worker: Worker | None = None
        self._seen: _Signature | None = None
        self._settled: _Signature | None = None
        self._known: dict[str, str] = {}
        self._wishes: list[_Wish] = []
        self._job: Job | None = None
        self._staged: Staged | None = None
        self._said = ""
        self._idle_at = 0.0

    def tend(self, settings: Settings, *, paused: bool = False) -> None:
        """Do the next step: look at the preset files, begin an audition, or put one that is done into its slot."""
        if not settings.presets.live:
            self.close()
            return
        self._look(settings)
        if self._staged is not None:
            self._put()
        elif self._job is not None:
            self._listen()
        elif self._wishes and not paused:
            self._begin(self._wishes.pop(0), settings)
        elif self._worker is not None and self._clock() > self._idle_at:
            self._worker.close()
            self._worker = None

    def close(self) -> None:
        """Take back what is under way, and forget what presets were like."""
        if self._worker is not None:
            self._worker.cancel()
            self._worker.close()
            self._drop_staged()
        self._worker, self._job, self._seen, self._settled = None, None, None, None
        self._known.clear()
        self._wishes.clear()

    # Which presets changed

    def _look(self, settings: Settings) -> None:
        """Notice files that changed and then stayed so for one look: editors write in several steps."""
        now = _signature([user_folder(), *settings.presets.folders, *self._projects()])
        before, self._seen = self._seen, now
        if now != before or now == self._settled:
            return
        first, self._settled = self._settled is None, now
        newest = self._newest()
        for name, (drop, manifest) in newest.items():
            try:
                preset = find(name, (*project_folders(Path(manifest.render.path)), *settings.presets.folders))
            except BridgeError as error:
                self._say_once(f"{error.message} What is heard of {drop.name} stays as it was.")
                continue
            if not first and preset.sha256 != self._known.get(name, manifest.preset.sha256):
                self._wishes = [wish for wish in self._wishes if wish.drop != drop]
                self._wishes.append(_Wish(drop, manifest, preset))
            self._known[name] = preset.sha256

    def _projects(self) -> list[Path]:
        works = self._journal.works({"done"}, newest=_MOST_DROPS)
        return list(dict.fromkeys(folder for work in works for folder in project_folders(work.path)))

    def _newest(self) -> dict[str, tuple[Path, Manifest]]:
        """Find the newest drop of each preset that is still there."""
        found: dict[str, tuple[Path, Manifest]] = {}
        for work in reversed(self._journal.works({"done"}, newest=_MOST_DROPS)):
            if work.drop is not None:
                with suppress(BridgeError):  # removed, or changed by somebody
                    manifest = read(work.drop / MANIFEST)
                    found.setdefault(manifest.preset.name, (work.drop, manifest))
        return found

    # From a wish to its slot

    def _begin(self, wish: _Wish, settings: Settings) -> None:
        job = _job(wish, settings, self.folder)
        if job is None:
            return
        if self._worker is None:
            _recover(self.folder)
            self._worker = self._new_worker()
        try:
            self._worker.begin(job, lambda _: None)
        except BridgeError as error:
            self._say_once(error.message)
        else:
            self._job = job

    def _listen(self) -> None:
        assert self._worker is not None
        try:
            self._staged = self._worker.poll()
        except Cancelled:
            self._job = None
        except BridgeError as error:
            self._job = None
            self._say_once(f"{error.message} {error.hint}")
        self._idle_at = self._clock() + _IDLE_SECONDS
        if self._staged is not None:
            self._put()

    def _put(self) -> None:
        """Replace the slot as a whole; where somebody holds the old one open (Windows), at the next call."""
        assert self._staged is not None
        assert self._job is not None
        slot = self.folder / self._job.name
        try:
            _replace(self._staged.folder, slot)
        except OSError as exc:
            self._say_once(f"{slot} cannot be replaced: {reason_of(exc)}.")
            if self._wishes:
                self._drop_staged()  # an older preset than the one that waits
            return
        self._say(
            f"  {self._job.preset.name} is to be heard in {slot}; to keep it: stem-bridge drops keep '{slot.name}'"
        )
        self._said = ""
        self._drop_staged()

    def _drop_staged(self) -> None:
        if self._staged is not None and self._job is not None:
            discard_stage(self.folder, self._job.id)
        if self._worker is not None:
            self._worker.release()
        self._staged, self._job = None, None

    def _say_once(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._say(text)


def _job(wish: _Wish, settings: Settings, folder: Path) -> Job | None:
    """Make the job of an audition: the drop's archived mix and dry stems, with all that was known of the render."""
    manifest, drop = wish.manifest, wish.drop
    mix = next((file for file in manifest.files if file.kind == "mix"), None)
    if mix is None:
        return None
    return Job(
        id=uuid.uuid4().hex,
        render=drop / mix.path,
        outbox=folder,
        name=drop.name,
        preset=wish.preset,
        separation=settings.separation.options(manifest.model.name),
        output=settings.output_for(wish.preset),
        model_folders=settings.models.folders,
        plugins=settings.plugins.options(),
        origin=manifest.origin.value(),
        markers=tuple(marker.value() for marker in manifest.markers),
        tempo=None if manifest.tempo is None else manifest.tempo.value(),
        source=None if manifest.source is None else manifest.source.value(),
        tags=tuple(manifest.tags.items()),
        stems_from=drop,
    )


def _signature(folders: Sequence[Path]) -> _Signature:
    """Describe the preset files of these folders, cheaply: another description, other files."""
    found = []
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.lower().endswith(_ENDINGS):
                    with suppress(OSError):
                        about = entry.stat()
                        found.append((entry.path, about.st_mtime_ns, about.st_size))
    return tuple(sorted(found))


def _replace(staged: Path, slot: Path) -> None:
    """Put a complete folder where one may be: the old one goes aside first, and comes back if the new one cannot."""
    old = slot.with_name(f".{slot.name}{_OLD}")
    if os.path.lexists(old):
        remove_tree(old)
    had_one = os.path.lexists(slot)
    if had_one:
        slot.rename(old)
    try:
        staged.rename(slot)
    except OSError:
        if had_one:
            old.rename(slot)
        raise
    if had_one:
        remove_tree(old)


def _recover(folder: Path) -> None:
    """Bring back a slot whose replacement was killed half-way, and remove what dead processes staged."""
    if not folder.is_dir():
        return
    for old in folder.glob(f".*{_OLD}"):
        slot = old.with_name(old.name[1 : -len(_OLD)])
        with suppress(OSError):
            if slot.exists():
                remove_tree(old)
            else:
                old.rename(slot)
    sweep(folder)
