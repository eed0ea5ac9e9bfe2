"""Pins for models whose checksums this release does not know: written once by the first pull, obeyed from then on.

The first pull asks the hub which commit `main` is and which SHA-256 each file has there, fetches exactly that, checks
the bytes, and writes both into `models.lock.json`. From then on that commit and those checksums are the model; what
happens to `main` later changes nothing. It is trust on first use: the first answer of the hub is believed. The file
is small and plain, so it can be kept with a project or copied to other machines, which then get the very same weights.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.utils import WeakFileLock

from bridge.errors import ModelError
from bridge.models.checks import write_whole
from bridge.models.config import unreadable
from bridge.models.model import HubSource, Model

__all__ = ["Pin", "pin_of", "with_pin", "write_pin"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pin:
    """One commit of a hub repository and its files."""

    repo: str
    revision: str
    files: dict[str, tuple[int, str]]
    """File name to size in bytes and SHA-256."""


def with_pin(model: Model, lock: Path) -> Model:
    """Complete a hub model from the lock file where this release does not pin it itself."""
    if not isinstance(model.source, HubSource) or model.source.revision is not None:
        return model
    pin = pin_of(model, lock)
    return model.pinned(pin.revision, pin.files) if pin else model


def pin_of(model: Model, lock: Path) -> Pin | None:
    """Read a model's pin; None where it has none. Raises ModelError when the lock file is damaged."""
    entry = _read(lock).get(model.name)
    if entry is None:
        return None
    pin = _parse(entry)
    wanted = {one.file for one in model.members}
    if pin is None or not wanted <= pin.files.keys():
        raise _damaged(lock)
    same_repo = isinstance(model.source, HubSource) and pin.repo == model.source.repo
    return pin if same_repo else None


def write_pin(model: str, pin: Pin, lock: Path) -> None:
    """Add a pin; an existing one of the same repository is never replaced.

    Raises ModelError when the file is damaged, OSError.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock.with_suffix(".guard")):
        models = _read(lock)
        files = {name: {"size": size, "sha256": sha256} for name, (size, sha256) in sorted(pin.files.items())}
        known = models.get(model)
        if not isinstance(known, dict) or known.get("repo") != pin.repo:
            models[model] = {"repo": pin.repo, "revision": pin.revision, "files": files}
        write_whole(lock, json.dumps({"version": 1, "models": models}, indent=2, sort_keys=True) + "\n")


def _read(lock: Path) -> dict[str, Any]:
    try:
        whole = json.loads(lock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise unreadable(lock, exc) from exc
    except (ValueError, RecursionError) as exc:
        raise _damaged(lock) from exc
    models = whole.get("models") if isinstance(whole, dict) and whole.get("version") == 1 else None
    if not isinstance(models, dict):
        raise _damaged(lock)
    return models


def _parse(entry: object) -> Pin | None:
    match entry:
        case {"repo": str(repo), "revision": str(revision), "files": dict(files)} if _COMMIT.fullmatch(revision):
            parsed = {name: _parse_file(one) for name, one in files.items()}
            known = {name: one for name, one in parsed.items() if one is not None}
            return Pin(repo, revision, known) if len(known) == len(parsed) else None
    return None


def _parse_file(entry: object) -> tuple[int, str] | None:
    match entry:
        case {"size": int(size), "sha256": str(sha256)} if size > 0 and _SHA256.fullmatch(sha256):
            return size, sha256
    return None


def _damaged(lock: Path) -> ModelError:
    return ModelError(
        f"The lock file {lock} is damaged.",
        hint="Restore it from a backup; or delete it, and the next pull pins what the hub offers then.",
        path=lock,
    )
