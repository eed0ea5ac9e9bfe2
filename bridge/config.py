"""Settings: defaults, then bridge.yaml, then STEM_BRIDGE_* variables, then flags, resolved once into one frozen value.

A fault is a ConfigError that says where the value came from (file and line, variable or flag) and what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path, user_config_path, user_state_path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bridge.domain.job import SeparationOptions, StoreOptions
from bridge.domain.plugins import Missing, PluginOptions
from bridge.domain.preset import OutputOptions, Preset
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.errors import ConfigError
from bridge.layers import CONFIG_VARIABLE, Layers, data_folder

__all__ = ["Daemon", "Inbox", "Intake", "Models", "Output", "Presets", "Separation", "Settings", "Tell", "default_file"]
__all__ += ["Cache", "Plugins", "cache_folder", "load", "state_folder"]


def _words(value: object) -> object:
    """Read `a,b` as a list: environment variables and flags know no other."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _stem_words(value: object) -> object:
    words = () if value == "all" else _words(value)
    if words == [] and isinstance(value, str):
        # An empty variable of the user's shell is a slip, not the wish for all.
        raise PydanticCustomError("no_stems", "'all', or names with commas between them")
    return words


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,2})?", value):
        raise PydanticCustomError("device", "'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'")
    return value


def _hours(value: str) -> str:
    if value and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", value):
        raise PydanticCustomError("hours", "two times of day, such as '22:00-07:00', or '' for none")
    return value


def _folder(value: object) -> object:
    try:
        if not isinstance(value, str) or "\0" not in value:
            return Path(value).expanduser() if isinstance(value, str) else value
    except RuntimeError:
        pass  # nobody here has the name after '~'
    raise PydanticCustomError("folder", "a folder")


