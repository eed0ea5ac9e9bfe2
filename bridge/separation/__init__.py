"""From a mix to its stems: the only importer of torch and demucs.

Doors: `separate` (Mix to stem blocks), `separator` (the protocol and its exact fake), `device`.
"""
