"""`stem-bridge batch`: a whole library, overnight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli import options, output
from bridge.disk import is_file, is_folder
from bridge.errors import ConfigError
from bridge.words import reason_of

if TYPE_CHECKING:
    from bridge.batch.estimate import Estimate
    from bridge.batch.gate import Gate
    from bridge.batch.plan import Planned
    from bridge.cli.progress import Feedback
    from bridge.config import Settings
    from bridge.domain.job import Job
    from bridge.domain.work import Work

__all__ = ["batch"]

_MOST_LISTED = 20


@options.settings(*options.SEPARATION, *options.OUTPUT)
def batch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", parser=options.path, help="A folder of sound files.")],
    outbox: Annotated[
        Path | None,
        typer.Option(
            "--outbox", "-o", metavar="FOLDER", parser=options.path, help="Default: 'FOLDER stems', beside it."
        ),
    ] = None,
    recursive: options.Recursive = False,
    layout: Annotated[
        str,
        typer.Option(
            "--layout",
            help="Place of each drop, from {folder} {name} {suffix} {preset} {model}; '{name}' puts all side by side.",
        ),
    ] = "{folder}/{name}",
    preset: options.Preset = None,
    model: options.Model = None,
    flags: options.Flags = options.NONE_GIVEN,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made, how long, how big.")] = False,
    only_between: Annotated[
        str | None,
        typer.Option("--only-between", metavar="HH:MM-HH:MM", help="Work in these hours only, such as 22:00-07:00."),
    ] = None,
    only_when_idle: Annotated[
        float,
        typer.Option(
            "--only-when-idle", metavar="MINUTES", min=0, help="Work only after nobody touched the computer so long."
        ),
    ] = 0.0,
    failed_too: Annotated[bool, typer.Option("--failed-too", help="Try again what failed before.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", parser=options.path, help="Write what came of each: .csv or .json"),
    ] = None,
    config: options.Config = None,
    json: options.Json = False,
    verbose: options.Verbose = 0,
) -> None:
    """Separate every sound file of a folder, each once.

    Run it again, and it goes on where it stopped. Stems are FLAC unless you say otherwise. Prints the path of every
    drop. A file that fails does not stop the others.
    """
    from bridge.batch.gate import Gate, check_hours
    from bridge.batch.report import check_report
    from bridge.cli.jobs import Planner
    from bridge.cli.progress import feedback
    from bridge.config import load
    from bridge.intake.select import find_renders

    failed = 0
    with feedback(json=json) as told:
        if report is not None:
            check_report(report)
        gate = Gate(check_hours(only_between) if only_between is not None else "", only_when_idle)
        top, out = _folders(folder, outbox)
        told.top = top
        settings = load(config, flags={**flags, "output.format": flags["output.format"] or "flac"})
        found = find_renders([top], recursive=recursive)
        for refused in found.refused:
            told.failed(refused.path, refused)
        if found.renders:
            base = replace(Planner(settings, preset, model, out).job(found.renders[0]), store=None)
            run = _Run(settings, base, top, out, layout, found.renders)
            failed = (
                run.estimate(told, json=json) if dry_run else run.go(told, gate, failed_too=failed_too, report=report)
            )
    if failed or found.refused:
        raise typer.Exit(1)


def _folders(folder: Path, outbox: Path | None) -> tuple[Path, Path]:
    """Return the tree of renders and the folder for drops, absolute; raises ConfigError when they are the same."""
    from bridge.intake.plain import folder_identity

    top = folder.expanduser().absolute()
    out = outbox.expanduser().absolute() if outbox else top.with_name(f"{top.name} stems")
    if not is_folder(top):
        raise ConfigError(f"{folder} is no folder.", hint="For single files: stem-bridge process", path=folder)
    if folder_identity(top) == folder_identity(out):
        raise ConfigError(f"{out} holds the renders.", hint="Give drops a folder of their own with --outbox.", path=out)
    return top, out


@dataclass(frozen=True)
class _Run:
    """One call: what is to be done with which files."""

    settings: Settings
    base: Job
    """The job of the first file; the others differ in file and place only, so that one preset serves all night."""
    top: Path
    out: Path
    layout: str
    renders: tuple[Path, ...]

    def plan(self) -> tuple[Planned, ...]:
        from bridge.batch.plan import plan_tree
        from bridge.domain.drop import MANIFEST

        words = {"preset": self.base.preset.name, "model": Path(self.base.separation.model).name}
        return plan_tree(
            self.renders,
            self.top,
            self.out,
            layout=self.layout,
            words=words,
            is_drop=lambda path: is_file(path / MANIFEST),
        )

    @property
    def state(self) -> Path:
        """Folder of the journal: another preset, model, option or place is other work."""
        from bridge.batch.earlier import journal_folder
        from bridge.config import state_folder

        bpm = self.settings.presets.bpm
        return journal_folder(state_folder(), self.base, self.top, self.out, layout=self.layout, bpm=bpm)

    def go(self, told: Feedback, gate: Gate, *, failed_too: bool, report: Path | None) -> int:
        """Do the work and return how many failed."""
        from bridge.batch.earlier import all_works, drops_by_separation
        from bridge.batch.estimate import formats
        from bridge.batch.report import write_report
        from bridge.batch.run import Batch
        from bridge.config import state_folder
        from bridge.journal.journal import open_journal
        from bridge.neighbour import Awake, lower_priority
        from bridge.worker.client import Worker

        planned = self.plan()
        self._make_out()
        lengths = {render: form.seconds for render, form in formats(self.renders)[0].items()}
        urgency = lower_priority if self.settings.daemon.priority == "low" else (lambda _: None)
        devices = self.settings.separation.devices
        with open_journal(self.state) as journal, ExitStack() as opened, Awake() as awake:
            run = Batch(
                journal,
                [opened.enter_context(Worker(started=urgency)) for _ in devices],
                self.top,
                self.out,
                self._job,
                told,
                devices=devices,
                seconds=lengths,
                stems=drops_by_separation(all_works(state_folder())),
                attempts=self.settings.daemon.attempts,
                patience_seconds=60 * self.settings.daemon.patience_minutes,
                gate=gate,
                awake=awake,
            )
            try:
                tally = run.run(planned, failed_too=failed_too)
            finally:
                ours = set(self.renders)
                works = [work for work in journal.works() if work.path in ours]
                if report is not None:
                    write_report(report, works)
        told.say(f"{tally.done} done, {tally.before} done before, {tally.failed} failed.")
        if tally.failed:
            self._tell_failed(told, works)
        return tally.failed

    def _tell_failed(self, told: Feedback, works: Sequence[Work]) -> None:
        """List what failed once more: its messages are far up by now."""
        failed = [work for work in works if work.state == "parked"]
        for work in failed[:_MOST_LISTED]:
            told.say(f"  {told.about(work.path, work.reason)}")
        if len(failed) > _MOST_LISTED:
            told.say(f"  and {len(failed) - _MOST_LISTED} more; --report writes them all")
        told.say("To try again what failed, add: --failed-too")

    def estimate(self, told: Feedback, *, json: bool) -> int:
        """Print what would be made, and what it costs; returns how many files cannot be done."""
        from bridge.batch.earlier import all_works, drops_of
        from bridge.batch.estimate import copies, estimate, formats, free_bytes, sizes, speed_of
        from bridge.config import state_folder
        from bridge.journal.journal import read_works

        done = {work.path for work in read_works(self.state) if work.state == "done"}
        planned = [one for one in self.plan() if one.render not in done]
        found, refused = formats(one.render for one in planned)
        twins = copies(self.renders)
        for one in planned:
            if one.render in found:
                self._tell_planned(one, twins.get(one.render), json=json)
        for error in refused:
            told.failed(error.path, error)
        again = len(found)
        found = {render: form for render, form in found.items() if render not in twins}
        again -= len(found)
        cost = estimate(
            found,
            files=self._files(),
            container=self.base.output.format,
            subtype=self.base.output.subtype,
            sizes=sizes(found),
            speed=speed_of(drops_of(all_works(state_folder())), Path(self.base.separation.model).name),
        )
        counts = {"same_as_another": again, "done_before": len(done & set(self.renders)), "refused": len(refused)}
        self._tell_cost(cost, {"renders": len(found), **counts}, free_bytes(self.out), json=json)
        return len(refused)

    def _job(self, one: Planned, name: str) -> Job:
        return replace(self.base, id=name, render=one.render, outbox=one.outbox, name=one.name)

    def _make_out(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise ConfigError(
                f"{self.out} cannot be made: {reason_of(exc)}.", hint="Choose another --outbox.", path=self.out
            ) from exc

    def _files(self) -> int:
        """Count the sound files of a drop, without the archived mix."""
        from bridge.models.registry import find
        from bridge.separation.choice import choose_stems

        options = self.base.separation
        stems = choose_stems(find(options.model, self.settings.models.folders).stems, options).delivered
        printed = [stem for stem in stems if self.base.preset.for_stem(stem).chain]
        return len(stems) + (len(printed) if self.base.output.dry else 0)

    def _tell_planned(self, one: Planned, twin: Path | None, *, json: bool) -> None:
        """Say where a drop would be; a copy of `twin` gets none of its own."""
        drop = one.outbox / one.name if twin is None else None
        if json:
            output.event("planned", render=one.render, drop=drop, same_as=twin)
        else:
            where = drop or f"the drop of {(twin or self.top).relative_to(self.top)}"
            output.result(output.one_line(f"{one.render.relative_to(self.top)} -> {where}"))

    def _tell_cost(self, cost: Estimate, counts: Mapping[str, int], free: int, *, json: bool) -> None:
        from bridge.units import format_bytes, format_duration

        if json:
            output.event("estimate", **counts, free_bytes=free, **asdict(cost))
            return
        same = f", {counts['same_as_another']} the same as another" if counts["same_as_another"] else ""
        before, refused = counts["done_before"], counts["refused"]
        output.say(f"{counts['renders']} to do{same}, {before} done before, {refused} cannot be done.")
        output.say(f"Sound: {format_duration(cost.audio_seconds)}")
        output.say(f"Disk:  about {format_bytes(cost.disk_bytes)}; {format_bytes(free)} are free")
        if cost.work_seconds is None:
            output.say(f"Time:  unknown until {self.base.separation.model} has done one render on this computer")
        else:
            output.say(f"Time:  about {format_duration(cost.work_seconds)}")
