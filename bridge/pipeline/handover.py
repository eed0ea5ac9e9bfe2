"""The last step of a job: what was made is described, for people, for REAPER and for ourselves."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import bridge
from bridge.delivery import manifest as drop_json
from bridge.delivery.plugin_states import write_states
from bridge.delivery.records import (
    FileRecord,
    LevelsRecord,
    MarkerRecord,
    MemberRecord,
    ModelRecord,
    OriginRecord,
    OutputRecord,
    PluginRecord,
    PresetRecord,
    RenderRecord,
    SegmentsRecord,
    SourceRecord,
    TempoRecord,
    TimingsRecord,
    Versions,
)
from bridge.delivery.stage import Stage
from bridge.delivery.stemfiles import StemFiles
from bridge.disk import disk_errors, rename
from bridge.domain.drop import ARDOUR_SESSION, IMPORT_SCRIPT, PROJECT, TEMPO_MIDI, DropPlan, PlannedFile
from bridge.domain.job import Job, drop_key, separation_key
from bridge.domain.plugins import Insert
from bridge.domain.render import Levels, Render
from bridge.domain.session import FxPlan
from bridge.domain.stems import kind_of
from bridge.domain.tempo import TempoMap
from bridge.midi.tempo import write_midi
from bridge.models.registry import Model
from bridge.pipeline.progress import Watch
from bridge.separation.separator import Separator
from bridge.separation.store import Store
from bridge.session.ardour import session_file
from bridge.session.plan import plan_session
from bridge.session.reascript import drop_data, import_script
from bridge.session.rpp import project_file
from bridge.units import db_to_gain

__all__ = ["Outcome", "hand_over", "model_record"]

_DATA_SCRIPT = "drop.lua"


@dataclass(frozen=True)
class Outcome:
    """All that a job made and measured."""

    render: Render
    model: ModelRecord
    plan: DropPlan
    dry: StemFiles
    wet: StemFiles
    gain_db: float
    """Common gain of all stem files, 0 or less."""
    null_db: float | None
    inserts: tuple[Insert, ...] = ()
    """The user's plugins that were at work, or left out."""
    checksums: Mapping[Path, str] = field(default_factory=dict)
    """SHA-256 of files that are known without reading them, hex."""
    heard_tempo: TempoMap | None = None
    """The tempo that was estimated, where note values needed one and nobody said it."""


def model_record(
    job: Job, audio_key: str, model: Model, separator: Separator, store: Store | None = None
) -> ModelRecord:
    """Record which network separated, and how."""
    options = job.separation
    return ModelRecord(
        name=model.name,
        members=tuple(MemberRecord(name=name, sha256=sha256) for name, sha256 in separator.members),
        is_trial=model.is_trial,
        device=separator.device,
        precision=separator.precision,
        overlap=options.overlap,
        shifts=options.shifts,
        residual=options.residual,
        batch=separator.batch,
        separation_key=separation_key(job, audio_key, [sha256 for _, sha256 in separator.members]),
        segments=None if store is None else SegmentsRecord(computed=store.computed, stored=store.found),
    )


def hand_over(job: Job, outcome: Outcome, snapshot: Path, stage: Stage, watch: Watch) -> None:
    """Put the archived render, what DAWs read and, last, the manifest into the staging folder."""
    render, plan = outcome.render, outcome.plan
    for file in plan.files:
        if file.kind == "mix":
            with disk_errors("write", stage.folder / file.path):
                (stage.folder / file.path).parent.mkdir(exist_ok=True)
                rename(snapshot, stage.folder / file.path)
                if render.midi:
                    (stage.folder / file.path).with_suffix(".mid").write_bytes(render.midi)
    weights = [member.sha256 for member in outcome.model.members]
    drop_id = drop_key(job, render, weights)
    # A tempo that was only heard is for the reader of the manifest: no session is set to a guess.
    stated = None if render.tempo is None or render.tempo.source == "estimated" else render.tempo
    plugins = write_states(stage.folder, outcome.inserts)
    session = plan_session(
        drop_id=drop_id,
        title=job.name,
        format=render.format,
        origin=render.origin,
        markers=render.markers,
        tempo=stated,
        source=render.source,
        preset=job.preset,
        plan=plan,
        frames={str(file.path): _frames(file, outcome) for file in plan.files},
        common_gain_db=outcome.gain_db,
        live=_live(outcome.inserts, plugins),
    )
    manifest = _manifest(job, outcome, plugins, stage, watch, drop_id)
    _write(stage.folder / IMPORT_SCRIPT, import_script(session))
    if "reaper" in job.output.session:
        _write(stage.folder / PROJECT, project_file(session))
    if "ardour" in job.output.session:
        _write(stage.folder / ARDOUR_SESSION, session_file(session))
    if stated is not None:
        tempo = write_midi(stated, render.markers, render.format.sample_rate, render.format.frames)
        with disk_errors("write", stage.folder / TEMPO_MIDI):
            (stage.folder / TEMPO_MIDI).write_bytes(tempo)
    _write(stage.folder / _DATA_SCRIPT, drop_data(drop_json.as_data(manifest)))
    drop_json.write(stage.folder, manifest)


