"""Which drop is meant: by its folder, its name in an outbox, or the render it came from; as `jobs` takes renders."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.disk import is_file
from bridge.errors import ConfigError
from bridge.words import escaped

if TYPE_CHECKING:
    from bridge.config import Settings

__all__ = ["drop_meant"]


def drop_meant(word: str, settings: Settings) -> Path:
    """Return the folder of a drop, absolute; of several of one render, the newest.

    A folder that holds a manifest is taken as it is. Else the outboxes of the settings and the current folder are
    looked through for a drop of this name, then for one whose render has this name or path; how a system writes its
    accents does not count. Raises ConfigError when there is none.
    """
    from bridge.delivery.prune import find_drops
    from bridge.domain.drop import MANIFEST

    place = Path(word).expanduser().absolute()
    if is_file(place / MANIFEST):
        return place
    places = [*(inbox.outbox for inbox in settings.inboxes), Path.cwd()]
    drops = [drop for folder in dict.fromkeys(one.absolute() for one in places) for drop in find_drops(folder)]
    drops.sort(key=lambda drop: drop.manifest.created)
    named = [drop for drop in drops if _form(drop.folder.name) == _form(word)]
    wanted = {_form(word), _form(str(place))}
    renders = [drop for drop in drops if wanted & set(map(_form, _names_of(drop.manifest.render.path)))]
    if not (named or renders):
        raise ConfigError(
            f"There is no drop '{word[:100]}'.", hint="Name its folder, or one of: stem-bridge drops list", path=place
        )
    return (named or renders)[-1].folder


def _names_of(render: str) -> tuple[str, str]:
    return render, Path(render).name


def _form(text: str) -> str:
    """Write a name as manifests write what is no text, and accents in one way: macOS has two."""
    return unicodedata.normalize("NFC", escaped(text))
