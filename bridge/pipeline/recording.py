"""What flows becomes files: the dry pass, the wet pass, fixed point where it is asked for, and the proof of the sum."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from bridge.audio.chunks import Chunks
from bridge.audio.read import Sound
from bridge.delivery.check import null_depth_db
from bridge.delivery.encode import encode_files
from bridge.delivery.names import safe_name
from bridge.delivery.reuse import Reused
from bridge.delivery.stage import Stage
from bridge.delivery.stemfiles import StemFiles, StemRecorder
from bridge.disk import disk_errors, rename
from bridge.domain.drop import DropPlan
from bridge.domain.events import Stage as StageName
from bridge.domain.stems import StemBlock, StemChoice, kind_of
from bridge.errors import DeliveryError
from bridge.pipeline.progress import Watch

__all__ = ["Recording", "Run", "StemBlocks"]

_WORK_NAME_BYTES = 30
_MEASURING = 0.9
"""Share of the time that effects take before the first block is given, where they measure at all."""

StemBlocks = Generator[StemBlock, None, None]
"""Stems on their way; whoever records them closes them."""
Run = Callable[[Callable[[float], None]], Iterable[StemBlock]]
"""Given whom to tell what share of the measuring is done, yields what the chains print."""

_PROMISED_NULL_DB = {"FLOAT": -120.0, "PCM_24": -120.0, "PCM_16": -90.0}
"""Half a step of 16 bit is -96 dB; the other two have room below -120 dB."""


class Recording:
    """The files of one job: where each stem is recorded, and what becomes of it."""

    def __init__(
        self,
        plan: DropPlan,
        choice: StemChoice,
        printed: Collection[str],
        stage: Stage,
        mix: Sound,
        chunks: Chunks,
        watch: Watch,
        *,
        more: Sequence[str] = (),
        put_aside: int = 0,
    ) -> None:
        """`put_aside` is how many stems' worth of scratch the effects take."""
        self._put_aside = put_aside
        self._plan = plan
        self._choice = choice
        self._printed = [*(stem for stem in choice.delivered if stem in printed), *more]
        self._stage = stage
        self._mix = mix
        self._chunks = chunks
        self._watch = watch
        self._proven_db: float | None = None
        self.checksums: dict[Path, str] = {}
        """SHA-256 of files that are known without reading them, hex."""
        self._in_place = plan.subtype == "FLOAT" and plan.container == "WAV"

    def bytes_needed(self) -> int:
        """Return how much the stems will take at the most, scratch included; tails, seconds each, are not counted."""
        source = self._mix.format
        files = len(self._choice.delivered) + len(self._printed)
        return (files * (1 if self._in_place else 2) + self._put_aside) * source.frames * source.channels * 4

    def dry(self, blocks: StemBlocks, stage: StageName | None) -> StemFiles:
        """Record the dry stems as they come; this is where the network works, when `stage` is "separate".

        None: it is part of a stage that reports itself.
        """
        paths = {stem: self._place(stem, wet=False) for stem in self._choice.delivered}
        return self._record(blocks, paths, stage, self._mix.format.frames)

    def take(self, reused: Reused) -> StemFiles | None:
        """Take the files of a drop as they are, with what is known of them; None unless every one is byte for byte what
        `dry` would make of it."""
        paths = {stem: self._place(stem, wet=False) for stem in self._choice.delivered}
        recorder = StemRecorder(paths, self._mix.format, self._chunks)
        private = self._in_place and reused.is_private
        if not (private and all(recorder.would_make(*one) for one in reused.paths.items())):
            return None
        for stem, path in paths.items():
            with disk_errors("write", path):
                path.parent.mkdir(parents=True, exist_ok=True)
                rename(reused.paths[stem], path)
            self.checksums[path] = reused.records[stem].sha256
        self._proven_db = reused.null_depth_db
        levels = {stem: reused.levels(stem) for stem in paths}
        return StemFiles(paths, self._mix.format, self._mix.format.frames, levels, {}, self._stage.work)

    def wet(self, run: Run) -> StemFiles:
        """Record what the chains print; nothing when none does."""
        paths = {stem: self._place(stem, wet=True) for stem in self._printed}
        return self._record(self._told(run), paths, None)

    def _told(self, run: Run) -> StemBlocks:
        """Run the chains as one stage, which goes on while they measure."""
        seconds, measured = self._mix.format.seconds, 0.0
        with self._watch.stage("effects", seconds) as done:

            def tell(share: float) -> None:
                nonlocal measured
                measured = share * _MEASURING * seconds
                done(measured)

            for block in run(tell):
                yield block
                position = min(1.0, (block.start + block.frames) / self._mix.format.frames)
                done(measured + (seconds - measured) * position)

    def _record(
        self, blocks: StemBlocks, paths: dict[str, Path], stage: StageName | None, frames: int | None = None
    ) -> StemFiles:
        source = self._mix.format
        chunks = self._chunks if self._in_place else None
        recorder = StemRecorder(paths, source, chunks, frames=frames if self._in_place else None)
        if not paths:
            return recorder.recorded(self._stage.work)
        # However it ends, what makes the blocks closes its files before the folder that they lie in is removed.
        with recorder, closing(blocks):
            told = blocks if stage is None else self._watch.blocks(blocks, stage, source.sample_rate, source.seconds)
            for block in told:
                recorder.add(block)
        self.checksums.update(recorder.checksums())
        return recorder.recorded(self._stage.work)

    def _place(self, stem: str, *, wet: bool) -> Path:
        planned = self._plan.file(stem, kind_of(stem) if wet or stem not in self._printed else "dry")
        if self._in_place and planned is not None:
            return self._stage.folder / planned.path
        name = safe_name(stem, max_bytes=_WORK_NAME_BYTES)
        number = [*self._choice.delivered, *self._printed].index(stem)
        return self._stage.work / f"{'wet' if wet else 'dry'} {number} {name}.wav"

    def encode(self, dry: StemFiles, wet: StemFiles, *, remainder: str | None) -> float:
        """Write the delivered format where it is not FLOAT WAV already; returns the common gain in dB, 0 or less."""
        if self._in_place:
            return 0.0
        with self._watch.stage("write", self._mix.format.seconds) as done:
            encoded = encode_files(
                self._plan,
                self._stage.folder,
                dry,
                wet,
                self._mix,
                remainder=remainder if self._choice.complete and remainder in dry.paths else None,
                chunks=self._chunks,
                progress=lambda frames: done(frames / self._mix.format.sample_rate),
            )
        self.checksums.update(encoded.checksums)
        return encoded.gain_db

    def prove_the_sum(self, dry: StemFiles, gain_db: float, *, promised: bool) -> float | None:
        """Read the delivered dry stems back and null them against the mix; dB re max(1, loudest), -inf = exact.

        What was proven of the very same files and sound is not proven again. None where stems cannot sum (subsets,
        `residual: drop`) or a dry one is not delivered. Raises DeliveryError when
        the sum was promised and is not there.
        """
        files = [self._plan.file(stem, "dry" if stem in self._printed else "stem") for stem in dry.paths]
        if not self._choice.complete or any(file is None for file in files):
            return None
        if self._proven_db is not None:
            return self._proven_db
        paths = [self._stage.folder / file.path for file in files if file is not None]
        with self._watch.stage("check", self._mix.format.seconds) as done:
            depth = null_depth_db(
                self._mix,
                paths,
                self._stage.work,
                gain_db=gain_db,
                progress=lambda frames: done(frames / self._mix.format.sample_rate),
            )
        if promised and depth > _PROMISED_NULL_DB[self._plan.subtype]:
            raise DeliveryError(
                f"The stems do not sum to the mix: {depth:.1f} dB are left.",
                hint="This is a fault of Stem Bridge; please report it with the render. Nothing was delivered.",
            )
        return depth
