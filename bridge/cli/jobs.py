"""From settings and flags to jobs, and from jobs to drops: what `process`, `apply` and `demo` share."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli.progress import Feedback
from bridge.domain.drop import Drop
from bridge.errors import RenderError, RetryError

if TYPE_CHECKING:
    from bridge.config import Settings
    from bridge.domain.job import Job
    from bridge.models.model import Model

__all__ = ["BESIDE_THE_RENDER", "Planner", "bring_in", "reaper_command", "run_jobs", "trial_words", "warn_of_trial"]

BESIDE_THE_RENDER = "Stem Bridge"
"""Name of the folder for drops beside a render that lies in no inbox, where no flag names an outbox."""

_REAPER_SECONDS = 10.0
"""How long a drop is given to reach an open REAPER; it takes one."""


@dataclass(frozen=True)
class Planner:
    """Makes jobs; a flag that was given wins over the render's inbox, and that over the defaults."""

    settings: Settings
    preset: str | None = None
    model: str | None = None
    outbox: Path | None = None

    def outbox_of(self, render: Path) -> Path:
        """Return where the drop of `render` goes."""
        inbox = self.settings.inbox_of(render)
        chosen = self.outbox or (inbox.outbox if inbox else render.parent / BESIDE_THE_RENDER)
        return chosen.expanduser().absolute()

    def job(self, render: Path, *, stems_from: Path | None = None, home: Path | None = None) -> Job:
        """Make the job of one render; raises SetupError for a preset, model or stem that cannot be used.

        `home` is the user's file, where `render` is its copy: beside that lie the presets of the project.
        """
        from bridge.domain.job import Job
        from bridge.presets.shelf import find, project_folders

        inbox = self.settings.inbox_of(render)
        # An empty name is a name that is not there, not one that was left out.
        wanted = self.preset if self.preset is not None else inbox.preset if inbox else "clean"
        preset = find(wanted, (*project_folders(home or render), *self.settings.presets.folders))
        model = self.model if self.model is not None else self.settings.model_of(inbox)
        separation = self.settings.separation.options(model)
        if stems_from is None:
            self._check_model(model)
        return Job(
            id=uuid.uuid4().hex,
            render=render.absolute(),
            outbox=self.outbox_of(render),
            name=render.stem,
            preset=preset,
            separation=separation,
            output=self.settings.output_for(preset),
            model_folders=self.settings.models.folders,
            tempo=self.settings.presets.tempo(),
            stems_from=stems_from,
            store=self.settings.cache.options(),
            plugins=self.settings.plugins.options(),
        )

    def _check_model(self, name: str) -> Model:
        """Raise before any work when the model, its weights or a wanted stem is not there."""
        from bridge.models.registry import find
        from bridge.models.weights import locate
        from bridge.separation.choice import choose_stems

        folders = self.settings.models.folders
        model = find(name, folders)
        choose_stems(model.stems, self.settings.separation.options(name))
        locate(model, folders)
        return model


def run_jobs(jobs: Sequence[Job], feedback: Feedback) -> list[Drop]:
    """Run jobs one after the other in one worker and publish their drops; a render that fails does not stop the rest.

    Returns the drops that were made. Raises SetupError at once: no other job would fare better.
    """
    from bridge.delivery.publish import publish
    from bridge.delivery.stage import discard_stage, sweep
    from bridge.worker.client import Worker

    for outbox in dict.fromkeys(job.outbox for job in jobs):
        sweep(outbox)
    drops = []
    with Worker() as worker:
        for number, job in enumerate(jobs, 1):
            feedback.start(job.render, number, len(jobs))
            try:
                staged = worker.run(job, feedback.report)
                try:
                    drop = publish(staged)
                except BaseException:
                    discard_stage(job.outbox, job.id)
                    raise
                finally:
                    worker.release()
            except (RenderError, RetryError) as exc:
                feedback.failed(job.render, exc)
            else:
                if drop.doubt:
                    feedback.say(drop.doubt)
                feedback.done(job.render, drop)
                drops.append(drop)
    return drops


def reaper_command(settings: Settings) -> tuple[str, ...]:
    """Return what starts REAPER: as the settings say, else where it usually is. Raises ConfigError when nowhere."""
    import os
    import platform
    import shutil

    from bridge.reaper import program

    return settings.tell.reaper or program(platform.system(), os.environ, Path.home(), shutil.which)


def bring_in(drops: Sequence[Drop], reaper: Sequence[str], feedback: Feedback) -> None:
    """Let the REAPER that is open import drops, one after the other."""
    from bridge.daemon.tell import Messenger

    for drop in drops:
        messenger = Messenger()
        if not messenger.bring_in(reaper, drop.folder):
            feedback.say(f"REAPER could not be started as {reaper[0]}. Run this in it yourself: {drop.import_script}")
        messenger.close(_REAPER_SECONDS)


def warn_of_trial(drops: Sequence[Drop], planner: Planner, feedback: Feedback) -> None:
    """Say once that drops were made with a model that is only for trying out, unless it is the one that was chosen."""
    from bridge.delivery.manifest import read

    for manifest in (read(drop.manifest) for drop in drops):
        inbox = planner.settings.inbox_of(Path(manifest.render.path))
        if manifest.model.is_trial and manifest.model.name != (planner.model or planner.settings.model_of(inbox)):
            feedback.say(trial_words(manifest.model.name))
            return


def trial_words(model: str) -> str:
    """Say that a model is only for trying out, and what to do instead."""
    return f"{model} is a trial model. For stems to work with: stem-bridge models pull htdemucs"
