"""The page where the order can be read: one render in, one complete staging folder out.

    snapshot -> scan -> separate (or reuse a drop's stems) -> effects -> write -> check -> hand over

Everything flows block by block. What needs the whole song first (a loudness reference, one common gain) reads the dry
stems back from the FLOAT files of the pass before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bridge.audio.chunks import Chunks, read_chunks
from bridge.audio.header import require_complete
from bridge.audio.read import Scan, Sound, open_sound, scan
from bridge.audio.tag_read import read_tags
from bridge.delivery.manifest import read
from bridge.delivery.names import safe_name
from bridge.delivery.plan import plan_drop
from bridge.delivery.records import ModelRecord
from bridge.delivery.reuse import Heard, Reused, heard_before, open_reused
from bridge.delivery.stage import open_stage
from bridge.delivery.stemfiles import StemFiles
from bridge.domain.drop import MANIFEST, Staged
from bridge.domain.events import Report
from bridge.domain.job import Job, drop_key, separation_key
from bridge.domain.render import Render, merged
from bridge.domain.stems import StemChoice, complement_name
from bridge.domain.tempo import TempoMap
from bridge.domain.work import Identified
from bridge.effects.graph import bind
from bridge.effects.plugins.files import fingerprint
from bridge.effects.plugins.rack import Rack
from bridge.errors import BridgeError, DeliveryError, ReadError
from bridge.intake.midifile import midi_beside
from bridge.intake.snapshot import Snapshot, take
from bridge.midi.tempo import MOST_BYTES, ProjectMidi, read_midi
from bridge.models.registry import find
from bridge.models.weights import checksums
from bridge.pipeline.handover import Outcome, hand_over, model_record
from bridge.pipeline.progress import Cancel, Watch
from bridge.pipeline.recording import Recording, StemBlocks
from bridge.separation.choice import choose_stems
from bridge.separation.separate import separate
from bridge.separation.separator import Separator
from bridge.separation.store import Store

__all__ = ["Decide", "process"]

_COPY_NAME_BYTES = 40
"""Keeps the copy's path below those of the drop, whose length is looked after (Windows)."""


Decide = Callable[[Identified], Path | None]
"""Told what a job is before anything is computed; gives a drop whose stems to use, or None, or raises Cancelled."""


def process(
    job: Job,
    report: Report,
    cancel: Cancel,
    separators: Callable[[Job], Separator],
    decide: Decide = lambda _: None,
) -> Staged:
    """Do the whole job in a staging folder inside the outbox; nothing is visible there until it is published.

    Raises BridgeError when it cannot be done and Cancelled when it was taken back; the staging folder is then gone.
    Same render, preset, model, options, device and versions give the same audio bit for bit.
    """
    watch = Watch(report, cancel)
    with open_stage(job.outbox, job.id) as stage, _about_the_render(job, stage.work):
        snapshot = take(job.render, stage.work, name=_copy_name(job.render))
        if oddity := require_complete(snapshot.path).reason:
            watch.notice(f"{job.render.name}: {oddity}.")
        job = replace(job, plugins_found=fingerprint(job.preset, job.plugins))
        with ExitStack() as opened:
            mix = opened.enter_context(open_sound(snapshot.path, stage.work))
            render, scanned, chunks = _examine(job, snapshot, mix, watch)
            known = decide(_identify(job, render))
            store = None if job.store is None else Store(job.store, watch.notice)

            def source_of(job: Job) -> AbstractContextManager[_Source]:
                return _source_of_stems(job, mix, scanned, render, separators, store, stage.work, watch)

            job, source = _open_source(opened, job, known, source_of, watch)
            rack = opened.enter_context(Rack(job.plugins, watch.notice))
            graph = bind(
                job.preset,
                source.choice.delivered,
                sample_rate=mix.format.sample_rate,
                channels=mix.format.channels,
                tempo=render.tempo,
                rack=rack,
                notes=render.notes,
            )
            for bus in graph.unheard:
                watch.notice(
                    f"The bus {bus} was not printed: none of the stems of this job goes to it, or all are muted."
                )
            plan = plan_drop(
                name=job.name,
                stems=source.choice.delivered,
                printed=graph.printed,
                output=job.output,
                source=mix.format,
                outbox=job.outbox,
                buses=graph.buses,
                instruments=graph.instruments,
            )
            more = (*graph.buses, *graph.instruments)
            recording = Recording(
                plan, source.choice, graph.printed, stage, mix, chunks, watch, more=more, put_aside=graph.put_aside
            )
            stage.require_space(recording.bytes_needed())
            if store is not None:
                store.leave_bytes = recording.bytes_needed()

            tempos: list[TempoMap] = []
            dry = opened.enter_context(source.record(recording))
            run = partial(graph.run, dry, watch.notice, tempos.append, stage.work)
            wet = opened.enter_context(recording.wet(run))
            gain_db = recording.encode(dry, wet, remainder=_remainder(job))
            null_db = recording.prove_the_sum(dry, gain_db, promised=job.stems_from is None)
        outcome = Outcome(
            render,
            source.model(),
            plan,
            dry,
            wet,
            gain_db,
            null_db,
            tuple(rack.inserts),
            recording.checksums,
            *tempos[:1],
        )
        hand_over(job, outcome, snapshot.path, stage, watch)
        stage.finish()
        if store is not None:
            store.finish()
        return Staged(stage.folder, plan.name, job.outbox)


