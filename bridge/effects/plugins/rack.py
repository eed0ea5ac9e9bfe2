"""The user's own plugins as steps of chains: found, tried before the work begins, then streamed, each in its cage."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path

import numpy as np

from bridge.closing import Closing
from bridge.domain.notes import NoteTrack, Score, chosen, is_struck
from bridge.domain.plugins import Insert, PluginOptions
from bridge.domain.preset import Chain, Instrument, MidSide, Parallel, Plugin, Step
from bridge.domain.stems import FloatArray, display_name, instrument_key
from bridge.effects.plugins.blame import blamed
from bridge.effects.plugins.files import PluginFile, find_file, missing
from bridge.effects.plugins.voice import Voice
from bridge.effects.shared import Shared
from bridge.errors import PluginError

__all__ = ["Rack"]

_TRIAL_FRAMES = 8192


class Rack(Closing):
    """All plugins of one job. A context manager; leaving it ends their processes."""

    def __init__(self, options: PluginOptions | None = None, notice: Callable[[str], None] = lambda _: None) -> None:
        """`notice` is told what is left out, and why; without `options` there are no folders, and so no plugin."""
        self._options = options or PluginOptions()
        self._notice = notice
        self._tried: dict[tuple[str, int, int], Insert] = {}
        self._open: set[Voice] = set()
        self._played: list[Voice] = []
        self._stamps: dict[Path, str] = {}
        self._told: set[str] = set()
        self.inserts: list[Insert] = []
        """What `fit` found, in the order of stems and chains."""

    def close(self) -> None:
        """End every process that is left, and tell which plugins fell silent in the middle."""
        while self._open:
            self._open.pop().close()
        doubts = filter(None, (voice.doubt() for voice in self._played))
        self._played = []
        for doubt in doubts:
            self._say(doubt)

    def fit(self, stem: str, chain: Chain, *, sample_rate: int, channels: int) -> Chain:
        """Try every plugin of a chain on noise and return the chain without those that are skipped, or live.

        Raises PluginError for one that is missing, blocked or not usable, PresetError for parameters it does not have,
        EffectError when it crashes, hangs or gives what is no sound. A plugin that stems share is tried once, a
        live one for its state, which a DAW is to load.
        """
        position = itertools.count(1)

        def fitted(steps: Chain) -> Iterator[Step]:
            for step in steps:
                if isinstance(step, Parallel):
                    yield Parallel(tuple(tuple(fitted(branch)) for branch in step.branches))
                elif isinstance(step, MidSide):
                    yield MidSide(tuple(fitted(step.mid)), tuple(fitted(step.side)))
                elif isinstance(step, Plugin):
                    if self._insert(step, stem, next(position), sample_rate, channels) and not step.live:
                        yield step
                else:
                    yield step

        return tuple(fitted(chain))

    def run(self, step: Plugin, blocks: Iterator[FloatArray], stem: str, sample_rate: int) -> Iterator[FloatArray]:
        """Filter an endless stream of equal blocks, (C, n) each, through a plugin; fresh, aligned to the sample.

        Raises EffectError when the plugin crashes, hangs, stays silent, or gives NaN, infinity or a wrong length.
        """
        if step.wet == 1.0:
            return self._wet(step, blocks, stem, sample_rate)
        heard = Shared(blocks)
        dry, source = heard.tap(), heard.tap()
        wet_share, dry_share = np.float32(step.wet), np.float32(1.0 - step.wet)
        pairs = zip(dry, self._wet(step, source, stem, sample_rate), strict=True)
        return (before * dry_share + after * wet_share for before, after in pairs)

    def staff(
        self, instruments: Mapping[str, Instrument], notes: Sequence[NoteTrack], *, sample_rate: int, channels: int
    ) -> dict[str, tuple[NoteTrack, ...]]:
        """Try every instrument that has something to play, and return what each of them plays, by its name.

        Those that play nothing, or are to be skipped, are left out, and `notice` is told. Raises as `fit` does.
        """
        playing: dict[str, tuple[NoteTrack, ...]] = {}
        for name, instrument in instruments.items():
            tracks = chosen(notes, instrument.tracks)
            if not tracks:
                self._say(f"The instrument {name} was left out: {_nothing_to_play(notes)}")
            elif self._insert(instrument.plugin, instrument_key(name), 1, sample_rate, channels, plays=True):
                playing[name] = tracks
        return playing

    def perform(
        self, plugin: Plugin, score: Score, stem: str, sample_rate: int, channels: int, size: int
    ) -> Iterator[FloatArray]:
        """Yield what an instrument makes of a score, endless blocks of (C, size); its latency is taken out.

        Raises EffectError when the plugin crashes, hangs, or gives NaN, infinity or a wrong length.
        """
        file = self._file(plugin)
        with Voice(self._open, self._options, plugin, file, stem, sample_rate, channels, size, plays=True) as voice:
            last = score[-1][0] if score else 0
            if not any(is_struck(message) for _, message in score):
                self._say(f"The instrument {display_name(stem)} is silent: it has no notes within this render.")
                last = -1
            ready, late, is_still = np.zeros((channels, 0), np.float32), voice.latency_frames, True
            for start in itertools.count(0, size):
                first, end = (bisect_left(score, at, key=itemgetter(0)) for at in (start, start + size))
                out = voice.sing([(frame - start, message) for frame, message in score[first:end]], size)
                is_still = is_still and not out.any()
                if is_still and start <= last < start + size:
                    self._say(f"The instrument {display_name(stem)} gave only silence: look at its level and its keys.")
                ready, late = np.concatenate([ready, out[:, late:]], axis=1), max(0, late - size)
                while ready.shape[1] >= size:
                    yield np.ascontiguousarray(ready[:, :size])
                    ready = ready[:, size:]

    def _say(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._notice(sentence)

    def _wet(self, step: Plugin, blocks: Iterator[FloatArray], stem: str, sample_rate: int) -> Iterator[FloatArray]:
        first = next(blocks)
        channels, size = first.shape
        file = self._file(step)
        with Voice(self._open, self._options, step, file, stem, sample_rate, channels, size) as voice:
            self._played.append(voice)
            ready = np.zeros((channels, 0), np.float32)
            for block in itertools.chain([first], blocks):
                out = voice.play(block)
                ready = np.concatenate([ready, out], axis=1) if ready.shape[1] else out
                if ready.shape[1] >= size:
                    yield np.ascontiguousarray(ready[:, :size])
                    ready = ready[:, size:]

    def _insert(
        self, step: Plugin, stem: str, position: int, sample_rate: int, channels: int, *, plays: bool = False
    ) -> bool:
        """Try a step and note it; say whether it is to run."""
        known = (repr((replace(step, wet=1.0, live=False), plays)), sample_rate, channels)
        insert = self._tried.get(known)
        if insert is None:
            insert = self._try(step, stem, sample_rate, channels, plays=plays)
            self._tried[known] = insert
            if insert.skipped:
                self._notice(f"The plugin {step.path} was left out: {insert.skipped}")
        if step.live and not insert.skipped:
            self._check_live(insert, channels)
        self.inserts.append(replace(insert, stem=stem, position=position, wet=step.wet, live=step.live))
        return not insert.skipped

    def _try(self, step: Plugin, stem: str, sample_rate: int, channels: int, *, plays: bool) -> Insert:
        try:
            file = self._file(step)
            with Voice(
                self._open, self._options, step, file, stem, sample_rate, channels, _TRIAL_FRAMES, plays=plays
            ) as voice:
                voice.try_on_a_note() if plays else voice.try_on_noise()
                return voice.insert()
        except PluginError as error:
            if (step.missing or self._options.missing) == "skip":
                return Insert(stem, 0, step.path, skipped=error.message)
            raise

    def _check_live(self, insert: Insert, channels: int) -> None:
        if not insert.state:
            raise PluginError(
                f"The plugin {insert.path} cannot be live: it gives no state that a DAW could load.",
                hint="Take 'live' out of its step, and it is printed.",
            )
        if channels > 2:
            self._say(
                f"In REAPER {insert.name} is inserted once: where it takes two channels only, the other "
                f"{channels - 2} pass by it, unless you connect more of them."
            )

    def _file(self, step: Plugin) -> PluginFile:
        file = find_file(step.path, self._options)
        if file is None:
            raise missing(step.path, self._options)
        if self._options.records is not None:
            blame = blamed(self._options.records, file.sha256())
            if blame and blame.blocked:
                raise PluginError(
                    f"The plugin {step.path} is blocked: it failed {blame.crashes} times, last it {blame.reason}.",
                    hint="Update it, or let it in again with: stem-bridge plugins scan --retry",
                    path=file.path,
                )
        stamp = file.stamp()
        if self._stamps.setdefault(file.path, stamp) != stamp:
            raise PluginError(
                f"The plugin {step.path} was replaced while the job was at work.",
                hint="Run the job again when its installer is done.",
                path=file.path,
            )
        return file


def _nothing_to_play(notes: Sequence[NoteTrack]) -> str:
    if not notes:
        return "no .mid with notes lies beside the render."
    return f"none of its tracks is in the .mid, which has {', '.join(repr(one.name) for one in notes)}."
