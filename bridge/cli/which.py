"""Which drop is meant: by its folder, its name in an outbox, or the render it came from; as `jobs` takes renders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.disk import is_file
from bridge.errors import ConfigError
from bridge.words import escaped

if TYPE_CHECKING:
    from bridge.config import Settings

__all__ = ["drop_meant"]


def drop_meant(word: str, settings: Settings, outboxes: Sequence[Path] = ()) -> Path:
    """Return the folder of a drop, absolute; of several of one render, the newest.

    A folder that holds a manifest is taken as it is. Else `outboxes`, or those of the settings and the current folder,
    are looked through for a drop of this name, then for one whose render has this name or path. Raises ConfigError
    when there is none.
    """
    from bridge.delivery.prune import find_drops
    from bridge.domain.drop import MANIFEST

    place = Path(word).expanduser().absolute()
    if is_file(place / MANIFEST):
        return place
    places = [*outboxes] or [*(inbox.outbox for inbox in settings.inboxes), Path.cwd()]
    drops = [drop for folder in dict.fromkeys(one.absolute() for one in places) for drop in find_drops(folder)]
    drops.sort(key=lambda drop: drop.manifest.created)
    named = [drop for drop in drops if drop.folder.name == word]
    render = {escaped(word), escaped(str(place))}  # as manifests write what is no text
    renders = [drop for drop in drops if render & {drop.manifest.render.path, Path(drop.manifest.render.path).name}]
    if not (named or renders):
        raise ConfigError(
            f"There is no drop '{word[:100]}'.", hint="Name its folder, or one of: stem-bridge drops list", path=place
        )
    return (named or renders)[-1].folder