def _copy_name(render: Path) -> str:
    """Name the private copy like the user's file, since messages say it."""
    suffix = render.suffix if render.suffix[1:].isalnum() and len(render.suffix.encode()) <= 9 else ""
    return safe_name(render.stem, max_bytes=_COPY_NAME_BYTES) + suffix


@contextmanager
def _about_the_render(job: Job, work: Path) -> Iterator[None]:
    """Let errors about the private copy point at the user's file."""
    try:
        yield
    except BridgeError as error:
        if error.path is not None and error.path.is_relative_to(work):
            error.path = job.render
        raise


@dataclass(frozen=True)
class _Source:
    """Where the dry stems come from; nothing is computed before `record` is called."""

    choice: StemChoice
    record: Callable[[Recording], StemFiles]
    model: Callable[[], ModelRecord]


@contextmanager
def _source_of_stems(
    job: Job,
    mix: Sound,
    scanned: Scan | None,
    render: Render,
    separators: Callable[[Job], Separator],
    store: Store | None,
    work: Path,
    watch: Watch,
) -> Iterator[_Source]:
    """Separate, or take the stems of the drop that the job names."""
    if job.stems_from is None:
        model = find(job.separation.model, job.model_folders)

        def blocks() -> StemBlocks:
            separator = separators(job)
            yield from separate(separator, mix, scanned or scan(mix), job.separation, store)
            if separator.left is not None:
                watch.notice(f"The {separator.left}: the rest was separated on the CPU, which takes longer.")

        yield _Source(
            choose_stems(model.stems, job.separation),
            lambda recording: recording.dry(blocks(), "separate"),
            lambda: model_record(job, render.audio_key, model, separators(job), store),
        )
        return
    seconds, copying = mix.format.seconds, ExitStack()
    done = copying.enter_context(watch.stage("copy", seconds))
    with (
        copying,
        open_reused(job.stems_from, work, for_job=job, progress=lambda share: done(share * seconds / 2)) as reused,
    ):
        if reused.manifest.render.audio_key != render.audio_key:
            raise ReadError(
                f"The stems in {job.stems_from.name} are those of another render than {job.render.name}.",
                hint="Separate this render with: stem-bridge process",
                path=job.render,
            )

        def record(recording: Recording) -> StemFiles:
            with copying.pop_all():
                return recording.take(reused) or recording.dry(_told(reused, done), None)

        yield _Source(reused.choice, record, lambda: reused.manifest.model)


