"""Words for people: whole sentences, numbers of things, what a name was meant to be, text that says no encoding."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["counted", "decoded", "did_you_mean", "escaped", "plain", "reason_of", "sentence"]

_COMMAND_AT_THE_END = re.compile(r": stem-bridge [^.]*$")


def counted(number: int, what: str) -> str:
    """Say how many there are of what is called by a regular noun: '1 sound file', '2 sound files'."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def decoded(text: bytes) -> str:
    """Read text whose encoding nobody says: UTF-8, else Latin-1, which every byte is."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Ask about the choice most like `word`, ignoring case: "Did you mean 'Compressor'?", or "" when none is near."""
    names = {name.casefold(): name for name in choices}
    near = difflib.get_close_matches(word.casefold()[:100], names, n=1, cutoff=0.6)
    return f"Did you mean '{names[near[0]]}'?" if near else ""


def escaped(text: str) -> str:
    """Show bytes of a file's name that are no text as escapes; JSON, UTF-8 files and databases cannot hold them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain(text: str) -> str:
    """Make a text of others one line that moves no cursor: spaces for white space, question marks for control codes."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def reason_of(exc: BaseException) -> str:
    """Return what the system says of a refusal, for the end of a sentence: 'no such file or directory'."""
    return str(getattr(exc, "strerror", None) or exc).lower()


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop; nothing follows a command at the end, so that it can be copied."""
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "?", "!")) or _COMMAND_AT_THE_END.search(whole) else f"{whole}."
