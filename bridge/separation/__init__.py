"""From a mix to its stems: the only importer of torch and demucs.

Doors: `separate` (Mix to stem blocks), `separator` (the protocol and its exact fake), `device`.
"""

import os

# Before torch is loaded: its threads must sleep while they wait for each other. By default they spin, and where a DAW
# has one of the cores, every step then costs a time slice: ten times the processor time was measured.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