def _told(reused: Reused, done: Callable[[float], None]) -> StemBlocks:
    """Pass the stems of a drop through, as the second half of a stage."""
    shape = reused.manifest.render.format
    for block in reused.blocks():
        yield block
        done((shape.frames + block.start + block.frames) / shape.sample_rate / 2)


def _open_source(
    opened: ExitStack,
    job: Job,
    known: Path | None,
    source_of: Callable[[Job], AbstractContextManager[_Source]],
    watch: Watch,
) -> tuple[Job, _Source]:
    """Take the stems of the drop that is known to hold them; where they are not what they were, separate."""
    if known is not None:
        reusing = replace(job, stems_from=known)
        try:
            return reusing, opened.enter_context(source_of(reusing))
        except DeliveryError as error:
            watch.notice(f"{error.message} So the render is separated again.")
    return job, opened.enter_context(source_of(job))


def _examine(job: Job, snapshot: Snapshot, mix: Sound, watch: Watch) -> tuple[Render, Scan | None, Chunks]:
    """Read the whole render once: key, levels, what the network must know of it, and its place in the project.

    None for the scan where a drop tells what is known of these very bytes.
    """
    source, scanned = mix.format, None
    heard = None if job.stems_from is None else heard_before(job.stems_from, snapshot.sha256)
    if heard is None:
        with watch.stage("read", source.seconds) as done:
            scanned = scan(mix, progress=lambda frames: done(frames / source.sample_rate))
        heard = Heard(scanned.audio_key, scanned.levels)
    chunks = _carried(job, snapshot.path, watch)
    if heard.levels.peak == 0.0:
        watch.notice("The render is silent, and so are its stems.")
    origin = job.origin or chunks.origin(source.sample_rate)
    beside, midi = _midi_beside(job.render, watch)
    render = Render(
        path=job.render,
        identity=snapshot.identity,
        sha256=snapshot.sha256,
        audio_key=heard.audio_key,
        format=source,
        levels=heard.levels,
        origin=origin,
        markers=merged(source.sample_rate, job.markers, chunks.markers, beside.markers_in(source, origin)),
        tempo=job.tempo or beside.tempo_from(origin),
        source=job.source,
        tags_key=chunks.tags.digest(),
        notes=beside.notes_from(origin),
        midi=midi,
    )
    return render, scanned, chunks


def _carried(job: Job, render: Path, watch: Watch) -> Chunks:
    """Read what the stems carry of all that a render says beside its sound; of its tags a sidecar knows better."""
    tags, left_out = read_tags(render)
    for sentence in left_out:
        watch.notice(sentence)
    return replace(read_chunks(render), tags=tags.overruled(job.tags))


def _identify(job: Job, render: Render) -> Identified:
    if job.stems_from is None:
        weights = checksums(find(job.separation.model, job.model_folders), job.model_folders)
    else:
        weights = tuple(member.sha256 for member in read(job.stems_from / MANIFEST).model.members)
    return Identified(
        audio_key=render.audio_key,
        separation_key=separation_key(job, render.audio_key, weights),
        drop_key=drop_key(job, render, weights),
        seconds=render.format.seconds,
    )


def _midi_beside(render: Path, watch: Watch) -> tuple[ProjectMidi, bytes]:
    """Read tempo map, markers and notes that the DAW exported beside the render; what cannot be used is told."""
    try:
        found = midi_beside(render, MOST_BYTES)
        return (ProjectMidi(), b"") if found is None else (read_midi(found[1], found[0]), found[1])
    except ReadError as error:
        watch.notice(f"{error.message} {error.hint}")
        return ProjectMidi(), b""


def _remainder(job: Job) -> str | None:
    """Name the stem that is made of what the others leave, so that fixed-point files sum exactly."""
    options = job.separation
    if options.two_stems is not None:
        return complement_name(options.two_stems)
    return {"other": "other", "share": "other", "stem": "residual", "drop": None}[options.residual]
