"""What values a setting may have beyond numbers and words: folders, commands, lists in one text, times of day."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bridge.neighbour import are_hours

__all__ = ["Command", "Device", "Folder", "Folders", "Hours", "Part", "StemNames", "listed"]


def listed(value: object) -> object:
    """Read `a,b` as a list: environment variables and flags know no other."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _stem_words(value: object) -> object:
    words = () if value == "all" else listed(value)
    if words == [] and isinstance(value, str):
        # An empty variable of the user's shell is a slip, not the wish for all.
        raise PydanticCustomError("no_stems", "'all', or names with commas between them")
    return words


def _device(value: str) -> str:
    card = r"cuda:\d{1,2}"
    cards = [f"cuda:{int(one.strip()[5:])}" for one in value.split(",") if re.fullmatch(card, one.strip())]
    if len(cards) != value.count(",") + 1:
        if not re.fullmatch(r"auto|cpu|mps|cuda", value):
            raise PydanticCustomError("device", "'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,cuda:1' or 'mps'")
        return value
    if len(set(cards)) != len(cards):
        raise PydanticCustomError("devices", "cards named once each, such as 'cuda:0,cuda:1'")
    return ",".join(cards)


def _hours(value: str) -> str:
    if value and not are_hours(value):
        raise PydanticCustomError("hours", "two times of day, such as '22:00-07:00', or '' for none")
    return value


def _folder(value: object) -> object:
    try:
        if not isinstance(value, str) or "\0" not in value:
            return Path(value).expanduser() if isinstance(value, str) else value
    except RuntimeError:
        pass  # nobody here has the name after '~'
    raise PydanticCustomError("folder", "a folder")


Command = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=100)]
Device = Annotated[str, AfterValidator(_device)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Folders = Annotated[tuple[Folder, ...], BeforeValidator(listed)]
Hours = Annotated[str, AfterValidator(_hours)]
StemNames = Annotated[tuple[str, ...], BeforeValidator(_stem_words)]


class Part(BaseModel):
    """One block of bridge.yaml: frozen, without unknown names, each setting described by the text below it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
