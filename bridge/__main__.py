"""`python -m bridge` and the `stem-bridge` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from bridge.cli.main import run

        run()
    except KeyboardInterrupt:
        # While it loads, before there is anything to tell or to take back.
        sys.exit(130)


if __name__ == "__main__":
    main()
