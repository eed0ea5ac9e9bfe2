"""The Hugging Face hub behind three calls, with its many failures told in one line each.

Only the hub is asked (`HF_ENDPOINT` may name a mirror); no other host is tried. A transfer that breaks off is resumed
by huggingface_hub within the same call; after that the file is fetched anew, files already complete are kept.
"""

from __future__ import annotations

import errno
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub import constants as hub_constants
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import close_session, tqdm
from huggingface_hub.utils import logging as hub_logging

from bridge.errors import BridgeError, ModelError, NoSpaceError
from bridge.models.lock import Pin
from bridge.models.model import HubSource, Member
from bridge.models.places import Places
from bridge.words import reason_of

__all__ = ["ask_for_pin", "fetch", "session", "wrong_bytes"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TRANSPORT_ERROR: type[Exception] = hub_errors.HTTPError
"""Base of all errors of the hub's HTTP library, whichever of its generations huggingface_hub uses."""


@contextmanager
def session(name: str) -> Iterator[None]:
    """Keep one connection for several calls and close it; refuse when the user has switched the network off."""
    if hub_constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"Cannot fetch {name}: the Hugging Face hub is switched off (HF_HUB_OFFLINE).",
            hint=f"Unset HF_HUB_OFFLINE, and run: stem-bridge models pull {name}",
        )
    loudness, no_xet = hub_logging.get_verbosity(), hub_constants.HF_HUB_DISABLE_XET
    hub_logging.set_verbosity_error()  # the terminal belongs to the command line
    hub_constants.HF_HUB_DISABLE_XET = True  # its own runtime cannot be resumed, and fails in ways of its own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as: no symbolic links on this disk
            yield
    finally:
        hub_logging.set_verbosity(loudness)
        hub_constants.HF_HUB_DISABLE_XET = no_xet
        close_session()


def ask_for_pin(name: str, source: HubSource, files: tuple[str, ...], places: Places) -> Pin:
    """Ask which commit `main` is now, and the size and SHA-256 of `files` there; raises ModelError."""
    with _translated(name, files[0], None, source, places):
        try:
            info = HfApi(endpoint=places.endpoint).model_info(source.repo, files_metadata=True, timeout=30)
        except (ValueError, KeyError, TypeError) as exc:  # an answer that is not the hub's JSON
            raise hub_errors.FileMetadataError(str(exc)) from exc
    known = {one.rfilename: one.lfs for one in info.siblings or () if one.lfs is not None}
    commit = str(info.sha)
    missing = [one for one in files if one not in known or not _SHA256.fullmatch(str(known[one].sha256))]
    if missing or not _COMMIT.fullmatch(commit):
        raise ModelError(
            f"Cannot fetch {name}: {source.repo} on {_host(places)} does not offer {(missing or files)[0]} any more.",
            hint="The repository has changed; a newer release of Stem Bridge may know more.",
        )
    return Pin(source.repo, commit, {one: (int(known[one].size), str(known[one].sha256)) for one in files})


def fetch(name: str, source: HubSource, member: Member, places: Places, step: Callable[[int], None]) -> Path:
    """Bring one file of a pinned revision into the hub's cache and return its path there.

    `step` hears how many bytes of the file have come. They are not checked here. Raises ModelError, NoSpaceError.
    """
    with _translated(name, member.file, member.sha256, source, places):
        url = hf_hub_url(source.repo, member.file, revision=source.revision, endpoint=places.endpoint)
        offered = get_hf_file_metadata(url, endpoint=places.endpoint)
        if offered.commit_hash is None or offered.etag is None:
            raise hub_errors.FileMetadataError("no commit or no checksum in the answer")
        if _SHA256.fullmatch(offered.etag) and offered.etag != member.sha256:
            raise wrong_bytes(name, member, offered.etag, places)
        return Path(
            hf_hub_download(
                source.repo,
                member.file,
                revision=source.revision,
                cache_dir=places.hub,
                endpoint=places.endpoint,
                tqdm_class=_steps(step),
            )
        )


def wrong_bytes(name: str, member: Member, actual: str, places: Places) -> ModelError:
    """Say that what the hub sent is not what it should be."""
    return ModelError(
        f"The checksum of {member.file} of {name} from {_host(places)} is wrong: "
        f"expected {member.sha256}, found {actual}.",
        hint=f"It was not used; if a mirror is set (HF_ENDPOINT), unset it, then run: stem-bridge models pull {name}",
    )


def _steps(step: Callable[[int], None]) -> type[Any]:
    """Make the progress class huggingface_hub wants out of a function; nothing is drawn."""

    class Steps(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread that watches a bar nobody sees
        done = 0

        def __init__(self, *_: object, **__: object) -> None:
            super().__init__(disable=True)

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            step(self.done)

    return Steps


@contextmanager
def _translated(name: str, file: str, sha256: str | None, source: HubSource, places: Places) -> Iterator[None]:
    """Turn every error of the hub's client into one line with the file, where it belongs, and its checksum."""

    def said(what: str, hint: str = "") -> ModelError:
        revision = source.revision or "REVISION"
        place = places.hub_file(source.repo, revision, file).parent
        by_hand = f"Put {file} (sha256 {sha256}) into {place}, or" if sha256 else "Nothing was changed;"
        again = f"{by_hand} {hint or 'run again'}: stem-bridge models pull {name}"
        return ModelError(f"Cannot fetch {file} of {name}: {what}.", hint=again, path=place)

    host = _host(places)
    try:
        yield
    except BridgeError:
        raise
    except hub_errors.RevisionNotFoundError as exc:
        raise said(f"{host} no longer has revision {source.revision} of {source.repo}") from exc
    except hub_errors.RepositoryNotFoundError as exc:
        raise said(
            f"{host} does not show {source.repo} (removed, renamed, or it wants a login: hf auth login)"
        ) from exc
    except hub_errors.RemoteEntryNotFoundError as exc:
        raise said(f"{source.repo} on {host} does not hold this file") from exc
    except hub_errors.HfHubHTTPError as exc:
        raise said(f"{host} answered with error {exc.response.status_code}", "try again later") from exc
    except (hub_errors.FileMetadataError, hub_errors.LocalEntryNotFoundError) as exc:
        raise said(f"{host} did not answer as the hub does (a proxy, or a sign-in page?)") from exc
    except _TRANSPORT_ERROR as exc:
        broke = f"the connection to {host} failed ({type(exc).__name__})"
        raise said(broke, "connect to the internet and run") from exc
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            raise NoSpaceError(
                f"The disk is full: {file} of {name} did not fit.",
                hint="Free some space, or set HF_HOME to a folder on another disk.",
                path=places.hub,
            ) from exc
        if exc.errno is None:  # huggingface_hub's own check of the length
            raise said(f"the transfer from {host} broke off") from exc
        raise said(
            f"{reason_of(exc)} ({exc.filename or places.hub})", "check that you may write there, and run"
        ) from exc


def _host(places: Places) -> str:
    return urlsplit(places.endpoint).netloc or places.endpoint
