"""What a model is: its stems, the weight files of its members, how a bag mixes them, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["FolderSource", "HubSource", "Member", "Model", "ShippedSource", "Source"]


@dataclass(frozen=True)
class HubSource:
    """A repository on the Hugging Face hub."""

    repo: str
    """'namespace/name'."""
    revision: str | None
    """Commit, 40 hex digits; None = not known to this release, pinned by the first pull."""


@dataclass(frozen=True)
class FolderSource:
    """A folder of the user's own weights."""

    path: Path


@dataclass(frozen=True)
class ShippedSource:
    """A folder inside this package."""

    path: Path


Source = HubSource | FolderSource | ShippedSource


@dataclass(frozen=True)
class Member:
    """One network of a model."""

    signature: str
    """Demucs' name of the training run: the file's name without its suffix."""
    file: str
    """File name, without a folder."""
    size: int | None
    """Bytes, where known before the file is there."""
    sha256: str | None
    """Of the whole file, hex; None = not known to this release."""


@dataclass(frozen=True)
class Model:
    """A single network, or a bag of networks whose estimates are averaged."""

    name: str
    stems: tuple[str, ...]
    """In the order of the networks' outputs."""
    members: tuple[Member, ...]
    weights: tuple[tuple[float, ...], ...]
    """Per member, per stem: its share of that stem before division by the stem's total."""
    segment_seconds: float | None
    """The bag's segment length, where it overrides that of its members."""
    source: Source
    description: str
    licence: str
    """Of the weights; says so where it is not settled."""
    sample_rate: int = 44100
    is_trial: bool = False
    """True for the bundled model: fit for trying out, and every place that shows its result says so."""

    def pinned(self, revision: str, files: dict[str, tuple[int, str]]) -> Model:
        """Fill in a hub revision, and size and SHA-256 by file name."""
        if not isinstance(self.source, HubSource):
            return self
        members = tuple(
            replace(one, size=files[one.file][0], sha256=files[one.file][1]) if one.file in files else one
            for one in self.members
        )
        return replace(self, members=members, source=replace(self.source, revision=revision))
