"""What must be right before the first turn: folders that fit, and a journal that knows what was made."""

from __future__ import annotations

from collections.abc import Callable

from bridge.config import Settings
from bridge.daemon.recovery import rebuild
from bridge.errand import Errand
from bridge.errors import ConfigError
from bridge.intake.folders import check_folders
from bridge.journal.journal import Journal
from bridge.words import reason_of

__all__ = ["check", "make_new_folders", "rebuild_if_new"]

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
