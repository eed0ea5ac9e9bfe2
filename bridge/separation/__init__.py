"""From a mix to its stems: the only importer of torch and demucs.

Doors: `separate` (Mix to stem blocks), `separator` (the protocol and its exact fake), `device`.
"""

import os

# Before torch is loaded: how threads that share one window wait for each other. By default they spin long, and where
# a DAW has one of the cores, every step then costs a time slice: twenty times the work. So they sleep soon. With up to
# five threads none waits, since windows are computed side by side (lanes.py). (GNU's OpenMP reads the count.)
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
