"""Where settings come from: bridge.yaml, then variables, then flags, gathered over each other and validated once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bridge import strict_yaml
from bridge.config.places import CONFIG_VARIABLE, DATA_VARIABLE
from bridge.errors import ConfigError
from bridge.words import did_you_mean, reason_of, sentence

__all__ = ["Layers"]

_KINDS = {
    "model_type": "'name: value' lines",
    "tuple_type": "a list",
    "path_type": "a folder, as text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}
"""What pydantic's type errors ask for, in words of the file."""

_PREFIX = "STEM_BRIDGE_"
_PLACES = frozenset({CONFIG_VARIABLE, DATA_VARIABLE})
"""Variables that say where things lie, and are no settings themselves."""


@dataclass
class Layers:
    """Values gathered one layer over the other, and where each came from."""

    model: type[BaseModel]
    """What the values are validated as; its fields are parts, whose fields are settings."""
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    """'--overlap', 'the variable STEM_BRIDGE_...' by setting; what the file said is found in `document`."""
    document: strict_yaml.Node | None = None

    def add_file(self, path: Path) -> None:
        try:
            text = strict_yaml.read_bytes(path)
        except OSError as exc:
            raise ConfigError(
                f"Settings file {path} cannot be read: {reason_of(exc)}.",
                hint="Give the path of a bridge.yaml, or write one with: stem-bridge init",
                path=path,
            ) from exc
        self.document = strict_yaml.load(text, what="bridge.yaml", error=ConfigError, path=path)
        values = self.document.plain()
        if values is None:
            return
        if not isinstance(values, dict):
            raise self.document.fail("settings must be 'name: value' lines", "write a fresh one with: stem-bridge init")
        self.values = {name: value for name, value in values.items() if value is not None}
        _anchor_folders(self.values, path.absolute().parent)

    def add_variables(self, environment: Mapping[str, str]) -> None:
        known = {_PREFIX + name.replace(".", "_").upper(): name for name in _names(self.model)}
        for variable, text in environment.items():
            if not variable.startswith(_PREFIX) or variable in _PLACES:
                continue
            if variable not in known:
                raise ConfigError(
                    f"{variable} is no setting.",
                    hint=sentence(_meant(variable, known) or "remove the variable"),
                )
            value = strict_yaml.load(text, what=variable, error=ConfigError).plain()
            self._set(known[variable], value, f"the variable {variable}")

    def add_flags(self, flags: Mapping[str, object]) -> None:
        ways = {"stems", "two_stems"}
        given = {way for way in ways if f"separation.{way}" in flags}
        separation = self.values.get("separation")
        if given and isinstance(separation, dict):  # a flag decides alone, whatever lower layers say of the other way
            for way in ways - given:
                separation.pop(way, None)
        for name, value in flags.items():
            self._set(name, value, "--" + name.rpartition(".")[2].replace("_", "-"))

    def validated(self, path: Path | None, stated: frozenset[str]) -> BaseModel:
        """Return the model of all values, with what they came from; raises ConfigError for the first fault."""
        try:
            return self.model.model_validate({**self.values, "file": path, "stated": stated})
        except ValidationError as exc:
            raise self._fault(exc.errors()[0]) from exc

    def _set(self, name: str, value: object, origin: str) -> None:
        part, _, key = name.partition(".")
        there = self.values.setdefault(part, {})
        if isinstance(there, dict):
            there[key] = value
        self.origins[part, key] = origin

    def _is_text(self, keys: Sequence[str | int]) -> bool:
        """Say whether a list was given as one text, `a,b`, whose words have no place that a reader could count."""
        part = self.values.get(str(keys[0]))
        return isinstance(part, dict) and len(keys) > 2 and isinstance(part.get(keys[1]), str)

    def _fault(self, error: Any) -> ConfigError:
        keys: tuple[str | int, ...] = error["loc"]
        name = ".".join(str(key) for key in (keys[:2] if self._is_text(keys) else keys))
        if error["type"] == "extra_forbidden":
            choices = _choices(self.model, keys[:-1])
            what = f"'{keys[-1]}' is no setting" + (f" of '{keys[0]}'" if len(keys) > 1 else "")
            hint = did_you_mean(str(keys[-1]), choices) or f"settings here are {', '.join(choices)}"
        elif error["type"] == "missing":
            what, hint = f"'{name}' is missing", "add it"
        else:
            what = f"'{name}' cannot be {error['input']!r}"
            hint = f"it must be {_KINDS.get(error['type']) or error['msg'].removeprefix('Input should be ')}"
        origin = self.origins.get(keys[:2])
        if origin is not None or self.document is None:
            return ConfigError(f"{origin}: {what}.", hint=sentence(hint))
        return ConfigError(
            self.document.source.fail(self.document.line_of(keys), what, hint).message,
            hint=sentence(hint),
            path=self.document.source.path,
        )


def _meant(variable: str, known: Mapping[str, str]) -> str:
    """Ask about the variable of the one setting that is called so in its part, else about the one spelt most alike."""
    word = variable.removeprefix(_PREFIX).lower()
    called = [one for one, name in known.items() if name.rpartition(".")[2] == word]
    return f"Did you mean '{called[0]}'?" if len(called) == 1 else did_you_mean(variable, [*known, *_PLACES])


def _names(model: type[BaseModel]) -> Iterator[str]:
    """Yield every setting that one word can give, dotted."""
    for part, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from (f"{part}.{key}" for key in info.annotation.model_fields)


def _choices(model: type[BaseModel], keys: Sequence[str | int]) -> list[str]:
    """List the settings that may stand at `keys`."""
    if not keys:
        return [name for name, info in model.model_fields.items() if not info.exclude]
    part = model.model_fields[str(keys[0])].annotation
    part = next(iter(get_args(part)), part)  # a list of such parts
    return list(part.model_fields) if isinstance(part, type) and issubclass(part, BaseModel) else []


def _anchor_folders(values: dict[str, Any], base: Path) -> None:
    """Make the folders of a settings file absolute: relative ones start at the file, wherever the command runs."""

    def anchored(value: object) -> object:
        try:
            return str(base / Path(value).expanduser()) if isinstance(value, str) else value
        except RuntimeError:
            return value  # nobody has the name after '~'; the check of the value tells

    def if_path(value: object) -> object:
        # A name is no path, and may also be a folder inside `models.folders`: only what says so starts at the file.
        return anchored(value) if isinstance(value, str) and value.startswith((".", "~")) else value

    inboxes = values.get("inboxes")
    for one in inboxes if isinstance(inboxes, list) else []:
        if isinstance(one, dict):
            one.update({key: anchored(one[key]) for key in ("path", "outbox") if key in one})
            one.update({key: if_path(one[key]) for key in ("preset", "model") if key in one})
    separation = values.get("separation")
    if isinstance(separation, dict) and "model" in separation:
        separation["model"] = if_path(separation["model"])
    for name in ("presets", "models", "plugins"):
        part = values.get(name)
        if isinstance(part, dict) and isinstance(part.get("folders"), list):
            part["folders"] = [anchored(folder) for folder in part["folders"]]
    cache = values.get("cache")
    if isinstance(cache, dict) and cache.get("folder") not in (None, "", "auto", "off"):
        cache["folder"] = anchored(cache["folder"])