Folder = Annotated[Path, BeforeValidator(_folder)]
Command = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=100)]
Folders = Annotated[tuple[Folder, ...], BeforeValidator(_words)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Inbox(_Part):
    """A folder the DAW renders into, and what becomes of its renders."""

    path: Folder
    """Where renders appear."""
    outbox: Folder
    """Where drops appear; neither folder may contain the other."""
    preset: str = "clean"
    """Name of a preset, or the path of its file."""
    model: str | None = None
    """Another model than `separation.model`, for this inbox."""
    after: Literal["keep", "move"] = "keep"
    """What becomes of a render once its drop is there: it stays, or it moves into `done` in its inbox."""


class Intake(_Part):
    """When a render in an inbox counts as finished."""

    settle_seconds: Annotated[float, Field(strict=True, ge=0.5, le=3600.0)] = 3.0
    """A render is finished when it has not changed for this long; 0.5..3600."""
    rescan_seconds: Annotated[float, Field(strict=True, ge=1.0, le=86400.0)] = 60.0
    """How often inboxes are listed in full, whatever the system reports; 1..86400."""
    unfinished_grace_minutes: Annotated[float, Field(strict=True, ge=0.0, le=10080.0)] = 10.0
    """For how long a file that looks unfinished is waited for before it is called stalled; 0..10080."""


class Daemon(_Part):
    """How `watch` works beside everything else on the computer."""

    attempts: Annotated[int, Field(strict=True, ge=1, le=100)] = 3
    """How often a render is tried whose worker dies; 1..100."""
    patience_minutes: Annotated[float, Field(strict=True, ge=0.1, le=1440.0)] = 10.0
    """A worker that says nothing for this long is ended; 0.1..1440."""
    idle_minutes: Annotated[float, Field(strict=True, ge=0.0, le=10080.0)] = 15.0
    """The worker gives its memory back after this long without work; 0..10080."""
    priority: Literal["low", "normal"] = "low"
    """CPU priority of the worker."""
    spare_cores: Annotated[int, Field(strict=True, ge=0, le=256)] = 1
    """Cores left to other programs where `separation.threads` is 0."""
    while_playing: Literal["pause", "throttle", "ignore"] = "pause"
    """What to do while the DAW reports that it plays or records."""
    quiet_hours: Annotated[str, AfterValidator(_hours)] = ""
    """Times of day in which no job starts, such as '20:00-23:30'; '' = none."""


class Tell(_Part):
    """Who hears of what `watch` did."""

    desktop: Annotated[bool, Field(strict=True)] = True
    """Show a notification where the desktop can."""
    finished: Command = ()
    """Program and arguments, run when a drop is there; {render} and {drop} stand for their paths."""
    failed: Command = ()
    """Program and arguments, run when a render is put aside; {render} and {reason} stand for what happened."""
    reaper: Command = ()
    """REAPER's program and arguments; when set, every drop comes into the project that is open there."""


class Separation(_Part):
    """How stems are computed."""

    model: str = "htdemucs"
    """What separates: name of a model, or a folder of your own weights. See: stem-bridge models list"""
    device: Annotated[str, AfterValidator(_device)] = "auto"
    """Processor: auto takes NVIDIA, then Apple's GPU, then the CPU; `cuda:1` is the second NVIDIA card."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of products in networks with a transformer: auto takes bfloat16 on CPUs that have it, float32 elsewhere."""
    overlap: Annotated[float, Field(strict=True, ge=0.0, le=0.95)] = 0.25
    """Share of a segment that the next one computes again; 0..0.95."""
    shifts: Annotated[int, Field(strict=True, ge=0, le=20)] = 0
    """Extra runs at other time offsets, averaged; 0..20; each costs a whole run."""
    stems: Annotated[tuple[str, ...], BeforeValidator(_stem_words)] = ()
    """Wanted stems; `all` = every stem of the model."""
    two_stems: str | None = None
    """Deliver this stem and the rest of the mix, and nothing else."""
    residual: Literal["other", "stem", "share", "drop"] = "other"
    """Where mix - sum(stems) goes: into `other`, a stem of its own, a share for each, or nowhere."""
    threads: Annotated[int, Field(strict=True, ge=0, le=256)] = 0
    """CPU threads; 0 = all cores; 0..256."""
    batch: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Segments computed at once; more needs more memory; 1..64."""
    gpu_memory_gb: Annotated[float, Field(ge=0.0, le=1024.0)] = 0.0
    """Most memory to take on an NVIDIA or Apple GPU, in GB, so that others have the rest; 0 = no limit; 0..1024."""

    def options(self, model: str) -> SeparationOptions:
        """Return what a job carries, for `model`."""
        return SeparationOptions(
            model=model,
            stems=self.stems,
            two_stems=self.two_stems,
            overlap=self.overlap,
            shifts=self.shifts,
            residual=self.residual,
            device=self.device,
            precision=self.precision,
            threads=self.threads,
            batch=self.batch,
            gpu_memory_gb=self.gpu_memory_gb,
        )


class Output(_Part):
    """How stems are written, where the preset does not say."""

    format: Literal["wav", "flac", "aiff"] = "wav"
    """Container of the stems."""
    subtype: Literal["FLOAT", "PCM_24", "PCM_16", "source"] = "FLOAT"
    """Sample format; `source` follows the render."""
    dry: Annotated[bool, Field(strict=True)] = True
    """Deliver the dry stem too where a preset prints effects."""
    session: Annotated[tuple[Literal["reaper", "ardour"], ...], BeforeValidator(_words)] = ("reaper",)
    """Project files to put into a drop: reaper, ardour (experimental); import.lua is always there."""


class Presets(_Part):
    """Where presets lie besides the shipped ones."""

    folders: Folders = ()
    """Your own come first: a preset there hides a shipped one of its name."""
    live: Annotated[bool, Field(strict=True)] = False
    """While `watch` runs: a preset that is saved is heard at once, in an audition of the newest drop made with it."""
    bpm: Annotated[float, Field(strict=True, ge=1.0, le=960.0)] | None = None
    """Tempo of every render, quarter notes a minute, unless the DAW's script says another; 1..960."""

    def tempo(self) -> TempoMap | None:
        """Return the tempo that the user says, from the start of the render on."""
        return None if self.bpm is None else TempoMap((TempoChange(0.0, self.bpm),), "setting")


class Cache(_Part):
    """What is kept so that no segment of a song is separated twice."""

    folder: Annotated[str, Field(min_length=1)] = "auto"
    """Where outputs of segments are kept; `auto` = the platform's folder for caches, `off` = none is kept."""
    max_gb: Annotated[float, Field(ge=0.1, le=100000.0)] = 20.0
    """The least used ones go beyond this many GB; 0.1..100000."""

    def options(self, environment: Mapping[str, str] = os.environ) -> StoreOptions | None:
        """Return what a job carries; None when nothing is kept."""
        if self.folder == "off":
            return None
        folder = cache_folder(environment) if self.folder == "auto" else Path(self.folder).expanduser().absolute()
        return StoreOptions(folder, round(self.max_gb * 1e9))


class Plugins(_Part):
    """Your own VST3 and Audio Unit plugins, and what one of them may cost."""

    folders: Folders = ()
    """The only places plugins are loaded from; empty = none is. See: stem-bridge plugins scan"""
    missing: Missing = "fail"
    """What happens where a preset names a plugin that is not there."""
    seconds_to_load: Annotated[float, Field(strict=True, ge=1.0, le=600.0)] = 30.0
    """A plugin that needs longer to load is given up; 1..600."""
    seconds_without_progress: Annotated[float, Field(strict=True, ge=1.0, le=600.0)] = 30.0
    """A plugin that works longer on less than a second of sound is given up; 1..600."""
    memory_gb: Annotated[float, Field(strict=True, ge=0.5, le=1000.0)] = 4.0
    """A plugin that takes more memory is given up; 0.5..1000."""

    def options(self, environment: Mapping[str, str] = os.environ) -> PluginOptions:
        """Return what a job carries; crashes are counted in the state folder."""
        return PluginOptions(
            folders=tuple(folder.absolute() for folder in self.folders),
            missing=self.missing,
            seconds_to_load=self.seconds_to_load,
            seconds_without_progress=self.seconds_without_progress,
            memory_gb=self.memory_gb,
            records=state_folder(environment) / "plugins",
        )


class Models(_Part):
    """Where weights lie besides the cache of downloads."""

    folders: Folders = ()
    """Searched first."""


class Settings(_Part):
    """Every setting, resolved; nothing changes it afterwards."""

    version: Literal[1] = 1
    inboxes: tuple[Inbox, ...] = ()
    intake: Intake = Intake()
    separation: Separation = Separation()
    output: Output = Output()
    daemon: Daemon = Daemon()
    tell: Tell = Tell()
    presets: Presets = Presets()
    models: Models = Models()
    plugins: Plugins = Plugins()
    cache: Cache = Cache()
    file: Path | None = Field(default=None, exclude=True)
    """The bridge.yaml that was read; None when there is none."""
    stated: frozenset[str] = Field(default=frozenset(), exclude=True)
    """Settings that a flag gave, dotted: these also win over a preset's own."""

    def inbox_of(self, render: Path) -> Inbox | None:
        """Return the inbox that `render` lies in; None where it lies in none."""
        return next((one for one in self.inboxes if render.resolve().is_relative_to(one.path.resolve())), None)

    def model_of(self, inbox: Inbox | None) -> str:
        """Return the model of renders in `inbox`, or in none: its own, else `separation.model`."""
        return self.separation.model if inbox is None or inbox.model is None else inbox.model

    def output_for(self, preset: Preset) -> OutputOptions:
        """Decide the output of a job: a flag wins over the preset, and the preset over file and variables."""
        ours = self.output.model_dump()
        for key in preset.stated_output:
            if f"output.{key}" not in self.stated:
                ours[key] = getattr(preset.output, key)
        return OutputOptions(**ours)


def default_file() -> Path:
    """Return where bridge.yaml lies when nobody says otherwise: the platform's folder for settings."""
    return user_config_path("stem-bridge", appauthor=False) / "bridge.yaml"


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where journals, status and logs lie: STEM_BRIDGE_DATA/state, else the platform's folder for state."""
    if data := data_folder(environment):
        return data / "state"
    return user_state_path("stem-bridge", appauthor=False)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where `cache.folder: auto` keeps segments: STEM_BRIDGE_DATA/cache/store, else the platform's folder."""
    if data := data_folder(environment):
        return data / "cache" / "store"
    return user_cache_path("stem-bridge", appauthor=False) / "store"


def load(
    file: Path | None = None, *, flags: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Resolve all settings.

    `file` (else the variable STEM_BRIDGE_CONFIG) must exist; without either, `default_file()` is read if it is there.
    Relative folders in it are relative to it. `flags` are dotted settings, such as 'separation.overlap', where None
    means not given. Raises ConfigError for an unreadable file, an unknown setting, a value that is not allowed,
    `stems` together with `two_stems`, and for folders that contain each other.
    """
    layers = Layers(Settings)
    path = file
    if path is None and environment.get(CONFIG_VARIABLE):
        path = Path(environment[CONFIG_VARIABLE]).expanduser()
    if path is None and default_file().is_file():
        path = default_file()
    if path is not None:
        layers.add_file(path)
    layers.add_variables(environment)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers.add_flags(given)
    settings = Settings.model_validate(layers.validated(path, frozenset(given)))
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """Refuse what no single setting shows: two ways to choose stems, and folders that would feed each other."""
    if settings.separation.stems and settings.separation.two_stems:
        raise ConfigError(
            "Both 'stems' and 'two_stems' are set.",
            hint="Keep one of them: 'two_stems' delivers one stem and the rest of the mix.",
            path=settings.file,
        )
    inboxes = [one.path for one in settings.inboxes]
    pairs = [(one, other) for number, one in enumerate(inboxes) for other in inboxes[number + 1 :]]
    pairs += [(inbox, one.outbox) for one in settings.inboxes for inbox in inboxes]
    for one, other in pairs:
        a, b = (Path(os.path.normcase(folder.resolve())) for folder in (one, other))
        if a == b or a.is_relative_to(b) or b.is_relative_to(a):
            raise ConfigError(
                f"{settings.file}: the folders {one} and {other} are the same, or one contains the other.",
                hint="Give every inbox and outbox a folder of its own, side by side, so that no drop becomes a render.",
                path=settings.file,
            )