def _live(inserts: Sequence[Insert], records: Sequence[PluginRecord]) -> dict[str, list[FxPlan]]:
    """Collect the plugins that REAPER inserts, by what they work on, in order, each with the state in the drop."""
    found: dict[str, list[FxPlan]] = {}
    for one, record in zip(inserts, records, strict=True):
        if one.live and record.state is not None:
            name = f"VST3: {one.name} ({one.maker})" if one.maker else f"VST3: {one.name}"
            fx = FxPlan(name, record.state.path, tuple(one.changed.items()), one.wet)
            found.setdefault(one.stem, []).append(fx)
    return found


def _manifest(
    job: Job, outcome: Outcome, plugins: tuple[PluginRecord, ...], stage: Stage, watch: Watch, drop_id: str
) -> drop_json.Manifest:
    render, plan = outcome.render, outcome.plan
    worked = sum(watch.seconds.values())
    return drop_json.Manifest(
        drop_id=drop_id,
        created=datetime.now(UTC).replace(microsecond=0),
        versions=_versions(),
        render=RenderRecord.of(render),
        origin=OriginRecord.of(render.origin),
        markers=tuple(MarkerRecord.of(marker) for marker in render.markers),
        tempo=None if (tempo := render.tempo or outcome.heard_tempo) is None else TempoRecord.of(tempo),
        source=None if render.source is None else SourceRecord.of(render.source),
        tags=dict(job.tags),
        model=outcome.model,
        preset=PresetRecord(
            name=job.preset.name,
            sha256=job.preset.sha256,
            printed=tuple(stem for stem in outcome.wet.paths if kind_of(stem) == "stem"),
        ),
        plugins=plugins,
        output=OutputRecord(format=job.output.format, subtype=plan.subtype, common_gain_db=outcome.gain_db),
        files=tuple(_record(file, outcome, stage.folder) for file in plan.files),
        null_depth_db=drop_json.null_depth(outcome.null_db),
        timings=TimingsRecord(
            seconds={stage: round(seconds, 3) for stage, seconds in watch.seconds.items()},
            times_real_time=round(render.format.seconds / worked, 3) if worked else 0.0,
        ),
        notices=tuple(watch.notices),
    )


def _record(file: PlannedFile, outcome: Outcome, folder: Path) -> FileRecord:
    path = folder / file.path
    with disk_errors("read", path):
        size = path.stat().st_size
        known = outcome.render.sha256 if file.kind == "mix" else outcome.checksums.get(path)
        sha256 = known or drop_json.sha256_of(path)
    return FileRecord(
        stem=file.stem,
        kind=file.kind,
        path=str(file.path),
        bytes=size,
        sha256=sha256,
        frames=_frames(file, outcome),
        levels=LevelsRecord.of(_levels(file, outcome)),
        is_in_mix=file.kind != "instrument",
    )


def _frames(file: PlannedFile, outcome: Outcome) -> int:
    if file.kind == "mix":
        return outcome.render.format.frames
    return _made(file, outcome).frames


def _made(file: PlannedFile, outcome: Outcome) -> StemFiles:
    """Return the recording that holds a stem or a bus."""
    return outcome.wet if file.kind != "dry" and file.stem in outcome.wet.paths else outcome.dry


def _levels(file: PlannedFile, outcome: Outcome) -> Levels:
    if file.kind == "mix":
        return outcome.render.levels
    made, gain_db = _made(file, outcome).levels(file.stem), outcome.gain_db
    return Levels(made.peak * db_to_gain(gain_db), made.rms_db + gain_db, made.lufs + gain_db)


@cache
def _versions() -> Versions:
    """Look once: the system searches and parses the records of each package, which took a third of a small job."""
    return Versions(
        stem_bridge=bridge.__version__,
        torch=version("torch"),
        demucs=version("demucs"),
        pedalboard=version("pedalboard"),
        soundfile=version("soundfile"),
        python=platform.python_version(),
        platform=platform.platform(),
    )


def _write(path: Path, text: str) -> None:
    with disk_errors("write", path):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
