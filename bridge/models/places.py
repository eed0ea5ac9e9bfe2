"""Where weights and the records about them lie on this computer.

The weights of published models lie in the cache of huggingface_hub, which other programs share (`HF_HOME`,
`HF_HUB_CACHE`); the pins and the record of checked files are our own (`STEM_BRIDGE_DATA`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from huggingface_hub import constants

__all__ = ["Places"]


@dataclass(frozen=True)
class Places:
    """Folders and the hub's address; `Places.usual()` gives those of this computer."""

    data: Path
    """Holds `models.lock.json`."""
    cache: Path
    """Holds the record of checked files and converted weights; may be deleted at any time."""
    hub: Path
    """huggingface_hub's own cache folder."""
    endpoint: str = constants.ENDPOINT
    """Address of the hub, without a slash at the end."""

    @classmethod
    def usual(cls) -> Places:
        """Follow STEM_BRIDGE_DATA, else the platform's folders; HF_HOME, HF_HUB_CACHE and HF_ENDPOINT for the hub."""
        own = os.environ.get("STEM_BRIDGE_DATA")
        data = Path(own).expanduser() if own else platformdirs.user_data_path("stem-bridge", appauthor=False)
        cache = data / "cache" if own else platformdirs.user_cache_path("stem-bridge", appauthor=False)
        return cls(data, cache / "models", Path(constants.HF_HUB_CACHE))

    @property
    def lock(self) -> Path:
        """The file that pins what this release does not know beforehand."""
        return self.data / "models.lock.json"

    def hub_file(self, repo: str, revision: str, file: str) -> Path:
        """Return where huggingface_hub keeps a file of one revision (its documented cache layout)."""
        return self.hub / f"models--{repo.replace('/', '--')}" / "snapshots" / revision / file
