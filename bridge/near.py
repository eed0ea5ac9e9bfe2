"""Guess what a mistyped name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Ask about the choice most like `word`, ignoring case: "did you mean 'Compressor'?", or "" when none is near."""
    names = {name.casefold(): name for name in choices}
    near = difflib.get_close_matches(word.casefold()[:100], names, n=1, cutoff=0.6)
    return f"did you mean '{names[near[0]]}'?" if near else ""
