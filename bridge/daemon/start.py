"""What must be right before the first turn: folders that fit, and a journal that knows what was made; what is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bridge.config import Settings
from bridge.daemon.recovery import rebuild
from bridge.daemon.tell import Told
from bridge.errand import Errand
from bridge.errors import ConfigError, SetupError
from bridge.intake.folders import check_folders
from bridge.journal.journal import Journal
from bridge.models.registry import find as find_model
from bridge.models.weights import locate
from bridge.presets.shelf import find as find_preset
from bridge.words import reason_of

__all__ = ["announce", "check", "make_new_folders", "rebuild_if_new"]

Say = Callable[[str], None]
_PATIENCE_SECONDS = 5.0


def check(settings: Settings, say: Say) -> None:
    """Say what will surprise; raises ConfigError for folders that cannot work, or when there are none."""
    if not settings.inboxes:
        raise ConfigError(
            "There is no inbox to watch.", hint="Write settings and folders with: stem-bridge init", path=settings.file
        )
    look: Errand[tuple[str, ...]] = Errand()
    look.begin(lambda: check_folders(settings.inboxes))
    if not look.is_done(_PATIENCE_SECONDS):
        say("A disk does not answer, so the folders of the settings are not compared with one another.")
        return
    for sentence in look.take():
        say(sentence)


def announce(settings: Settings, told: Told) -> None:
    """Say what is watched, and at once what would stop every render: a preset, a model or its weights not there."""
    for inbox in settings.inboxes:
        made = f"with preset {inbox.preset} and model {settings.model_of(inbox)}"
        told.say(f"Renders in {inbox.path.absolute()} become drops in {inbox.outbox.absolute()}, {made}.")
    look: Errand[list[SetupError]] = Errand()
    look.begin(lambda: _missing(settings))
    for error in look.take() if look.is_done(_PATIENCE_SECONDS) else ():
        told.failed(None, error)


def _missing(settings: Settings) -> list[SetupError]:
    """Look for every preset and model that an inbox names, each once."""
    looks: dict[tuple[str, str], Callable[[], object]] = {}
    for inbox in settings.inboxes:
        model = settings.model_of(inbox)
        looks["preset", inbox.preset] = partial(find_preset, inbox.preset, settings.presets.folders)
        looks["model", model] = partial(_locate, model, settings.models.folders)
    errors = []
    for look in looks.values():
        try:
            look()
        except SetupError as error:
            errors.append(error)
    return errors


def _locate(model: str, folders: Sequence[Path]) -> None:
    locate(find_model(model, folders), folders)


def make_new_folders(settings: Settings, journal: Journal) -> None:
    """Make the folders of inboxes that were never watched.

    Later, one that is missing is waited for: an empty folder where a disk used to be would be worse than none.
    """
    for inbox in settings.inboxes:
        if journal.folders.is_new_inbox(inbox.path.absolute()):
            for folder in (inbox.path, inbox.outbox):
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except OSError as exc:
                    raise ConfigError(
                        f"Cannot make {folder}: {reason_of(exc)}.",
                        hint="Make it, or name another folder in bridge.yaml.",
                        path=folder,
                    ) from exc


def rebuild_if_new(settings: Settings, journal: Journal, say: Say) -> None:
    """Fill a new journal, or what was saved of a damaged one, with what the drops tell."""
    if not journal.is_new:
        return
    count = rebuild(journal, settings)
    if journal.damaged is not None:
        say(
            f"The journal was damaged and is kept as {journal.damaged}; {count} drops were found again in the outboxes."
        )
