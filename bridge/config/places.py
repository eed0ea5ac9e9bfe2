"""Where settings, state and caches lie: a variable's folder, else the platform's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_state_path

from bridge.errors import ConfigError

__all__ = ["CONFIG_VARIABLE", "DATA_VARIABLE", "cache_folder", "data_folder", "default_file", "state_folder"]

CONFIG_VARIABLE = "STEM_BRIDGE_CONFIG"
"""Names the bridge.yaml to read."""
DATA_VARIABLE = "STEM_BRIDGE_DATA"
"""Names a folder that holds everything of ours, instead of the platform's folders."""


def default_file() -> Path:
    """Return where bridge.yaml lies when nobody says otherwise: the platform's folder for settings."""
    return user_config_path("stem-bridge", appauthor=False) / "bridge.yaml"


def data_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder that STEM_BRIDGE_DATA names, absolute; None where it is not set. Raises ConfigError."""
    data = environment.get(DATA_VARIABLE)
    try:
        return Path(data).expanduser().absolute() if data else None
    except RuntimeError:
        raise ConfigError(
            f"{DATA_VARIABLE}: {data} is no folder.", hint="Nobody here has the name after '~'."
        ) from None


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where journals, status and logs lie: STEM_BRIDGE_DATA/state, else the platform's folder for state."""
    if data := data_folder(environment):
        return data / "state"
    return user_state_path("stem-bridge", appauthor=False)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where `cache.folder: auto` keeps segments: STEM_BRIDGE_DATA/cache/store, else the platform's folder."""
    if data := data_folder(environment):
        return data / "cache" / "store"
    return user_cache_path("stem-bridge", appauthor=False) / "store"
