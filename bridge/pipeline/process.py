"""The page where the order can be read: one render in, one complete staging folder out.

    snapshot -> scan -> separate (or reuse a drop's stems) -> effects -> write -> check -> hand over

Everything flows block by block. What needs the whole song first (a loudness reference, one common gain) reads the dry
stems back from the FLOAT files of the pass before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from bridge.audio.chunks import Chunks, read_chunks
from bridge.audio.header import require_complete
from bridge.audio.read import Scan, Sound, open_sound, scan
from bridge.delivery.plan import plan_drop
from bridge.delivery.reuse import open_reused
from bridge.delivery.stage import open_stage
from bridge.domain.drop import Staged
from bridge.domain.events import Report
from bridge.domain.job import Job
from bridge.domain.render import Origin, Render
from bridge.domain.stems import complement_name
from bridge.effects.graph import bind
from bridge.intake.snapshot import Snapshot, take
from bridge.models.registry import find
from bridge.pipeline.handover import Outcome, hand_over
from bridge.pipeline.progress import Cancel, Watch
from bridge.pipeline.recording import Recording
from bridge.separation.choice import choose_stems
from bridge.separation.separate import separate
from bridge.separation.separator import Separator

__all__ = ["process"]

_LONGEST_PROJECT_SECONDS = 12 * 3600
"""A bext time beyond this is a time of day, not a place in a project."""


def process(job: Job, report: Report, cancel: Cancel, separators: Callable[[Job], Separator]) -> Staged:
    """Do the whole job in a staging folder inside the outbox; nothing is visible there until it is published.

    Raises BridgeError when it cannot be done and Cancelled when it was taken back; the staging folder is then gone.
    Same render, preset, model, options, device and versions give the same audio bit for bit.
    """
    watch = Watch(report, cancel)
    model = find(job.separation.model, job.model_folders)
    with open_stage(job.outbox, job.id) as stage:
        snapshot = take(job.render, stage.work)
        watch.notice(require_complete(snapshot.path).reason)
        with ExitStack() as opened:
            mix = opened.enter_context(open_sound(snapshot.path, stage.work))
            render, scanned, chunks = _examine(job, snapshot, mix, watch)
            source = mix.format
            reused = opened.enter_context(open_reused(job.stems_from, stage.work)) if job.stems_from else None
            choice = reused.choice if reused else choose_stems(model.stems, job.separation)
            graph = bind(job.preset, choice.delivered, sample_rate=source.sample_rate, channels=source.channels)
            plan = plan_drop(
                name=job.name,
                stems=choice.delivered,
                printed=graph.printed,
                output=job.output,
                source=source,
                outbox=job.outbox,
            )
            recording = Recording(plan, choice, graph.printed, stage, mix, chunks, watch)
            stage.require_space(snapshot.identity.size + recording.bytes_needed())

            blocks = reused.blocks() if reused else separate(separators(job), mix, scanned, job.separation)
            dry = opened.enter_context(recording.dry(blocks))
            wet = opened.enter_context(recording.wet(graph.run(dry)))
            gain_db = recording.encode(dry, wet, remainder=_remainder(job))
            null_db = recording.prove_the_sum(dry, gain_db, promised=reused is None)
        outcome = Outcome(render, model, reused, plan, choice, graph.printed, dry, wet, gain_db, null_db)
        hand_over(job, outcome, snapshot, stage, watch)
        stage.finish()
        return Staged(stage.folder, plan.name, job.outbox)


def _examine(job: Job, snapshot: Snapshot, mix: Sound, watch: Watch) -> tuple[Render, Scan, Chunks]:
    """Read the whole render once: key, levels, what the network must know of it, and its place in the project."""
    source = mix.format
    with watch.stage("read", source.seconds) as done:
        scanned = scan(mix, progress=lambda frames: done(frames / source.sample_rate))
    chunks = read_chunks(snapshot.path)
    if scanned.silent:
        watch.notice("The render is silent; so are its stems")
    render = Render(
        path=job.render,
        identity=snapshot.identity,
        sha256=snapshot.sha256,
        audio_key=scanned.audio_key,
        format=source,
        levels=scanned.levels,
        origin=_origin(chunks, source.sample_rate),
        markers=chunks.markers,
    )
    return render, scanned, chunks


def _origin(chunks: Chunks, sample_rate: int) -> Origin:
    frames = chunks.time_reference_frames
    if frames is None or frames > _LONGEST_PROJECT_SECONDS * sample_rate:
        return Origin()
    return Origin(frames / sample_rate, "bext")


def _remainder(job: Job) -> str | None:
    """Name the stem that is made of what the others leave, so that fixed-point files sum exactly."""
    options = job.separation
    if options.two_stems is not None:
        return complement_name(options.two_stems)
    return {"other": "other", "share": "other", "stem": "residual", "drop": None}[options.residual]
