"""What a DAW's script wrote beside a render: which preset, which stems, where in the project. Hostile by assumption."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bridge.domain.render import Marker, Origin, Source
from bridge.domain.tempo import TempoChange, TempoMap
from bridge.errors import ConfigError, ReadError
from bridge.intake.plain import open_plain
from bridge.units import seconds_to_frames
from bridge.words import did_you_mean, reason_of

__all__ = ["Sidecar", "SidecarMarker", "SidecarSource", "TempoPoint", "read_sidecar", "sidecar_paths"]

MAX_BYTES = 256 * 1024
MOST_MARKERS = 1000
MOST_MUTED = 1000
LONGEST_SECONDS = 1_000_000.0


def _named(text: str) -> str:
    """Refuse what could be a path, so that a sidecar never chooses a file: only something that was set up before."""
    if text != text.strip() or text.startswith(".") or any(mark in text for mark in "/\\:~") or not text.isprintable():
        raise ValueError("it must be a plain name")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it must be one line of printable text")
    return text


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_named)]
Words = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]
Guid = Annotated[str, Field(pattern=r"^\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}$")]
Seconds = Annotated[float, Field(ge=0.0, le=LONGEST_SECONDS, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class SidecarMarker(_Part):
    """A cue point or region inside the render."""

    position_seconds: Seconds
    """From the start of the render."""
    name: Words = ""
    length_seconds: Seconds = 0.0
    """Above 0 makes it a region."""


class TempoPoint(_Part):
    """From here on the project has this tempo."""

    position_seconds: Seconds
    """From the start of the project."""
    bpm: Annotated[float, Field(ge=1.0, le=960.0, allow_inf_nan=False)]
    numerator: Annotated[int, Field(ge=1, le=255)] = 4
    denominator: Literal[1, 2, 4, 8, 16, 32, 64] = 4
    ramp: bool = False
    """The tempo moves in a straight line over time to that of the next point."""


class SidecarSource(_Part):
    """What of the project was rendered."""

    mode: Literal["time", "items", "tracks", "bus", "master"]
    project: Words = ""
    """The DAW's own identity or file of the project, for comparison only; never opened."""
    mute: Annotated[list[Guid], Field(max_length=MOST_MUTED)] = []
    """Tracks or items that are muted when the stems come in."""
    parent: Guid | Literal[""] = ""
    """Track whose input the stems join; empty = straight to the master."""


class Sidecar(_Part):
    """Everything a sidecar may say; what it leaves out, the inbox decides."""

    version: Literal[1] = 1
    preset: Name | None = None
    model: Name | None = None
    stems: Annotated[list[Name], Field(max_length=16)] | None = None
    """Wanted stems; none named = the settings decide."""
    two_stems: Name | None = None
    """Deliver this stem and the rest of the mix, instead of `stems`."""
    position_seconds: Annotated[float, Field(ge=-LONGEST_SECONDS, le=LONGEST_SECONDS, allow_inf_nan=False)] | None = (
        None
    )
    """Where in the project the render starts; before the project's zero too."""
    markers: Annotated[list[SidecarMarker], Field(max_length=MOST_MARKERS)] = []
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Higher goes first."""
    project: Words = ""
    """The project's name or file, for people; never opened."""
    tempo: Annotated[list[TempoPoint], Field(max_length=MOST_MARKERS)] = []
    source: SidecarSource | None = None
    """What was rendered, so that the stems can take its place."""
    tags: Annotated[dict[Name, Words], Field(max_length=32)] = {}

    @property
    def origin(self) -> Origin | None:
        """Where the render starts, or None when the sidecar does not say."""
        return None if self.position_seconds is None else Origin(self.position_seconds, "sidecar")

    @property
    def rendered(self) -> Source | None:
        """What was rendered, or None when the sidecar does not say."""
        if self.source is None:
            return None
        said = self.source
        return Source(said.mode, said.project or self.project, tuple(said.mute), said.parent)

    def tempo_from(self, origin: Origin) -> TempoMap | None:
        """Return the tempo map as seen from a render that starts at `origin`, or None when the sidecar says none."""
        if not self.tempo:
            return None
        changes = (
            TempoChange(one.position_seconds - origin.seconds, one.bpm, one.numerator, one.denominator, one.ramp)
            for one in self.tempo
        )
        return TempoMap.of(changes, "sidecar")

    def markers_at(self, sample_rate: int) -> tuple[Marker, ...]:
        """Return the markers in frames of a render of `sample_rate` Hz."""
        return tuple(
            Marker(
                seconds_to_frames(one.position_seconds, sample_rate),
                one.name,
                seconds_to_frames(one.length_seconds, sample_rate),
            )
            for one in self.markers
        )


def sidecar_paths(render: Path) -> tuple[Path, ...]:
    """Return where a sidecar may lie, the nearest name first: 'song.wav.json', then 'song.json'."""
    return render.with_name(render.name + ".json"), render.with_name(render.stem + ".json")


def read_sidecar(render: Path) -> Sidecar | None:
    """Read the sidecar of a render, or None when it has none.

    Raises ConfigError, naming the file, for one that cannot be used: unreadable, a link or no plain file, too large, no
    JSON, unknown keys, values that are not allowed.
    """
    for path in sidecar_paths(render):
        try:
            data = _bytes(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as exc:
            raise _fault(path, f"it cannot be read: {reason_of(exc)}") from exc
        except ReadError as error:
            raise _fault(path, "it is no plain file") from error
        return _parsed(path, data)
    return None


def _bytes(path: Path) -> bytes:
    descriptor, _ = open_plain(path)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _parsed(path: Path, data: bytes) -> Sidecar:
    if len(data) > MAX_BYTES:
        raise _fault(path, f"it is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = data.decode("utf-8-sig")
        plain = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except RecursionError as exc:
        raise _fault(path, "it is nested too deeply") from exc
    except ValueError as exc:
        raise _fault(path, f"it is no JSON text ({_first_line(exc)})") from exc
    try:
        return Sidecar.model_validate(plain)
    except ValidationError as exc:
        error = exc.errors(include_url=False)[0]
        raise _invalid(path, error["type"], error["loc"], error["msg"]) from exc


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        raise ValueError("a key is set twice")
    return whole


def _refused(word: str) -> float:
    raise ValueError(f"{word} is not a number")


def _invalid(path: Path, kind: str, keys: tuple[int | str, ...], message: str) -> ConfigError:
    name = ".".join(str(key)[:40] for key in keys)
    if kind == "extra_forbidden":
        near = did_you_mean(str(keys[-1]), Sidecar.model_fields)
        return _fault(path, f"{name!a} is not known", near)
    if not keys:
        return _fault(path, "it must be an object of names and values")
    return _fault(path, f"{name!a} is not allowed ({message.removeprefix('Value error, ').lower()})")


def _fault(path: Path, what: str, hint: str = "") -> ConfigError:
    again = "Correct or remove it; the render is picked up again by itself."
    return ConfigError(
        f"The sidecar {path.name} cannot be used: {what}.",
        hint=f"{hint[:1].upper()}{hint[1:]} {again}".strip(),
        path=path,
    )


def _first_line(exc: ValueError) -> str:
    return str(exc).splitlines()[0][:100]
