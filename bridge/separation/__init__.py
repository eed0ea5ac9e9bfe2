"""From a mix to its stems: the only importer of torch and demucs.

Doors: `separate` (Mix to stem blocks), `separator` (the protocol and its exact fake), `device`.
"""

import os

# Before torch is loaded: how its threads wait for each other. By default they spin for long, and where a DAW has one of
# the cores, every step then costs a time slice. Asleep at once, they cost a third of the speed of a quiet machine; so
# they spin for a few milliseconds first, which is as fast as spinning without an end. (GNU's OpenMP reads the count.)
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "100000")
