"""Settings: defaults, then bridge.yaml, then STEM_BRIDGE_* variables, then flags, resolved once into one frozen value.

Doors: `load` and `Settings`, the parts of Settings, and the folders where things lie. Behind them: `watch` and `job`
(the parts), `values` (what a value may be), `layers` (which one wins, and where a fault stands), `places`.
"""

from bridge.config.job import Cache, Models, Output, Plugins, Presets, Separation
from bridge.config.places import CONFIG_VARIABLE, DATA_VARIABLE, cache_folder, default_file, state_folder
from bridge.config.settings import Settings, load
from bridge.config.watch import Daemon, Inbox, Intake, Tell

__all__ = ["CONFIG_VARIABLE", "DATA_VARIABLE", "Cache", "Daemon", "Inbox", "Intake", "Models", "Output", "Plugins"]
__all__ += ["Presets", "Separation", "Settings", "Tell", "cache_folder", "default_file", "load", "state_folder"]
