"""From a work in the journal to a job: its inbox's settings, its folder's preset, its sidecar's wishes."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from bridge.audio.chunks import read_chunks
from bridge.audio.header import inspect
from bridge.config import Inbox, Settings
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.render import Marker, Origin
from bridge.domain.tempo import TempoMap
from bridge.domain.work import Work
from bridge.errors import ConfigError
from bridge.intake.sidecar import Sidecar, read_sidecar
from bridge.models.registry import find as find_model
from bridge.models.weights import locate
from bridge.neighbour import spare
from bridge.presets.shelf import files, project_folders
from bridge.presets.shelf import find as find_preset
from bridge.separation.choice import choose_stems

__all__ = ["inbox_of", "plan_job", "preset_names"]


def plan_job(work: Work, settings: Settings) -> Job:
    """Make the job of a work; its id is that of the attempt the journal has counted last.

    Raises SetupError for a sidecar, preset, model or stem that cannot be used, and when its inbox is in no setting any
    more; ReadError when the render is gone.
    """
    inbox = inbox_of(work, settings)
    sidecar = read_sidecar(work.path)
    folders = (*project_folders(work.path), *settings.presets.folders)
    preset = find_preset(_preset_name(work, inbox, sidecar, settings), folders)
    separation = _separation(inbox, sidecar, settings)
    model = find_model(separation.model, settings.models.folders)
    choose_stems(model.stems, separation)
    locate(model, settings.models.folders)
    return Job(
        id=work.job_id,
        render=work.path,
        outbox=inbox.outbox,
        name=work.path.stem,
        preset=preset,
        separation=separation,
        output=settings.output_for(preset),
        model_folders=settings.models.folders,
        plugins=settings.plugins.options(),
        store=settings.cache.options(),
        origin=sidecar.origin if sidecar else None,
        markers=_markers(work.path, sidecar),
        tempo=_tempo(work.path, sidecar) or settings.presets.tempo(),
        source=sidecar.rendered if sidecar else None,
        tags=tuple(sidecar.tags.items()) if sidecar else (),
    )


def inbox_of(work: Work, settings: Settings) -> Inbox:
    """Return the settings of a work's inbox, its folders absolute; raises ConfigError when it has none any more."""
    for inbox in settings.inboxes:
        if inbox.path.absolute() == work.inbox:
            return inbox.model_copy(update={"path": work.inbox, "outbox": inbox.outbox.absolute()})
    raise ConfigError(
        f"{work.inbox} is no inbox any more.", hint="Put it back into bridge.yaml, or cancel this job.", path=work.inbox
    )


def preset_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of all presets, read from the names of their files alone.

    A folder of such a name below an inbox chooses that preset.
    """
    return tuple(file.stem for file in files(settings.presets.folders))


def _preset_name(work: Work, inbox: Inbox, sidecar: Sidecar | None, settings: Settings) -> str:
    if sidecar is not None and sidecar.preset is not None:
        return sidecar.preset
    return _preset_of_folder(work.path, work.inbox, preset_names(settings)) or inbox.preset


def _preset_of_folder(render: Path, inbox: Path, names: Collection[str]) -> str | None:
    """Return the preset that the nearest folder of such a name asks for, as the listing of the inbox does."""
    if not render.is_relative_to(inbox):
        return None
    known = {_folded(name): name for name in names}
    folders = reversed(render.relative_to(inbox).parts[:-1])
    return next((known[_folded(folder)] for folder in folders if _folded(folder) in known), None)


def _separation(inbox: Inbox, sidecar: Sidecar | None, settings: Settings) -> SeparationOptions:
    options = settings.separation.options(sidecar.model if sidecar and sidecar.model else settings.model_of(inbox))
    if options.threads == 0:
        options = replace(options, threads=spare(settings.daemon.spare_cores))
    if sidecar is not None and sidecar.stems:
        options = replace(options, stems=tuple(sidecar.stems), two_stems=None)
    if sidecar is not None and sidecar.two_stems:
        options = replace(options, stems=(), two_stems=sidecar.two_stems)
    return options


def _markers(render: Path, sidecar: Sidecar | None) -> tuple[Marker, ...]:
    if sidecar is None or not sidecar.markers:
        return ()
    header = inspect(render)
    return sidecar.markers_at(header.format.sample_rate) if header.format else ()


def _tempo(render: Path, sidecar: Sidecar | None) -> TempoMap | None:
    """Count the sidecar's tempo map, which is the project's, from the start of the render."""
    if sidecar is None or not sidecar.tempo:
        return None
    if sidecar.origin is not None:
        return sidecar.tempo_from(sidecar.origin)
    header = inspect(render)
    return sidecar.tempo_from(read_chunks(render).origin(header.format.sample_rate) if header.format else Origin())


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
