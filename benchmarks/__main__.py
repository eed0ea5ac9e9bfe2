"""`make bench`: the table of speed, ours and other tools in one run.

The other benchmarks need more than this package and are run by name: `real_songs` and `residual_forms` want songs that
Debian's archive holds, `make_demo` the instruments that played the demo.
"""

from __future__ import annotations

from benchmarks.compare import main

if __name__ == "__main__":
    main()
